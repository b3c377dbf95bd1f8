//! What a job tells its watchers, and who they are.
//!
//! The order in which a job sends its events is part of its contract; `docs/peer-verbs.md` has it as
//! it was recorded from the reference daemon. How an event looks on the wire is a monitor's matter.

use std::fmt;

use crate::error_policy::{ErrorAction, IoOperation};
use crate::id::JobId;
use crate::state::JobStatus;

/// What a job does, under QAPI's names. The counterpart of `JobType` in `qapi/job.json`, of which it
/// has the types that copy disks, and the one that makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobType {
    /// Copies a backing chain's data down.
    Commit,
    /// Copies a backing chain's data up.
    Stream,
    /// Copies a disk and keeps the copy up to date.
    Mirror,
    /// Copies a disk as it was when the job started.
    Backup,
    /// Makes an image.
    Create,
}

impl JobType {
    /// The name as QAPI writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Stream => "stream",
            Self::Mirror => "mirror",
            Self::Backup => "backup",
            Self::Create => "create",
        }
    }
}

impl fmt::Display for JobType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the events of a block job show of it, taken at the moment of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockJobSnapshot {
    /// `type`: what the job does.
    pub job_type: JobType,
    /// `device`: the job's name, which QAPI calls a device for reasons of age.
    pub device: JobId,
    /// `len`: the expected end, in bytes.
    pub len_bytes: u64,
    /// `offset`: the work done, in bytes. It is the progress and no place on the disk.
    pub offset_bytes: u64,
    /// `speed`: the limit that is set; 0 is unlimited.
    pub speed_bytes_per_s: u64,
}

/// One thing that happened to a job. A job without a name sends none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// `JOB_STATUS_CHANGE`: the job is in another state now.
    StatusChange {
        /// The job.
        id: JobId,
        /// The state that it is in now.
        status: JobStatus,
    },
    /// `BLOCK_JOB_READY`: the job has caught up. It follows the change to `ready`, once.
    Ready(BlockJobSnapshot),
    /// `BLOCK_JOB_PENDING`: the job waits to be finalized. It follows the change to `pending`, and only
    /// comes if the job does not finalize itself.
    Pending {
        /// `type`: what the job does.
        job_type: JobType,
        /// The job.
        id: JobId,
    },
    /// `BLOCK_JOB_COMPLETED`: the job is over, well or badly, but was not cancelled. It comes before
    /// the change to `concluded`.
    Completed {
        /// The job at its end.
        job: BlockJobSnapshot,
        /// Why it failed, in words for people; `None` if it did not.
        error: Option<String>,
    },
    /// `BLOCK_JOB_CANCELLED`: the job is over because it was cancelled. It comes before the change to
    /// `concluded`.
    Cancelled(BlockJobSnapshot),
    /// `BLOCK_JOB_ERROR`: a request failed. Each failed request sends one, whatever is done about it.
    Error {
        /// `device`: the job's name.
        device: JobId,
        /// Which way the request went.
        operation: IoOperation,
        /// What is done about it.
        action: ErrorAction,
    },
}

impl JobEvent {
    /// The name as QAPI writes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StatusChange { .. } => "JOB_STATUS_CHANGE",
            Self::Ready(_) => "BLOCK_JOB_READY",
            Self::Pending { .. } => "BLOCK_JOB_PENDING",
            Self::Completed { .. } => "BLOCK_JOB_COMPLETED",
            Self::Cancelled(_) => "BLOCK_JOB_CANCELLED",
            Self::Error { .. } => "BLOCK_JOB_ERROR",
        }
    }

    /// The job that the event is about.
    #[must_use]
    pub const fn job_id(&self) -> &JobId {
        match self {
            Self::StatusChange { id, .. } | Self::Pending { id, .. } => id,
            Self::Ready(job) | Self::Completed { job, .. } | Self::Cancelled(job) => &job.device,
            Self::Error { device, .. } => device,
        }
    }
}

/// Takes the events of jobs, in order.
///
/// A job calls it in the middle of its own changes of state, so a sink only takes note: it must not
/// call back into a job. Any `Fn(JobEvent)` is one.
pub trait JobEventSink {
    /// Takes note of `event`. It cannot fail: a watcher that has gone is no matter of the job's.
    fn emit(&self, event: JobEvent);
}

impl<F: Fn(JobEvent)> JobEventSink for F {
    fn emit(&self, event: JobEvent) {
        self(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn a_sink_gets_each_event_with_its_name_and_its_job_in_order() {
        let id = JobId::new("j0").expect("the id is well formed");
        let job = BlockJobSnapshot {
            job_type: JobType::Mirror,
            device: id.clone(),
            len_bytes: 4,
            offset_bytes: 4,
            speed_bytes_per_s: 0,
        };
        let noted = RefCell::new(Vec::new());
        let sink = |event: JobEvent| {
            noted
                .borrow_mut()
                .push(format!("{} {}", event.name(), event.job_id()));
        };
        let events = [
            JobEvent::StatusChange {
                id: id.clone(),
                status: JobStatus::Ready,
            },
            JobEvent::Ready(job.clone()),
            JobEvent::Error {
                device: id.clone(),
                operation: IoOperation::Write,
                action: ErrorAction::Stop,
            },
            JobEvent::Pending {
                job_type: JobType::Mirror,
                id,
            },
            JobEvent::Completed {
                job: job.clone(),
                error: None,
            },
            JobEvent::Cancelled(job),
        ];
        for event in events {
            sink.emit(event);
        }
        assert_eq!(
            noted.into_inner(),
            [
                "JOB_STATUS_CHANGE j0",
                "BLOCK_JOB_READY j0",
                "BLOCK_JOB_ERROR j0",
                "BLOCK_JOB_PENDING j0",
                "BLOCK_JOB_COMPLETED j0",
                "BLOCK_JOB_CANCELLED j0",
            ]
        );
    }
}
