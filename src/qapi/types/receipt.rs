//! What is kept of jobs that are over.
//!
//! QEMU has no counterpart.

use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::event::JobType;

use super::mirror::MirrorSyncMode;
use crate::{qapi_enum, qapi_struct};

qapi_enum! {
    /// How a job has ended.
    pub enum JobOutcome {
        /// The users of the source use the target now.
        "pivoted" Pivoted,
        /// The target is a copy as of the moment in which the job ended.
        "point-in-time" PointInTime,
        /// The job was cancelled before there was a copy.
        "abandoned" Abandoned,
        /// The job failed.
        "failed" Failed,
    }
}

qapi_enum! {
    /// What reading both sides back has shown.
    pub enum JobVerified {
        /// Nobody has asked.
        "not-asked" NotAsked,
        /// It was asked for, and the job ended before both sides were read.
        "unfinished" Unfinished,
        /// Both sides were the same.
        "passed" Passed,
        /// They were not.
        "failed" Failed,
    }
}

qapi_struct! {
    /// A disk of a job that is over.
    pub struct JobReceiptDisk {
        /// The node. It may be gone.
        "node-name" node_name: String,
        /// The file that it was when the job began.
        "filename" filename: String,
    }
}

qapi_struct! {
    /// Where the two disks of a job differed.
    pub struct JobReceiptDifference {
        /// The first byte that differed.
        "offset" offset: u64,
        /// Where the range began that was compared at once.
        "range-offset" range_offset: u64,
        /// How long that was, in bytes.
        "range-bytes" range_bytes: u64,
        /// How many bytes of it differed.
        "differing-bytes" differing_bytes: u64,
    }
}

qapi_struct! {
    /// What is kept of a job that is over.
    pub struct JobReceipt {
        /// Counts the receipts of the daemon, from 1: what is missing was forgotten.
        "number" number: u64,
        /// The job. Others may have had the name before, or have it since.
        "id" id: String,
        /// What it did.
        "type" job_type: JobType,
        /// How it ended.
        "outcome" outcome: JobOutcome,
        /// Why it failed, for people.
        "error" error: Option<String>,
        /// What was copied.
        "source" source: JobReceiptDisk,
        /// What it was copied to.
        "target" target: JobReceiptDisk,
        /// Which parts were copied.
        "sync" sync: MirrorSyncMode,
        /// When writes of the guest reached the target, in the end.
        "copy-mode" copy_mode: MirrorCopyMode,
        /// The length of the disk in bytes.
        "len" len: u64,
        /// Bytes of data that were copied, recopied ones included.
        "copied-bytes" copied_bytes: u64,
        /// Bytes that were made to read as zeroes on the target.
        "zeroed-bytes" zeroed_bytes: u64,
        /// Bytes that read as zeroes on both sides, and were left alone.
        "skipped-bytes" skipped_bytes: u64,
        /// Bytes that were copied again, because the guest wrote to them or the copy failed.
        "recopied-bytes" recopied_bytes: u64,
        /// Bytes that the guest wrote to both sides at once.
        "active-bytes" active_bytes: u64,
        /// Flushes of the target that succeeded.
        "flushes" flushes: u64,
        /// The last thing that was done to the target was a flush that succeeded.
        "flushed" flushed: bool,
        /// How many writes of the guest had begun, zeroes and discards included, since the job began.
        "guest-writes" guest_writes: u64,
        /// The number of the last of them that the copy contains, with all that have lower ones. Only
        /// there if there is a copy.
        "last-guest-write" last_guest_write: Option<u64>,
        /// How often the target had caught up with the source.
        "caught-up" caught_up: u64,
        /// When that was for the first time, in milliseconds since the job began.
        "ready-ms" ready_ms: Option<u64>,
        /// How long the guest had to wait for the end of the job, in milliseconds.
        "drained-ms" drained_ms: u64,
        /// How long the job lived, in milliseconds.
        "duration-ms" duration_ms: u64,
        /// What reading both sides back has shown.
        "verified" verified: JobVerified,
        /// Where they differed.
        "difference" difference: Option<JobReceiptDifference>,
    }
}

qapi_struct! {
    /// The arguments of `x-query-job-receipts`.
    pub struct JobReceiptsArgument {
        /// Only those of jobs of this name.
        "id" id: Option<String>,
    }
}
