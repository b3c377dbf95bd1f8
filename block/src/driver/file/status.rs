//! Where an image holds data and where it has holes (QEMU: `raw_co_block_status()` and
//! `find_allocation()` in `block/file-posix.c`).

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::handle::FileHandle;
use crate::error::BlockError;

/// What a range of an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockStatus {
    /// It has to be read to know its bytes.
    Data,
    /// A hole, or behind the end: it reads as zeroes and occupies nothing.
    Zero,
}

/// A status and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// What the range is.
    pub status: BlockStatus,
    /// How many bytes from the offset asked for share the status, at most as many as asked
    /// (QEMU calls it `pnum`). What follows may have the same status.
    pub bytes: u64,
}

impl FileHandle {
    /// Tells what `offset_bytes` is, and how far that goes within `length_bytes`, which is more
    /// than 0. The answer holds until somebody writes there.
    ///
    /// Both are multiples of the request alignment; so is the answer. A filesystem that does not
    /// know its holes has only data.
    ///
    /// # Errors
    ///
    /// `OutOfRange` if the range ends beyond 2^63-1.
    ///
    /// # Panics
    ///
    /// If `length_bytes` is 0: an answer of no bytes would keep its asker in a loop.
    pub fn block_status(&self, offset_bytes: u64, length_bytes: u64) -> Result<Extent, BlockError> {
        assert!(
            length_bytes > 0,
            "status of an empty range at {offset_bytes}"
        );
        self.checked_end(offset_bytes, length_bytes)?;
        let align = u64::from(self.alignment().request_bytes);
        let extent = |status, bytes: u64| Extent {
            status,
            bytes: bytes.min(length_bytes),
        };
        // All threads share one file offset, and that is no harm: nobody reads or writes at it.
        let data = match rustix::fs::seek(&self.fd, SeekFrom::Data(offset_bytes)) {
            // The last hole, or behind the end.
            Err(Errno::NXIO) => return Ok(extent(BlockStatus::Zero, length_bytes)),
            Err(_) => return Ok(extent(BlockStatus::Data, length_bytes)),
            Ok(data) => data,
        };
        if data > offset_bytes {
            // A hole may end within a unit of alignment only on odd filesystems; that unit is data.
            let hole_bytes = (data - offset_bytes) / align * align;
            return Ok(if hole_bytes > 0 {
                extent(BlockStatus::Zero, hole_bytes)
            } else {
                extent(BlockStatus::Data, align)
            });
        }
        let bytes = match rustix::fs::seek(&self.fd, SeekFrom::Hole(offset_bytes)) {
            // The end of the file counts as a hole, and may lie anywhere.
            Ok(hole) if hole > offset_bytes => (hole - offset_bytes).next_multiple_of(align),
            // The data was punched out between the two calls, or the filesystem does not say.
            // To read a hole costs time; to skip data would lose it.
            _ => length_bytes.min(align.max(FALLBACK_BYTES)),
        };
        Ok(extent(BlockStatus::Data, bytes))
    }
}

/// How much is called data when its end could not be found out: enough to get on, and little
/// enough that a hole behind it is seen again.
const FALLBACK_BYTES: u64 = 64 << 10;
