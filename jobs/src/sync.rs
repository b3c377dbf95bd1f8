//! Waiting for a job's end in the context of its list, by polling its loop. Elsewhere than in the main
//! context whoever does so acts for main, which waits meanwhile, and takes the turn that brings the end.
//!
//! QEMU: `job_finish_sync_locked`, `job_cancel_sync_locked`, `job_complete_sync_locked`,
//! `job_cancel_sync_all` (job.c).

use crate::driver::JobResult;
use crate::error::JobError;
use crate::job::Job;
use crate::list::JobList;

impl Job {
    /// Polls until the job is completed, entering it all the while so that it need not sleep.
    pub(crate) fn wait_completed(&self) {
        self.context().poll_while(|| {
            self.enter();
            !self.is_completed()
        });
    }

    /// Has `finish` bring the job to its end, and polls until it is completed; concluded it may be
    /// later. A job that stands still and is not cancelled by force never ends: the caller sees to
    /// that. The counterpart of `job_finish_sync` (`job.c`).
    ///
    /// # Errors
    ///
    /// What `finish` says, and then nothing is waited for; else what the job came to, or
    /// [`JobError::NotFound`] if it has moved to another context meanwhile.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn finish_sync(&self, finish: impl FnOnce(&Job) -> JobResult) -> JobResult {
        let job = self.rc();
        finish(&job)?;
        job.wait_completed();
        if job.has_departed() {
            return Err(JobError::NotFound);
        }
        match job.ret() {
            Ok(()) if job.is_cancelled() => Err(JobError::Cancelled),
            result => result,
        }
    }

    /// Cancels the job and waits for its end. The counterpart of `job_cancel_sync` (`job.c`).
    ///
    /// # Errors
    ///
    /// What the job came to: [`JobError::Cancelled`], or what it failed with.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn cancel_sync(&self, force: bool) -> JobResult {
        self.finish_sync(|job| {
            job.cancel(force);
            Ok(())
        })
    }

    /// Completes the job and waits for its end. The counterpart of `job_complete_sync` (`job.c`).
    ///
    /// # Errors
    ///
    /// As [`complete`](Self::complete); else what the job came to.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn complete_sync(&self) -> JobResult {
        self.finish_sync(Job::complete)
    }
}

impl JobList {
    /// Cancels all jobs by force, also those that are concluded and wait to be dismissed, and waits
    /// for their ends. The counterpart of `job_cancel_sync_all` (`job.c`).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn cancel_sync_all(&self) {
        while let Some(job) = self.newest() {
            // What each came to is told by its events.
            let _result = job.cancel_sync(true);
        }
    }
}
