//! One mirror from its start to its end, as the commands run it.

use std::cell::Cell;
use std::rc::Rc;

use blockjob::jobs::job::Job;
use blockjob::jobs::list::JobList;
use blockjob::jobs::mirror::{MirrorJob, Outcome};
use blockjob::runtime::AioContext;

use crate::signals::{self, Signal};

/// A mirror that has been started.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) ctx: AioContext,
    /// The job's events go to it, for as long as the job lives.
    _list: Rc<JobList>,
    pub(crate) job: Rc<Job>,
    pub(crate) mirror: Rc<MirrorJob>,
    interrupted: Rc<Cell<Option<Signal>>>,
}

impl Run {
    /// What [`mirror_start`](blockjob::jobs::mirror::mirror_start) returned, in `ctx` and on `list`.
    pub(crate) fn new(
        ctx: &AioContext,
        list: Rc<JobList>,
        (job, mirror): (Rc<Job>, Rc<MirrorJob>),
    ) -> Self {
        Run {
            ctx: ctx.clone(),
            _list: list,
            job,
            mirror,
            interrupted: Rc::default(),
        }
    }

    /// Has the signals that end a program cancel the job; a second one, while the job waits for
    /// storage that does not answer, calls `give_up`, which does not return.
    pub(crate) fn cancel_on_signals(
        &self,
        give_up: impl Fn(Signal) + Clone + 'static,
    ) -> std::io::Result<()> {
        let run = self.clone();
        signals::watch(&self.ctx, move |signal| {
            if signal == Signal::Cont {
                // Also a shell sends it, after Ctrl-Z: then no job has stopped, and none resumes.
                let _not_paused = run.job.user_resume();
            } else if run.interrupted.replace(Some(signal)).is_some() {
                give_up(signal);
            } else {
                // It may be over, or as good as: then its end stands.
                let _too_late = run.job.user_cancel(true);
            }
        })
    }

    /// The signal that asked for an end, if there was one.
    pub(crate) fn interrupted(&self) -> Option<Signal> {
        self.interrupted.get()
    }

    /// Polls until the job is over. `after_pass` is called between passes of the event loop.
    pub(crate) fn to_the_end(&self, mut after_pass: impl FnMut()) -> Outcome {
        loop {
            after_pass();
            if let (true, Some(outcome)) = (self.job.is_completed(), self.mirror.outcome()) {
                return outcome;
            }
            self.ctx.poll(true);
        }
    }
}
