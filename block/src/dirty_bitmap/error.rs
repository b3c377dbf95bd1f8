//! What can go wrong with a dirty bitmap, and what a check of it can find.

use thiserror::Error;

/// Why a bitmap could not be made, resized or merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BitmapError {
    /// The granularity is zero or no power of two.
    #[error("granularity {granularity} is not a power of two")]
    GranularityNotPowerOfTwo {
        /// The granularity asked for, in bytes.
        granularity: u64,
    },
    /// The disk is longer than [`MAX_LEN_BYTES`](super::MAX_LEN_BYTES).
    #[error("a disk of {len_bytes} bytes is too long for a bitmap")]
    DiskTooLong {
        /// The length asked for, in bytes.
        len_bytes: u64,
    },
    /// The map would need more than [`MAX_GRANULES`](super::MAX_GRANULES) bits.
    #[error(
        "a disk of {len_bytes} bytes has too many granules of {granularity} bytes for a bitmap"
    )]
    TooManyGranules {
        /// The length asked for, in bytes.
        len_bytes: u64,
        /// The granularity asked for, in bytes.
        granularity: u64,
    },
    /// Only maps of disks of the same length can be merged.
    #[error("a bitmap of {theirs_bytes} bytes cannot be merged into one of {ours_bytes} bytes")]
    LenMismatch {
        /// The length of the map that was to be changed, in bytes.
        ours_bytes: u64,
        /// The length of the map that was to be added, in bytes.
        theirs_bytes: u64,
    },
}

/// A contradiction inside a bitmap: always a bug in its code, found by
/// [`DirtyBitmap::verify`](super::DirtyBitmap::verify).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BitmapFault {
    /// The stored count is not the number of set bits.
    #[error("the count says {stored} dirty granules, the map has {scanned}")]
    StaleCount {
        /// What [`DirtyBitmap::count`](super::DirtyBitmap::count) answers.
        stored: u64,
        /// What the map holds.
        scanned: u64,
    },
    /// A summary bit does not say whether the word below it is non-zero.
    #[error("bit {bit} of summary level {level} contradicts the word below it")]
    WrongSummary {
        /// The level, counted from 1 for the one right above the map.
        level: usize,
        /// The bit in that level, which is the word in the level below.
        bit: usize,
    },
    /// A bit is set that stands for no granule of the disk.
    #[error("a bit past the last granule is set")]
    BitPastEnd,
}
