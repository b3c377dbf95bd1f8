//! What a mirror has come to: the typed end.

use crate::error::JobError;

/// How a mirror ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorEnd {
    /// The users of the source use the target now, and have lost no write.
    Pivoted,
    /// The target is a copy of the source as of the moment in which the job ended, and the users
    /// of the source go on using it.
    PointInTime,
    /// The job was cancelled before the target was a copy of anything.
    Abandoned,
    /// The job failed; the target is not a copy.
    Failed(JobError),
}

/// What a mirror has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MirrorStats {
    /// Bytes of data read from the source and written to the target, recopied ones included.
    pub copied_bytes: u64,
    /// Bytes made to read as zeroes on the target without being copied.
    pub zeroed_bytes: u64,
    /// Bytes that read as zeroes on both sides, and were left alone.
    pub skipped_bytes: u64,
    /// Bytes of granules that were taken again after they had been done before, because the
    /// guest wrote to them or the copy failed.
    pub recopied_bytes: u64,
    /// Bytes of the guest's writes that went to the target together with the source, and not by a
    /// copy afterwards.
    pub active_bytes: u64,
    /// Flushes of the target that succeeded.
    pub flushes: u64,
}

/// The end of a mirror with what it has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: MirrorEnd,
    /// What it has done.
    pub stats: MirrorStats,
    /// The last thing that the job did to the target was a flush that succeeded: what the target
    /// holds is safe from a crash.
    pub flushed: bool,
    /// The length of the disk in bytes.
    pub len_bytes: u64,
}

impl Outcome {
    /// True if the target is a flushed copy of the source.
    pub fn is_copy(&self) -> bool {
        matches!(self.end, MirrorEnd::Pivoted | MirrorEnd::PointInTime) && self.flushed
    }
}
