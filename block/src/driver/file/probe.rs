//! How `O_DIRECT` wants its requests aligned (QEMU: `raw_probe_alignment()` in
//! `block/file-posix.c`).

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, StatxFlags};
use rustix::io::Errno;

use super::bounce::AlignedBuffer;
use crate::error::{BlockError, ErrorKind};

/// The largest alignment that is tried, and the safe one where trying tells nothing.
const MAX_ALIGN: u32 = 4096;

/// How requests must be aligned; powers of two, 1 where nothing is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// What offset and length must be multiples of (QEMU: `request_alignment` of
    /// `BlockLimits` in `include/block/block_int-common.h`).
    pub request_bytes: u32,
    /// What addresses and lengths of buffers must be multiples of (QEMU:
    /// `min_mem_alignment` of `BlockLimits` in `include/block/block_int-common.h`).
    pub memory_bytes: u32,
}

impl Alignment {
    /// What a file demands that is read through the page cache: nothing.
    pub const NONE: Self = Self {
        request_bytes: 1,
        memory_bytes: 1,
    };
}

/// Asks the kernel, or finds out by reading where it does not say.
pub(super) fn alignment(fd: BorrowedFd<'_>, direct: bool) -> Result<Alignment, BlockError> {
    if !direct {
        return Ok(Alignment::NONE);
    }
    if let Some(alignment) = from_statx(fd) {
        return Ok(alignment);
    }
    let mut buffer = AlignedBuffer::new(2 * MAX_ALIGN as usize, MAX_ALIGN as usize);
    probe_by_reading(|skip, length| {
        let part = &mut buffer.as_mut_slice()[skip..skip + length];
        rustix::io::retry_on_intr(|| rustix::io::pread(fd, &mut *part, 0)).map(|_| ())
    })
    .ok_or_else(|| {
        BlockError::new(
            ErrorKind::Invalid,
            "Could not find working O_DIRECT alignment",
        )
        .with_hint("Try cache.direct=off")
    })
}

/// `STATX_DIOALIGN`, which kernels know since 6.1 for the usual filesystems and block devices.
fn from_statx(fd: BorrowedFd<'_>) -> Option<Alignment> {
    let stat = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok()?;
    let told = stat.stx_mask & StatxFlags::DIOALIGN.bits() != 0;
    let (request, memory) = (stat.stx_dio_offset_align, stat.stx_dio_mem_align);
    // Zero means that this file has no direct I/O; such an open falls back to the page cache
    // silently on some filesystems, and trying will tell.
    (told && request.is_power_of_two() && memory.is_power_of_two()).then_some(Alignment {
        request_bytes: request,
        memory_bytes: memory,
    })
}

/// Finds the smallest alignments with which reads at offset 0 succeed; none if no read does.
///
/// `read` gets the distance of the buffer's start from a well aligned address, and the length, in
/// bytes. A failure other than `EINVAL` does not speak of alignment, so it counts as success. If a
/// read of one byte succeeds the file is empty or the storage does not care, and the largest
/// alignment is taken to be safe, as in QEMU.
pub fn probe_by_reading(
    mut read: impl FnMut(usize, usize) -> Result<(), Errno>,
) -> Option<Alignment> {
    let smallest = |attempt: &mut dyn FnMut(u32) -> Result<(), Errno>| {
        let found = [1, 512, 1024, 2048, MAX_ALIGN]
            .into_iter()
            .find(|align| attempt(*align) != Err(Errno::INVAL))?;
        Some(if found == 1 { MAX_ALIGN } else { found })
    };
    let request_bytes = smallest(&mut |align| read(0, align as usize))?;
    let memory_bytes = smallest(&mut |align| read(align as usize, MAX_ALIGN as usize))?;
    Some(Alignment {
        request_bytes,
        memory_bytes,
    })
}
