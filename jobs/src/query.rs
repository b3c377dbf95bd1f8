//! What a job shows of itself.
//!
//! QEMU: `job_query_single` (job-qmp.c), `block_job_query_locked` (blockjob.c).

use blockjob_runtime::AioContext;

use crate::driver::JobResult;
use crate::error::JobError;
use crate::error_policy::IoStatus;
use crate::event::{BlockJobSnapshot, JobType};
use crate::id::JobId;
use crate::job::Job;
use crate::progress::ProgressMeter;
use crate::state::JobStatus;

impl Job {
    /// What the job does.
    pub fn job_type(&self) -> JobType {
        self.driver.job_type()
    }

    /// The state.
    pub fn status(&self) -> JobStatus {
        self.run.status.get()
    }

    /// The context of the list that the job is on, where it is made, completed and asked.
    pub fn context(&self) -> &AioContext {
        &self.context
    }

    /// The context in which the job's coroutine lives.
    pub fn home(&self) -> &AioContext {
        &self.home
    }

    /// Whether a finished transaction takes effect by itself.
    pub fn auto_finalize(&self) -> bool {
        self.auto_finalize
    }

    /// Whether the concluded job leaves the list by itself.
    pub fn auto_dismiss(&self) -> bool {
        self.auto_dismiss
    }

    /// Whether the coroutine runs, is about to, or waits for something other than to be entered.
    pub fn is_busy(&self) -> bool {
        self.run.busy.get()
    }

    /// Whether the coroutine stands at a pause point, or has not been started.
    pub fn is_paused(&self) -> bool {
        self.run.paused.get()
    }

    /// How many want the job to stand still; before the start one more. More than 0 is what
    /// `query-block-jobs` shows as `paused`.
    pub fn pause_count(&self) -> u32 {
        self.run.pause_count.get()
    }

    /// Whether the user paused it, or the error policy on the user's behalf.
    pub fn is_user_paused(&self) -> bool {
        self.run.user_paused.get()
    }

    /// Whether the job has been started. The counterpart of `job_started` (`job.c`).
    pub fn is_started(&self) -> bool {
        self.run.started.get()
    }

    /// Whether the job has caught up. The counterpart of `job_is_ready` (`job.c`).
    pub fn is_ready(&self) -> bool {
        self.status().is_ready()
    }

    /// Whether the job's own work is over. The counterpart of `job_is_completed` (`job.c`).
    pub fn is_completed(&self) -> bool {
        self.status().is_completed()
    }

    /// Whether `run` has ended; the completion has run in the main context, or is about to.
    pub fn deferred_to_main_loop(&self) -> bool {
        self.run.deferred_to_main_loop.get()
    }

    /// True if the job lives in another context now. It is on the list there, and what is left here
    /// is not a job any more.
    pub fn has_departed(&self) -> bool {
        self.run.departed.get()
    }

    /// What the job came to; `None` until it is concluded.
    pub fn result(&self) -> Option<JobResult> {
        let over = matches!(self.status(), JobStatus::Concluded | JobStatus::Null);
        let over = over && !self.has_departed();
        over.then(|| self.ret())
    }

    /// What the job has come to so far: until `run` has ended, success. The counterpart of `ret` of
    /// `Job` (`include/qemu/job.h`).
    pub fn ret(&self) -> JobResult {
        self.outcome.borrow().clone()
    }

    /// Why the job failed, in words, as `query-jobs` shows it; `None` if it has not.
    pub fn error_text(&self) -> Option<String> {
        self.outcome
            .borrow()
            .as_ref()
            .err()
            .map(JobError::to_string)
    }

    /// The speed that is set, in bytes per second; 0 is unlimited.
    pub fn speed_bytes_per_s(&self) -> u64 {
        self.limit.borrow().speed_bytes_per_s()
    }

    /// The kind of the error that made the job stop, until the user resumes it.
    pub fn io_status(&self) -> IoStatus {
        self.io_status.get()
    }

    /// How far the job has come.
    pub fn progress(&self) -> ProgressMeter {
        self.progress.get()
    }

    /// Adds `done` to the work done. The counterpart of `job_progress_update` (`job.c`).
    pub fn progress_update(&self, done: u64) {
        self.change_progress(|meter| meter.work_done(done));
    }

    /// Sets the total so that `remaining` is left. The counterpart of `job_progress_set_remaining`
    /// (`job.c`).
    pub fn progress_set_remaining(&self, remaining: u64) {
        self.change_progress(|meter| meter.set_remaining(remaining));
    }

    /// Adds `delta` to the total. The counterpart of `job_progress_increase_remaining`
    /// (`job.c`).
    pub fn progress_increase_remaining(&self, delta: u64) {
        self.change_progress(|meter| meter.increase_remaining(delta));
    }

    fn change_progress(&self, change: impl FnOnce(&mut ProgressMeter)) {
        let mut meter = self.progress.get();
        change(&mut meter);
        self.progress.set(meter);
    }

    /// What events of block jobs show of job `device`, which is this one.
    pub(crate) fn snapshot(&self, device: JobId) -> BlockJobSnapshot {
        let progress = self.progress();
        BlockJobSnapshot {
            job_type: self.job_type(),
            device,
            len_bytes: progress.total(),
            offset_bytes: progress.current(),
            speed_bytes_per_s: self.speed_bytes_per_s(),
        }
    }
}
