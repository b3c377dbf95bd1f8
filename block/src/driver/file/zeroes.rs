//! Writing zeroes and discarding without moving data: `fallocate` in its many moods.

use blockjob_runtime::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::handle::{FileHandle, FileKind};
use crate::error::{BlockError, ErrorKind};

const PUNCH_HOLE: FallocateFlags = FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE);
const ALLOCATE: FallocateFlags = FallocateFlags::empty();

/// How zeroes may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZeroFlags {
    /// The range may lose its storage (QEMU: `BDRV_REQ_MAY_UNMAP` in
    /// `include/block/block-common.h`).
    pub may_unmap: bool,
    /// Fail rather than be as slow as writing data (QEMU: `BDRV_REQ_NO_FALLBACK` in
    /// `include/block/block-common.h`).
    pub no_fallback: bool,
}

/// A range to zero, and what of its file matters for it.
#[derive(Clone, Copy, Debug)]
pub struct ZeroRange {
    /// Where it starts.
    pub offset_bytes: u64,
    /// How long it is, more than 0.
    pub length_bytes: u64,
    /// How long the file was before; a regular file that ends earlier grows.
    pub file_bytes: u64,
    /// What holds the image.
    pub kind: FileKind,
}

impl ZeroRange {
    fn end(&self) -> u64 {
        self.offset_bytes + self.length_bytes
    }
}

/// What the storage was not yet found unable to do (QEMU: `has_discard`, `has_write_zeroes`,
/// `has_fallocate` in `block/file-posix.c`). Each is only ever cleared, by whichever thread learns it
/// first; a thread that has not seen it tries once more in vain, so relaxed ordering is enough.
#[derive(Debug)]
pub struct ZeroSupport {
    punch_hole: AtomicBool,
    zero_range: AtomicBool,
    allocate: AtomicBool,
}

impl Default for ZeroSupport {
    fn default() -> Self {
        Self {
            punch_hole: AtomicBool::new(true),
            zero_range: AtomicBool::new(true),
            allocate: AtomicBool::new(true),
        }
    }
}

/// What came of one `fallocate`.
enum Attempt {
    Done,
    /// Another way may do it.
    TryNext,
}

/// Makes one call unless it is known not to be supported.
fn attempt(
    supported: &AtomicBool,
    call: impl FnMut() -> Result<(), Errno>,
) -> Result<Attempt, Errno> {
    if !supported.load(Ordering::Relaxed) {
        return Ok(Attempt::TryNext);
    }
    match rustix::io::retry_on_intr(call) {
        Ok(()) => Ok(Attempt::Done),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV | Errno::NOTTY) => {
            supported.store(false, Ordering::Relaxed);
            Ok(Attempt::TryNext)
        }
        // Some filesystems refuse ranges that are not aligned to their blocks, against the manual.
        Err(Errno::INVAL) => Ok(Attempt::TryNext),
        Err(errno) => Err(errno),
    }
}

