//! What users ask of a job. Each asks the table of verbs first, but for `resume`.
//!
//! All of them are called in the context of the job's list; those that say so outside of coroutines. A monitor
//! calls them from a bottom half: then the job runs, and tells its watchers, before they return, in
//! the order of `docs/peer-verbs.md`.
//!
//! QEMU: `job_user_pause_locked` and so on (job.c), `block_job_set_speed_locked` (blockjob.c),
//! `qmp_block_job_cancel` (blockdev.c).

use crate::driver::{JobChange, JobResult};
use crate::error::JobError;
use crate::event::JobEvent;
use crate::id::JobId;
use crate::job::Job;
use crate::marks;
use crate::state::JobStatus;
use crate::verb::{self, JobVerb};

impl Job {
    /// Lets `verb` pass if the job takes it in its state.
    fn apply_verb(&self, verb: JobVerb) -> JobResult {
        match self.id() {
            Some(id) => verb::apply_verb(id, self.status(), verb),
            None if verb::verb_allowed(verb, self.status()) => Ok(()),
            // No user can name an internal job, so there is no text of the peer's for it.
            None => Err(JobError::Invalid {
                text: format!("An internal job does not take '{verb}' now"),
            }),
        }
    }

    /// `job-pause`: stand still until the user resumes the job.
    ///
    /// QEMU: `job_user_pause_locked` (job.c).
    ///
    /// # Errors
    ///
    /// [`JobError::VerbRefused`]; [`JobError::AlreadyPaused`].
    pub fn user_pause(&self) -> JobResult {
        self.apply_verb(JobVerb::Pause)?;
        if self.run.user_paused.get() {
            return Err(JobError::AlreadyPaused);
        }
        self.run.user_paused.set(true);
        self.pause();
        Ok(())
    }

    /// `job-resume`: go on after a pause by the user or the error policy, and forget the error.
    ///
    /// QEMU: `job_user_resume_locked` (job.c).
    ///
    /// # Errors
    ///
    /// [`JobError::NotPaused`], whatever the state; [`JobError::VerbRefused`].
    pub fn user_resume(&self) -> JobResult {
        if !self.run.user_paused.get() || self.pause_count() == 0 {
            return Err(JobError::NotPaused);
        }
        self.apply_verb(JobVerb::Resume)?;
        self.forget_user_pause();
        self.resume();
        Ok(())
    }

    /// The user's pause ends; its count is the caller's to take back.
    pub(crate) fn forget_user_pause(&self) {
        self.io_status_reset();
        self.driver.user_resume(&self.rc());
        self.run.user_paused.set(false);
    }

    /// `job-cancel`, with `force`; without, what is left of `block-job-cancel` once
    /// [`block_job_cancel`](Self::block_job_cancel) has looked. See [`cancel`](Self::cancel).
    ///
    /// QEMU: `job_user_cancel_locked` (job.c).
    ///
    /// # Errors
    ///
    /// [`JobError::VerbRefused`].
    ///
    /// # Panics
    ///
    /// Inside of a coroutine, if a transaction has to be aborted.
    pub fn user_cancel(&self, force: bool) -> JobResult {
        self.apply_verb(JobVerb::Cancel)?;
        self.cancel(force);
        Ok(())
    }

    /// `block-job-cancel`: a job that the user paused could not end in good order, so it is only
    /// cancelled by force.
    ///
    /// QEMU: `qmp_block_job_cancel` (blockdev.c).
    ///
    /// # Errors
    ///
    /// [`JobError::PausedCannotCancel`], before the table of verbs; [`JobError::VerbRefused`].
    ///
    /// # Panics
    ///
    /// As [`user_cancel`](Self::user_cancel).
    pub fn block_job_cancel(&self, force: bool) -> JobResult {
        if let (true, false, Some(id)) = (self.is_user_paused(), force, self.id()) {
            return Err(JobError::PausedCannotCancel { id: id.clone() });
        }
        self.user_cancel(force)
    }

    /// `job-complete`: finish a job that is ready. It ends some time later.
    ///
    /// QEMU: `job_complete_locked` (job.c).
    ///
    /// # Errors
    ///
    /// [`JobError::VerbRefused`]; [`JobError::CannotComplete`] if it is being cancelled; what the driver
    /// says.
    pub fn complete(&self) -> JobResult {
        self.apply_verb(JobVerb::Complete)?;
        if self.cancel_requested() {
            return Err(self.cannot_complete());
        }
        self.driver.complete(&self.rc())
    }

    pub(crate) fn cannot_complete(&self) -> JobError {
        match self.id() {
            Some(id) => JobError::CannotComplete { id: id.clone() },
            None => JobError::Invalid {
                text: "An internal job cannot be completed".to_owned(),
            },
        }
    }

    /// `job-finalize`: let the finished transaction of the job take effect. Polls, if the drivers do.
    ///
    /// QEMU: `job_finalize_locked` (job.c).
    ///
    /// # Errors
    ///
    /// [`JobError::VerbRefused`]. That a job fails at this step is its result and no error here.
    pub fn finalize(&self) -> JobResult {
        self.apply_verb(JobVerb::Finalize)?;
        // Asked again while a driver polls: it is being done.
        if self.is_txn_open() {
            self.do_finalize();
        }
        Ok(())
    }

    /// `job-dismiss`: take a concluded job off the list.
    ///
    /// QEMU: `job_dismiss_locked` (job.c).
    ///
    /// # Errors
    ///
    /// [`JobError::VerbRefused`].
    pub fn dismiss(&self) -> JobResult {
        self.apply_verb(JobVerb::Dismiss)?;
        self.do_dismiss();
        Ok(())
    }

    /// `block-job-set-speed`: the limit from now on, in bytes per second; 0 is unlimited. A job that
    /// sleeps for the sake of a lower limit is woken, and looks again how long it has to.
    ///
    /// QEMU: `block_job_set_speed_locked` (blockjob.c).
    ///
    /// # Errors
    ///
    /// [`JobError::VerbRefused`]; [`JobError::NegativeSpeed`].
    pub fn set_speed(&self, speed_bytes_per_s: i64) -> JobResult {
        self.apply_verb(JobVerb::SetSpeed)?;
        let speed = u64::try_from(speed_bytes_per_s).map_err(|_| JobError::NegativeSpeed)?;
        let old_speed = self.speed_bytes_per_s();
        self.context()
            .mark_if(|| self.sleep_timer.pending(), &marks::SPEED_WHEN_ASLEEP);
        let now_ns = self.home().now_ns();
        self.limit.borrow_mut().set_speed(speed, now_ns);
        self.driver.set_speed(&self.rc(), speed);
        if speed == 0 || speed > old_speed {
            self.enter_cond(|job| job.sleep_timer.pending());
        }
        Ok(())
    }

    /// `block-job-change`: change an option of the job's type.
    ///
    /// QEMU: `block_job_change_locked` (blockjob.c).
    ///
    /// # Errors
    ///
    /// [`JobError::VerbRefused`]; what the driver says.
    pub fn change(&self, change: JobChange) -> JobResult {
        self.apply_verb(JobVerb::Change)?;
        self.driver.change(&self.rc(), change)
    }

    /// The job's coroutine has caught up and keeps up. The counterpart of `job_transition_to_ready`
    /// (`job.c`).
    pub fn set_ready(&self) {
        self.transition(JobStatus::Ready);
        self.emit(|id: JobId| JobEvent::Ready(self.snapshot(id)));
    }
}
