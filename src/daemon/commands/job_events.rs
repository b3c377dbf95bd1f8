//! What jobs tell, as events on the wire.
//!
//! QEMU: `job_event_status_change` (job.c), `block_job_event_*` (blockjob.c).

use blockjob_jobs::event::JobEvent;

use crate::daemon::Daemon;
use crate::qapi::types::job::JobStatusChange;

/// Tells the clients of `daemon` what a job has told.
pub fn tell(daemon: &Daemon, event: &JobEvent) {
    if let JobEvent::StatusChange { id, status } = event {
        daemon.emit(&JobStatusChange {
            id: id.to_string(),
            status: *status,
        });
    }
}
