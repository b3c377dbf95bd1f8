//! Handing something over from the job's coroutine to the main context.
//!
//! What is deferred runs once, in the main context, from a bottom half of its own, in the order in
//! which it was deferred; the completion of the job is the last of it. Jobs of other contexts have it
//! run in theirs, in a turn of main's ([`crate::main_loop`]). For drained sections the job
//! is *busy* as long as something waits to run: a section that begins meanwhile polls until it has
//! run, and so none of it runs inside of a section of somebody else's. From the moment that it starts
//! the job is *quiescent*, although it is not: the callback drains nodes itself, and would wait for
//! itself for ever.
//!
//! QEMU: `job_exit` (job.c), `block_job_defer_to_main_loop` (blockjob.c, up to 2.12).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::job::Job;
use crate::trace::JobTraceKind;

type DeferredFn = Box<dyn FnOnce(&Rc<Job>)>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// There is nothing to run.
    #[default]
    Idle,
    /// A bottom half is scheduled.
    Scheduled,
    /// The bottom half runs. What follows is scheduled only when it returns: it may poll, and must
    /// not find its successor running on top of it.
    Running,
}

/// What a job has deferred.
#[derive(Default)]
pub(crate) struct Deferred {
    queue: RefCell<VecDeque<DeferredFn>>,
    stage: Cell<Stage>,
}

impl Job {
    /// Runs `callback` once, in the main context, from a bottom half of its own. It may poll, and drain
    /// nodes that the job uses; what it owns, such as the guard of a drained section, lives until it has
    /// run. Called by the job's coroutine, usually as the last thing before `run` ends.
    ///
    /// The counterpart of `block_job_defer_to_main_loop` (`blockjob.c`, up to 2.12).
    pub fn defer_to_main_loop(&self, callback: impl FnOnce(&Rc<Job>) + 'static) {
        self.trace(|| JobTraceKind::Defer);
        self.deferred
            .queue
            .borrow_mut()
            .push_back(Box::new(callback));
        if self.deferred.stage.get() == Stage::Idle {
            self.schedule_deferred();
        }
    }

    /// Whether something waits to run in the main context and has not started: a drained section has
    /// to wait for it.
    pub fn is_deferral_pending(&self) -> bool {
        self.deferred.stage.get() == Stage::Scheduled
    }

    /// Whether something that was deferred runs now.
    pub(crate) fn is_deferral_running(&self) -> bool {
        self.deferred.stage.get() == Stage::Running
    }

    fn schedule_deferred(&self) {
        self.deferred.stage.set(Stage::Scheduled);
        let job = self.rc();
        match self.list.upgrade() {
            Some(list) => list.defer(job),
            None => {
                let run = move || job.run_deferred();
                self.context().schedule_oneshot("job_deferred", run);
            }
        }
        // The main context may sleep while the job's home runs.
        self.kick();
    }

    pub(crate) fn run_deferred(&self) {
        let callback = self.deferred.queue.borrow_mut().pop_front();
        let callback = callback.expect("a bottom half was scheduled for it");
        self.deferred.stage.set(Stage::Running);
        self.trace(|| JobTraceKind::DeferredStart);
        self.kick();
        callback(&self.rc());
        if self.deferred.queue.borrow().is_empty() {
            self.deferred.stage.set(Stage::Idle);
        } else {
            self.schedule_deferred();
        }
    }
}
