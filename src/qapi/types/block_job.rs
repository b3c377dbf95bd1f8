//! Jobs that work on disks.
//!
//! QEMU: qapi/block-core.json.

use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::error_policy::{ErrorAction, IoOperation, IoStatus};
use blockjob_jobs::event::JobType;
use blockjob_jobs::state::JobStatus;

use super::convergence::XMirrorConvergence;
use crate::{qapi_enum, qapi_event, qapi_struct, qapi_union};

qapi_enum!(impl IoStatus as "BlockDeviceIoStatus", "Whether requests of a device fail.", {
    "ok" Ok,
    "failed" Failed,
    "nospace" Nospace,
});

qapi_enum!(impl IoOperation as "IoOperationType", "Which way a request goes.", {
    "read" Read,
    "write" Write,
});

qapi_enum!(impl ErrorAction as "BlockErrorAction", "What is done about a request that failed.", {
    "ignore" Ignore,
    "report" Report,
    "stop" Stop,
});

qapi_struct! {
    /// The arguments of `block-job-pause`, `block-job-resume` and `block-job-complete`.
    pub struct BlockJobArgument {
        /// The job; the name of the argument is from a time when it was the drive's.
        "device" device: String,
    }
}

qapi_struct! {
    /// The arguments of `block-job-finalize` and `block-job-dismiss`.
    pub struct BlockJobIdArgument {
        /// The job.
        "id" id: String,
    }
}

qapi_struct! {
    /// The arguments of `block-job-cancel`.
    pub struct BlockJobCancel {
        /// The job.
        "device" device: String,
        /// Abandon the work even of a job that is ready, or paused. The default is no.
        "force" force: Option<bool>,
    }
}

qapi_struct! {
    /// The arguments of `block-job-set-speed`.
    pub struct BlockJobSetSpeed {
        /// The job.
        "device" device: String,
        /// The limit in bytes per second; 0 for none.
        "speed" speed: i64,
    }
}

qapi_struct! {
    /// What `block-job-change` says of every job.
    pub struct BlockJobChangeBase {
        /// The job.
        "id" id: String,
        /// What the job does.
        "type" job_type: JobType,
    }
}

qapi_struct! {
    /// What of a mirror can be changed.
    pub struct BlockJobChangeOptionsMirror {
        /// When writes of the guest reach the target.
        "copy-mode" copy_mode: MirrorCopyMode,
    }
}

qapi_union! {
    /// The arguments of `block-job-change`.
    pub union BlockJobChangeOptions as BlockJobChangeKind {
        base: BlockJobChangeBase,
        tag "type" job_type: JobType,
        "mirror" Mirror => BlockJobChangeOptionsMirror,
    }
}

qapi_struct! {
    /// What `query-block-jobs` says of every job.
    pub struct BlockJobInfoBase {
        /// What the job does.
        "type" job_type: JobType,
        /// The job.
        "device" device: String,
        /// Where it expects to end, in bytes. It may change.
        "len" len: i64,
        /// How far it has come, in bytes. It is no place on the disk.
        "offset" offset: i64,
        /// It is at work at this moment.
        "busy" busy: bool,
        /// It stands still, or is asked to.
        "paused" paused: bool,
        /// The limit in bytes per second; 0 for none.
        "speed" speed: i64,
        /// The kind of error that made it stop.
        "io-status" io_status: IoStatus,
        /// It can be completed.
        "ready" ready: bool,
        /// Its state.
        "status" status: JobStatus,
        /// It finalizes by itself.
        "auto-finalize" auto_finalize: bool,
        /// It vanishes by itself.
        "auto-dismiss" auto_dismiss: bool,
        /// Why it failed, for people.
        "error" error: Option<String>,
    }
}

qapi_struct! {
    /// How far the comparison of two disks is.
    pub struct XVerifying {
        /// Bytes that were found to be the same.
        "verified-bytes" verified_bytes: u64,
        /// Bytes that there are.
        "len" len: u64,
    }
}

qapi_struct! {
    /// What `query-block-jobs` says of a mirror besides.
    pub struct BlockJobInfoMirror {
        /// Whether writes of the guest reach both disks at once.
        "actively-synced" actively_synced: bool,
        /// Whether it catches up with the guest.
        "x-convergence" x_convergence: Option<XMirrorConvergence>,
        /// How many writes of the guest have begun since the job began, zeroes and discards included:
        /// the number of the last one.
        "x-guest-writes" x_guest_writes: u64,
        /// How far the comparison of both sides is. Only there while they are read back, and the guest
        /// waits.
        "x-verifying" x_verifying: Option<XVerifying>,
    }
}

qapi_union! {
    /// What `query-block-jobs` says of a job.
    pub union BlockJobInfo as BlockJobInfoKind {
        base: BlockJobInfoBase,
        tag "type" job_type: JobType,
        "mirror" Mirror => BlockJobInfoMirror,
    }
}

qapi_event! {
    /// A job can be completed.
    pub struct BlockJobReady = "BLOCK_JOB_READY" {
        /// What the job does.
        "type" job_type: JobType,
        /// The job.
        "device" device: String,
        /// Where it expects to end, in bytes.
        "len" len: i64,
        /// How far it has come, in bytes.
        "offset" offset: i64,
        /// The limit in bytes per second; 0 for none.
        "speed" speed: i64,
    }
}

qapi_event! {
    /// A job waits to be finalized.
    pub struct BlockJobPending = "BLOCK_JOB_PENDING" {
        /// What the job does.
        "type" job_type: JobType,
        /// The job.
        "id" id: String,
    }
}

qapi_event! {
    /// A job is over, well or badly, and was not cancelled.
    pub struct BlockJobCompleted = "BLOCK_JOB_COMPLETED" {
        /// What the job does.
        "type" job_type: JobType,
        /// The job.
        "device" device: String,
        /// Where it expected to end, in bytes.
        "len" len: i64,
        /// How far it has come, in bytes.
        "offset" offset: i64,
        /// The limit in bytes per second; 0 for none.
        "speed" speed: i64,
        /// Why it failed, for people.
        "error" error: Option<String>,
    }
}

qapi_event! {
    /// A job is over because it was cancelled.
    pub struct BlockJobCancelled = "BLOCK_JOB_CANCELLED" {
        /// What the job does.
        "type" job_type: JobType,
        /// The job.
        "device" device: String,
        /// Where it expected to end, in bytes.
        "len" len: i64,
        /// How far it has come, in bytes.
        "offset" offset: i64,
        /// The limit in bytes per second; 0 for none.
        "speed" speed: i64,
    }
}

qapi_event! {
    /// A request of a job has failed.
    pub struct BlockJobError = "BLOCK_JOB_ERROR" {
        /// The job.
        "device" device: String,
        /// Which way the request went.
        "operation" operation: IoOperation,
        /// What is done about it.
        "action" action: ErrorAction,
    }
}

qapi_event! {
    /// A request of a drive has failed.
    pub struct BlockIoError = "BLOCK_IO_ERROR" {
        /// The device that uses the drive; empty if it has no path.
        "qom-path" qom_path: String,
        /// The drive; empty if it has no name.
        "device" device: String,
        /// The node that the drive uses.
        "node-name" node_name: Option<String>,
        /// Which way the request went.
        "operation" operation: IoOperation,
        /// What is done about it.
        "action" action: ErrorAction,
        /// The disk was full. Only there if the drive stops upon errors.
        "nospace" nospace: Option<bool>,
        /// The error in words, for people.
        "reason" reason: String,
    }
}
