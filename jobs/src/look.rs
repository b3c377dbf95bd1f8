//! What a job remembers of itself for whoever explains why it is where it is.
//!
//! QEMU shows none of this.

use std::cell::Cell;

use crate::error_policy::IoOperation;
use crate::job::Job;

/// The error for which a job was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopCause {
    /// Which way the request went that failed.
    pub operation: IoOperation,
    /// Its error number, positive.
    pub errno: i32,
    /// When, in nanoseconds of the clock of the job's home.
    pub since_ns: u64,
}

/// When what happened to a job last.
#[derive(Default)]
pub(crate) struct Moments {
    pub(crate) status_since_ns: Cell<u64>,
    /// The deadline of the last sleep that had one.
    pub(crate) asleep_until_ns: Cell<u64>,
    pub(crate) stop_cause: Cell<Option<StopCause>>,
}

impl Job {
    /// Since when the job is in the state that it is in, in nanoseconds of the clock of its main
    /// context.
    pub fn status_since_ns(&self) -> u64 {
        self.moments.status_since_ns.get()
    }

    /// When the job wakes by itself, in nanoseconds of the clock of its home; `None` if it does not
    /// sleep, or until somebody enters it.
    pub fn asleep_until_ns(&self) -> Option<u64> {
        let asleep = !self.is_busy() && self.sleep_timer.pending();
        asleep.then(|| self.moments.asleep_until_ns.get())
    }

    /// The first error since the last time that the user let the job go on, if the error policy has
    /// stopped it.
    pub fn stop_cause(&self) -> Option<StopCause> {
        self.moments.stop_cause.get()
    }
}
