//! How a job ends, once its coroutine has.
//!
//! `run` ends; `Job::exit` runs in the main context, or in its turn; the transaction waits for its other jobs,
//! or is aborted; each job is finalized (commit or abort, clean, the last event), concluded, and at
//! last dismissed.
//!
//! QEMU: `job_exit`, `job_completed_locked`, `job_finalize_single_locked`, `job_conclude_locked`,
//! `job_do_dismiss_locked` (job.c).

use crate::driver::JobResult;
use crate::error::JobError;
use crate::event::JobEvent;
use crate::job::Job;
use crate::state::JobStatus;

impl Job {
    /// The coroutine has ended, and this is the main context, or main waits for this one.
    ///
    /// QEMU: `job_exit` (job.c).
    pub(crate) fn exit(&self) {
        // Not quite true, for the driver has yet to finish. But what it does there drains nodes, and
        // a busy job would make it wait for itself.
        self.run.busy.set(false);
        self.kick();
        self.completed();
    }

    /// The job's own work is over, well or badly.
    ///
    /// QEMU: `job_completed_locked` (job.c).
    pub(crate) fn completed(&self) {
        assert!(!self.is_completed(), "{self:?} is completed twice");
        self.update_rc();
        if self.outcome.borrow().is_err() {
            self.completed_txn_abort();
        } else {
            self.completed_txn_success();
        }
    }

    /// Makes a cancellation of the outcome if there was one and nothing else went wrong, and lets the
    /// job abort if it failed.
    ///
    /// QEMU: `job_update_rc_locked` (job.c).
    pub(crate) fn update_rc(&self) {
        if self.outcome.borrow().is_ok() && self.is_cancelled() {
            self.set_outcome(Err(JobError::Cancelled));
        }
        if self.outcome.borrow().is_err() {
            self.transition(JobStatus::Aborting);
        }
    }

    /// The last step that can fail.
    ///
    /// QEMU: `job_prepare_locked` (job.c).
    pub(crate) fn prepare(&self) -> JobResult {
        if self.outcome.borrow().is_ok() {
            let result = self.driver.prepare(&self.rc());
            self.set_outcome(result);
            self.update_rc();
        }
        self.ret()
    }

    /// QEMU: `job_transition_to_pending_locked` (job.c).
    pub(crate) fn transition_to_pending(&self) {
        self.transition(JobStatus::Pending);
        if !self.auto_finalize() {
            let job_type = self.job_type();
            self.emit(|id| JobEvent::Pending { job_type, id });
        }
    }

    /// The fate of the transaction is decided: the job takes its part in it, and is concluded.
    ///
    /// QEMU: `job_finalize_single_locked` (job.c).
    pub(crate) fn finalize_single(&self) {
        let job = self.rc();
        assert!(self.is_completed(), "{self:?} is finalized too early");
        // The transaction may have failed after this job's own success.
        self.update_rc();
        let result = self.ret();
        if result.is_ok() {
            self.driver.commit(&job);
        } else {
            self.driver.abort(&job);
        }
        self.driver.clean(&job);
        for callback in self.on_finished.take() {
            callback(&job, &result);
        }
        // A job that nobody saw running just vanishes.
        if self.is_started() {
            self.emit_end();
        }
        self.leave_txn();
        self.conclude();
    }

    fn emit_end(&self) {
        let cancelled = self.is_cancelled();
        let error = self.error_text();
        self.emit(|id| {
            let job = self.snapshot(id);
            if cancelled {
                JobEvent::Cancelled(job)
            } else {
                JobEvent::Completed { job, error }
            }
        });
    }

    /// QEMU: `job_conclude_locked` (job.c).
    fn conclude(&self) {
        self.transition(JobStatus::Concluded);
        if self.auto_dismiss() || !self.is_started() {
            self.do_dismiss();
        }
    }

    /// The job leaves the list.
    ///
    /// QEMU: `job_do_dismiss_locked` (job.c).
    pub(crate) fn do_dismiss(&self) {
        let _job = self.rc();
        self.run.busy.set(false);
        self.run.paused.set(false);
        self.run.deferred_to_main_loop.set(true);
        self.leave_txn();
        self.transition(JobStatus::Null);
        // Somebody may keep the job for its result, and must not keep the nodes with it.
        if let Some(block_job) = self.block_job() {
            block_job.remove_all_bdrv();
        }
        self.unlist();
    }

    /// Takes back a job that could not be set up: watchers see it go, and nothing of it is run. The
    /// counterpart of `job_early_fail` (`job.c`).
    ///
    /// # Panics
    ///
    /// If it has been started.
    pub fn early_fail(&self) {
        assert_eq!(self.status(), JobStatus::Created, "{self:?} has run");
        self.do_dismiss();
    }
}
