//! Cancelling.
//!
//! There are two kinds. A *forced* cancel abandons the work. A *soft* one lets a driver that can do so
//! end in good order: a ready mirror keeps its copy and only does not switch to it. The driver
//! decides which one it is.
//!
//! QEMU: `job_cancel_async_locked`, `job_cancel_locked` (job.c).

use blockjob_runtime::bug;

use crate::job::Job;
use crate::marks;
use crate::state::JobStatus;
use crate::trace::JobTraceKind;

impl Job {
    /// Whether the job's work is abandoned: the coroutine must end. The counterpart of
    /// `job_is_cancelled` (`job.c`).
    pub fn is_cancelled(&self) -> bool {
        let force = self.run.force_cancel.get();
        debug_assert!(self.run.cancelled.get() || !force);
        force
    }

    /// Whether the job was asked to cancel, softly or by force. The counterpart of
    /// `job_cancel_requested` (`job.c`).
    pub fn cancel_requested(&self) -> bool {
        self.run.cancelled.get()
    }

    /// Takes note of a cancel, and enters nobody.
    ///
    /// QEMU: `job_cancel_async_locked` (job.c).
    pub(crate) fn cancel_async(&self, force: bool) {
        let job = self.rc();
        let force = self.driver.cancel(&job, force);
        self.trace(|| JobTraceKind::Cancel { force });
        self.mark_cancel(force);
        if self.run.user_paused.get() {
            // The user's pause is over; those of drained sections are not the user's to end.
            self.forget_user_pause();
            let pause_count = self.run.pause_count.get();
            assert!(pause_count > 0, "{self:?} is paused by the user");
            self.run.pause_count.set(pause_count - 1);
        }
        // A soft cancel of a job that is done changes nothing: what `run` returned stands. A forced
        // one still does, until the transaction is being committed.
        let done = self.run.deferred_to_main_loop.get();
        let force = force || (bug!(JOB_01) && done);
        if (force || !done) && !self.is_committing() {
            self.run.cancelled.set(true);
            // A soft cancel does not take a forced one back.
            if force {
                self.run.force_cancel.set(true);
            }
        }
    }

    /// Which of the rare kinds of cancels this one is.
    fn mark_cancel(&self, force: bool) {
        let (context, run) = (self.context(), &self.run);
        context.mark_if(|| !force && self.is_ready(), &marks::CANCEL_SOFT);
        context.mark_if(|| force && !self.is_ready(), &marks::CANCEL_FORCED);
        let softly = || force && run.cancelled.get() && !run.force_cancel.get();
        context.mark_if(softly, &marks::CANCEL_HARDER);
        context.mark_if(|| run.user_paused.get(), &marks::CANCEL_WHEN_PAUSED);
        context.mark_if(|| self.is_deferral_pending(), &marks::CANCEL_DEFERRED);
        context.mark_if(|| self.is_completed(), &marks::CANCEL_DONE);
    }

    /// Cancels the job, by force or softly: a job that runs is told and entered, and ends some time
    /// later; one that was not started is over when this returns; the transaction of one that is done
    /// is aborted, if the cancel is forced; a concluded one is dismissed. No verb is checked: see
    /// [`user_cancel`](Self::user_cancel). The counterpart of `job_cancel` (`job.c`).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine, if it has to abort a transaction and so to poll.
    pub fn cancel(&self, force: bool) {
        // The last holder but the caller may let go of it here.
        let job = self.rc();
        if job.has_departed() {
            return;
        }
        if job.status() == JobStatus::Concluded {
            job.do_dismiss();
            return;
        }
        job.cancel_async(force);
        if !job.is_started() {
            job.completed();
        } else if job.deferred_to_main_loop() {
            if job.is_cancelled() {
                job.cancel_txn();
            }
        } else {
            job.enter();
        }
    }
}