/// Makes `range` read as zeroes with calls of `fallocate`, which gets mode, offset and length. Tries, in
/// this order, what `support` does not rule out (QEMU: `handle_aiocb_write_zeroes_unmap()` and
/// `handle_aiocb_write_zeroes()` in `block/file-posix.c`):
///
/// 1. if it may be unmapped, punch a hole, then grow the file if it ends earlier;
/// 2. zero the range in place;
/// 3. punch a hole and allocate it anew;
/// 4. if all of it is behind the end, allocate it.
///
/// A file grows only by allocation of its last byte or more, never by `ftruncate`: another thread
/// may be growing it further at the same time, and would find its write cut off.
///
/// # Errors
///
/// `EOPNOTSUPP` if none of these works: the caller then writes the zeroes as data. Else the errno
/// of the call that failed.
pub fn write_zeroes_with(
    support: &ZeroSupport,
    range: ZeroRange,
    flags: ZeroFlags,
    mut fallocate: impl FnMut(FallocateFlags, u64, u64) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let (offset, length) = (range.offset_bytes, range.length_bytes);
    let mut call = |mode| fallocate(mode, offset, length);
    if flags.may_unmap {
        match attempt(&support.punch_hole, || call(PUNCH_HOLE)) {
            Ok(Attempt::Done) if !range.must_grow() => return Ok(()),
            Ok(Attempt::Done) => {
                let grow = || fallocate(ALLOCATE, range.end() - 1, 1);
                if let Attempt::Done = attempt(&support.allocate, grow)? {
                    return Ok(());
                }
            }
            Ok(Attempt::TryNext) | Err(Errno::BUSY) => {}
            Err(errno) => return Err(errno),
        }
    }
    let mut call = |mode| fallocate(mode, offset, length);
    if range.kind == FileKind::BlockDevice && flags.no_fallback {
        // The kernel would write zeroes as data where the device cannot do better, and not say so.
        return Err(Errno::OPNOTSUPP);
    }
    if let Attempt::Done = attempt(&support.zero_range, || call(FallocateFlags::ZERO_RANGE))? {
        return Ok(());
    }
    if range.kind == FileKind::BlockDevice {
        return Err(Errno::OPNOTSUPP);
    }
    if support.allocate.load(Ordering::Relaxed)
        && let Attempt::Done = attempt(&support.punch_hole, || call(PUNCH_HOLE))?
        && let Attempt::Done = attempt(&support.allocate, || call(ALLOCATE))?
    {
        return Ok(());
    }
    if offset >= range.file_bytes
        && let Attempt::Done = attempt(&support.allocate, || call(ALLOCATE))?
    {
        return Ok(());
    }
    Err(Errno::OPNOTSUPP)
}

impl ZeroRange {
    fn must_grow(&self) -> bool {
        self.kind == FileKind::Regular && self.end() > self.file_bytes
    }
}

impl FileHandle {
    /// Makes `length_bytes` from `offset_bytes` on read as zeroes; a regular file grows where
    /// that is needed. What the storage cannot do is remembered and not tried again.
    ///
    /// # Errors
    ///
    /// `NotSupported` if the storage has no way of its own: the caller then writes zeroes as
    /// data. `ReadOnly`; `OutOfRange`; `NoSpace` behind the end of a device; or the errno of
    /// `fallocate`.
    pub fn write_zeroes(
        &self,
        offset_bytes: u64,
        length_bytes: u64,
        flags: ZeroFlags,
    ) -> Result<(), BlockError> {
        self.require_writable()?;
        let end = self.checked_end(offset_bytes, length_bytes)?;
        if length_bytes == 0 {
            return Ok(());
        }
        let range = ZeroRange {
            offset_bytes,
            length_bytes,
            file_bytes: self.size()?,
            kind: self.kind(),
        };
        if range.kind == FileKind::BlockDevice && end > range.file_bytes {
            return Err(self.failed("Could not write zeroes to", Errno::NOSPC));
        }
        write_zeroes_with(&self.zero_support, range, flags, |mode, offset, length| {
            rustix::fs::fallocate(&self.fd, mode, offset, length)
        })
        .map_err(|errno| {
            let error = self.failed("Could not write zeroes to", errno);
            if errno == Errno::OPNOTSUPP {
                return error.with_kind(ErrorKind::NotSupported);
            }
            error
        })
    }

    /// Tells the storage that `length_bytes` from `offset_bytes` on are needed no more. Whether
    /// they keep their bytes or read as zeroes afterwards is open; the length stays (QEMU:
    /// `handle_aiocb_discard()` in `block/file-posix.c`).
    ///
    /// # Errors
    ///
    /// `ReadOnly`, `OutOfRange`, or the errno of `fallocate`. Storage that cannot discard, or not
    /// this range, is no error: a discard is only advice.
    pub fn discard(&self, offset_bytes: u64, length_bytes: u64) -> Result<(), BlockError> {
        self.require_writable()?;
        self.checked_end(offset_bytes, length_bytes)?;
        if length_bytes == 0 {
            return Ok(());
        }
        attempt(&self.zero_support.punch_hole, || {
            rustix::fs::fallocate(&self.fd, PUNCH_HOLE, offset_bytes, length_bytes)
        })
        .map(|_| ())
        .map_err(|errno| self.failed("Could not discard in", errno))
    }
}
