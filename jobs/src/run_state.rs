//! What the job's coroutine and those who ask something of it both touch.
//!
//! Everything else in a job belongs to one side. Both sides live in the thread of the job's list, and
//! whoever asks from another thread sends what he asks there, so cells are enough. The counterpart of what `job_mutex` guards in `job.c`.

use std::cell::Cell;

use crate::state::JobStatus;

/// The flags of a job. They answer three questions: may the coroutine run (`busy`, `paused`,
/// `pause_count`), should it end (`cancelled`, `force_cancel`), has it ended
/// (`deferred_to_main_loop`).
pub(crate) struct RunState {
    pub(crate) status: Cell<JobStatus>,
    /// The coroutine runs, is queued to run, or waits for something other than
    /// [`Job::enter`](crate::job::Job::enter). Whoever enters it sets this first, and only if it was
    /// not set: so nobody enters twice. Only the coroutine clears it, as the last thing before it
    /// yields, and `job_exit`, when there is no coroutine any more.
    pub(crate) busy: Cell<bool>,
    /// The coroutine stands at a pause point. Also before the start.
    pub(crate) paused: Cell<bool>,
    /// How many want the job to stand still: drained sections, the user, the time before the start.
    pub(crate) pause_count: Cell<u32>,
    /// One of `pause_count` is the user's, or the error policy's on the user's behalf.
    pub(crate) user_paused: Cell<bool>,
    /// The job was asked to cancel, softly or by force.
    pub(crate) cancelled: Cell<bool>,
    /// The job was asked to abandon its work. Implies `cancelled`.
    pub(crate) force_cancel: Cell<bool>,
    /// `run` has ended; the coroutine must never be entered again.
    pub(crate) deferred_to_main_loop: Cell<bool>,
    /// The job has been started.
    pub(crate) started: Cell<bool>,
    /// The job lives in another context now: this is what it has left behind.
    pub(crate) departed: Cell<bool>,
}

impl RunState {
    /// The job as it is made: it stands still until it is started.
    pub(crate) fn new() -> Self {
        RunState {
            status: Cell::new(JobStatus::Undefined),
            busy: Cell::new(false),
            paused: Cell::new(true),
            pause_count: Cell::new(1),
            user_paused: Cell::new(false),
            cancelled: Cell::new(false),
            force_cancel: Cell::new(false),
            deferred_to_main_loop: Cell::new(false),
            started: Cell::new(false),
            departed: Cell::new(false),
        }
    }

    /// Whether a pause point has to hold the coroutine. A job that abandons its work is not held:
    /// it does no more I/O, and whoever cancels it inside of a drained section waits for its end.
    pub(crate) fn held(&self) -> bool {
        self.pause_count.get() > 0 && !self.force_cancel.get()
    }
}
