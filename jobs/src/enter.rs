//! How the job's coroutine gets the processor.
//!
//! One flag decides, `busy`: whoever enters the job sets it, and only if it was not set. So however
//! many want to enter (the timer of a sleep, a resume, a cancel, a finished request), one does, and
//! the others find that it is done.
//!
//! QEMU: `job_enter_cond_locked`, `job_start`, `job_co_entry` (job.c).

use std::rc::Rc;

use blockjob_runtime::{AioContext, bug, in_coroutine};

use crate::driver::JobResult;
use crate::job::Job;
use crate::marks;
use crate::state::JobStatus;
use crate::trace::JobTraceKind;

impl Job {
    /// Starts the job. Its coroutine runs until it first yields before this returns, if the main
    /// context is its home and the caller is not in a coroutine; else soon. A job that was paused
    /// meanwhile (by a drained section) comes to stand still before it has done anything.
    ///
    /// The counterpart of `job_start` (`job.c`).
    ///
    /// # Panics
    ///
    /// If it was started before.
    pub fn start(&self) {
        assert_eq!(
            self.status(),
            JobStatus::Created,
            "{self:?} was started before"
        );
        let job = self.rc();
        let coroutine = self
            .home()
            .coroutine("job", async move { job.co_entry().await });
        self.coroutine
            .set(coroutine)
            .expect("only a start makes the coroutine");
        self.run.started.set(true);
        self.run.pause_count.set(self.run.pause_count.get() - 1);
        self.run.busy.set(true);
        self.run.paused.set(false);
        self.transition(JobStatus::Running);
        self.co_wake();
    }

    /// The coroutine.
    ///
    /// QEMU: `job_co_entry` (job.c).
    async fn co_entry(self: Rc<Self>) {
        self.pause_point().await;
        let result = self.driver.clone().run(&self).await;
        self.run_ended(result);
    }

    /// The coroutine of a job that has moved here while it stood still. It is entered when nobody wants
    /// that any more.
    pub(crate) async fn co_entry_again(self: Rc<Self>) {
        let status = self.status().when_resumed();
        let status = status.expect("a job with a coroutine moves at a pause point");
        self.stand_still().await;
        self.go_on(status).await;
        let result = self.driver.clone().run(&self).await;
        self.run_ended(result);
    }

    /// `run` has returned `result`, which is the outcome unless something worse becomes of it.
    fn run_ended(&self, result: JobResult) {
        self.trace(|| JobTraceKind::RunEnd);
        self.set_outcome(result);
        // From here on nobody may enter. The job stays busy, so that a drained section waits for
        // the completion to start.
        self.run.deferred_to_main_loop.set(true);
        self.run.busy.set(true);
        self.defer_to_main_loop(|job| job.exit());
    }

    /// Lets the job's coroutine go on, if it has yielded: out of a sleep before its time, out of a
    /// yield. A busy job is left alone, and so is one that stands still at a pause point for as long as
    /// somebody wants it to; one that has ended, or was not started, too.
    ///
    /// The coroutine runs before this returns, if its home is the current context and the caller is not
    /// in a coroutine; else soon. The counterpart of `job_enter` (`job.c`).
    pub fn enter(&self) {
        self.enter_cond(|_| true);
    }

    /// Enters the job if `condition` holds when all else does. The counterpart of
    /// `job_enter_cond_locked` (`job.c`).
    pub(crate) fn enter_cond(&self, condition: impl FnOnce(&Job) -> bool) {
        if !self.is_started() || self.run.deferred_to_main_loop.get() {
            return;
        }
        let busy = self.run.busy.get() && !bug!(JOB_05);
        if busy || (self.run.paused.get() && self.run.held()) || !condition(self) {
            return;
        }
        self.context()
            .mark_if(|| self.sleep_timer.pending(), &marks::ENTERED_EARLY);
        self.sleep_timer.disarm();
        self.run.busy.set(true);
        self.trace(|| JobTraceKind::Enter);
        self.co_wake();
    }

    /// Runs the coroutine now, where that is possible, or else soon: never on top of another
    /// coroutine, which may be in the middle of anything. The counterpart of `aio_co_wake`
    /// (`util/async.c`).
    fn co_wake(&self) {
        let coroutine = self.coroutine.get().expect("only started jobs are entered");
        match AioContext::try_current() {
            Some(current) if current == *self.home() && !in_coroutine() => {
                // A context that is closed in the middle of things drops its coroutines, and with
                // them drained sections whose end resumes jobs that are gone by then.
                if !coroutine.ended() {
                    coroutine.enter();
                }
            }
            None if self.home() == self.context() => {
                let _current = self.home().make_current();
                coroutine.enter();
            }
            _ => coroutine.wake(),
        }
    }
}
