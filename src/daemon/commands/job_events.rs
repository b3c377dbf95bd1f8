//! What jobs tell, as events on the wire.
//!
//! QEMU: `job_event_status_change` (job.c), `block_job_event_*` (blockjob.c).

use blockjob_jobs::event::{BlockJobSnapshot, JobEvent, JobType};

use crate::daemon::Daemon;
use crate::qapi::types::block_job::{
    BlockJobCancelled, BlockJobCompleted, BlockJobError, BlockJobPending, BlockJobReady,
};
use crate::qapi::types::job::JobStatusChange;

/// Tells the clients of `daemon` what a job has told.
pub fn tell(daemon: &Daemon, event: &JobEvent) {
    match event {
        JobEvent::StatusChange { id, status } => daemon.emit(&JobStatusChange {
            id: id.to_string(),
            status: *status,
        }),
        // A job without nodes is no block job, and nothing more is told of it.
        event if is_of_create(event) => {}
        JobEvent::Ready(job) => daemon.emit(&ready(job)),
        JobEvent::Pending { job_type, id } => daemon.emit(&BlockJobPending {
            job_type: *job_type,
            id: id.to_string(),
        }),
        JobEvent::Completed { job, error } => daemon.emit(&completed(job, error.as_ref())),
        JobEvent::Cancelled(job) => daemon.emit(&cancelled(job)),
        JobEvent::Error {
            device,
            operation,
            action,
        } => daemon.emit(&BlockJobError {
            device: device.to_string(),
            operation: *operation,
            action: *action,
        }),
    }
}

/// True for what only block jobs tell in QEMU, and a job that makes an image does not.
fn is_of_create(event: &JobEvent) -> bool {
    let job_type = match event {
        JobEvent::Ready(job) | JobEvent::Completed { job, .. } | JobEvent::Cancelled(job) => {
            job.job_type
        }
        JobEvent::Pending { job_type, .. } => *job_type,
        JobEvent::StatusChange { .. } | JobEvent::Error { .. } => return false,
    };
    job_type == JobType::Create
}

/// QEMU: `block_job_event_ready_locked` (blockjob.c).
fn ready(job: &BlockJobSnapshot) -> BlockJobReady {
    BlockJobReady {
        job_type: job.job_type,
        device: job.device.to_string(),
        len: job.len_bytes.cast_signed(),
        offset: job.offset_bytes.cast_signed(),
        speed: job.speed_bytes_per_s.cast_signed(),
    }
}

/// QEMU: `block_job_event_completed_locked` (blockjob.c).
fn completed(job: &BlockJobSnapshot, error: Option<&String>) -> BlockJobCompleted {
    BlockJobCompleted {
        job_type: job.job_type,
        device: job.device.to_string(),
        len: job.len_bytes.cast_signed(),
        offset: job.offset_bytes.cast_signed(),
        speed: job.speed_bytes_per_s.cast_signed(),
        error: error.cloned(),
    }
}

/// QEMU: `block_job_event_cancelled_locked` (blockjob.c).
fn cancelled(job: &BlockJobSnapshot) -> BlockJobCancelled {
    BlockJobCancelled {
        job_type: job.job_type,
        device: job.device.to_string(),
        len: job.len_bytes.cast_signed(),
        offset: job.offset_bytes.cast_signed(),
        speed: job.speed_bytes_per_s.cast_signed(),
    }
}
