//! What a job does, as typed events of the trace.

use std::any::Any;
use std::rc::Rc;

use blockjob_runtime::AioContext;
use blockjob_runtime::trace::LayerEvent;

use crate::job::Job;
use crate::state::JobStatus;

/// One thing that a job did, for checkers and recorders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobTrace {
    /// The job's name, or `(internal)`.
    pub job: Rc<str>,
    /// What happened to it.
    pub what: JobTraceKind,
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobTraceKind {
    /// It went from one state to another.
    Status {
        /// The state that it left.
        from: JobStatus,
        /// The state that it is in.
        to: JobStatus,
    },
    /// Its coroutine came to a pause point with a pause requested.
    PausePoint {
        /// How many have requested it.
        pause_count: u32,
    },
    /// Its coroutine goes to sleep, until the time or until it is entered.
    Sleep {
        /// The time at which it wakes by itself, in nanoseconds of its home's clock.
        deadline_ns: u64,
    },
    /// Its coroutine yields until it is entered.
    Yield,
    /// It was entered: it is busy, and its coroutine runs now or soon.
    Enter,
    /// It was asked to stand still.
    Pause {
        /// How many have asked, this one included.
        pause_count: u32,
    },
    /// One of those who had asked it to stand still lets it go.
    Resume {
        /// How many are left.
        pause_count: u32,
    },
    /// It was asked to cancel.
    Cancel {
        /// Whether the work is abandoned, as the job's driver decided.
        force: bool,
    },
    /// Something was left for the main context to run.
    Defer,
    /// Something that was left for the main context starts.
    DeferredStart,
    /// `run` has ended.
    RunEnd,
}

impl LayerEvent for JobTrace {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Job {
    /// Reports `what` to whoever traces the context that is current, or else the main one.
    pub(crate) fn trace(&self, what: impl FnOnce() -> JobTraceKind) {
        let current = AioContext::try_current();
        let context = current.as_ref().unwrap_or(self.context());
        context.trace_layer(|| JobTrace {
            job: self.label().clone(),
            what: what(),
        });
    }
}
