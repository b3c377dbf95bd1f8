//! Jobs of any kind.
//!
//! QEMU: qapi/job.json.

use blockjob_jobs::event::JobType;
use blockjob_jobs::state::JobStatus;

use crate::{qapi_enum, qapi_event, qapi_struct};

qapi_enum!(impl JobType as "JobType", "What a job does.", {
    "commit" Commit,
    "stream" Stream,
    "mirror" Mirror,
    "backup" Backup,
    "create" Create,
});

qapi_enum!(impl JobStatus as "JobStatus", "The state of a job.", {
    "undefined" Undefined,
    "created" Created,
    "running" Running,
    "paused" Paused,
    "ready" Ready,
    "standby" Standby,
    "waiting" Waiting,
    "pending" Pending,
    "aborting" Aborting,
    "concluded" Concluded,
    "null" Null,
});

qapi_struct! {
    /// The arguments of `job-pause`, `job-resume`, `job-cancel`, `job-complete`, `job-finalize` and
    /// `job-dismiss`.
    pub struct JobArgument {
        /// The job.
        "id" id: String,
    }
}

qapi_struct! {
    /// What `query-jobs` says of a job.
    pub struct JobInfo {
        /// The job.
        "id" id: String,
        /// What it does.
        "type" job_type: JobType,
        /// Its state.
        "status" status: JobStatus,
        /// How far it has come, in units of its own.
        "current-progress" current_progress: i64,
        /// Where it expects to end, in the same units. It may change.
        "total-progress" total_progress: i64,
        /// Why it failed, for people.
        "error" error: Option<String>,
    }
}

qapi_event! {
    /// A job is in another state now.
    pub struct JobStatusChange = "JOB_STATUS_CHANGE" {
        /// The job.
        "id" id: String,
        /// The state that it is in now.
        "status" status: JobStatus,
    }
}
