//! What a job does about a failed request.
//!
//! QEMU: `block_job_error_action`, `block_job_iostatus_reset` (blockjob.c).

use crate::error_policy::{ErrorAction, IoOperation, OnError};
use crate::event::JobEvent;
use crate::job::Job;
use crate::look::StopCause;
use crate::marks;

impl Job {
    /// A request of the job, a read or else a write, failed with `errno` (positive): tells the watchers and
    /// returns what `on_error` has done about it. For [`ErrorAction::Stop`] the job is paused on the
    /// user's behalf, unless it is already: the caller repeats the request after the pause. The
    /// counterpart of `block_job_error_action` (`blockjob.c`).
    pub fn error_action(&self, on_error: OnError, is_read: bool, errno: i32) -> ErrorAction {
        let operation = if is_read {
            IoOperation::Read
        } else {
            IoOperation::Write
        };
        let action = on_error.job_action(errno);
        self.home().mark(marks::of_error(on_error, action));
        self.emit(|device| JobEvent::Error {
            device,
            operation,
            action,
        });
        if action == ErrorAction::Stop {
            let paused = || self.run.user_paused.get();
            self.home().mark_if(paused, &marks::STOPPED_TWICE);
            if self.stop_cause().is_none() {
                self.moments.stop_cause.set(Some(StopCause {
                    operation,
                    errno,
                    since_ns: self.home().now_ns(),
                }));
            }
            // Of several requests that fail together the first one pauses the job.
            if !self.run.user_paused.get() {
                self.pause();
                self.run.user_paused.set(true);
            }
            let mut status = self.io_status.get();
            status.observe(errno);
            self.io_status.set(status);
        }
        action
    }

    /// Forgets the error that stopped the job.
    ///
    /// QEMU: `block_job_iostatus_reset` (blockjob.c).
    pub(crate) fn io_status_reset(&self) {
        let mut status = self.io_status.get();
        status.reset();
        self.io_status.set(status);
        self.moments.stop_cause.set(None);
    }
}
