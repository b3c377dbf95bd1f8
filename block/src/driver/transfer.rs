//! Whole transfers out of parts: loops that finish what a disk did only in part.
//!
//! The `file` driver runs them around its system calls, and a simulated disk around results that it
//! makes short: so what is simulated is the loop that runs on real disks.

use std::io::{IoSlice, IoSliceMut};

use blockjob_runtime::bug;
pub use rustix::io::Errno;

/// Fills `slices` from `offset_bytes` on with calls of `preadv_once`, which reads at a given
/// offset and returns how many bytes it read (QEMU: `handle_aiocb_rw_linear()` in
/// `block/file-posix.c`). Returns the bytes read; what lies behind the end of the file is filled
/// with zeroes and not counted.
///
/// After a short read the next one starts where it ended: its offset grows *by* the bytes read,
/// as do the slices. QEMU's io_uring path once set the offset *to* that number and read the rest
/// from the wrong place.
///
/// `direct` says that the file is open with `O_DIRECT`: there a short read happens only at the
/// end of the file, and the next read, at an unaligned offset, fails with `EINVAL`, which
/// therefore means the end.
///
/// # Errors
///
/// The first errno other than `EINTR`; the contents of `slices` are then unspecified.
pub fn read_full(
    offset_bytes: u64,
    slices: &mut [IoSliceMut<'_>],
    direct: bool,
    mut preadv_once: impl FnMut(u64, &mut [IoSliceMut<'_>]) -> Result<usize, Errno>,
) -> Result<u64, Errno> {
    let mut rest = slices;
    let (mut from, mut done) = (offset_bytes, 0);
    IoSliceMut::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match preadv_once(from, rest) {
            Ok(0) => break,
            Ok(count) => {
                from += count as u64;
                if bug!(THR_04) {
                    from = count as u64;
                }
                done += count as u64;
                IoSliceMut::advance_slices(&mut rest, count);
            }
            Err(Errno::INTR) => {}
            Err(Errno::INVAL) if direct && done > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    for slice in rest {
        slice.fill(0);
    }
    Ok(done)
}

/// Writes all of `slices` from `offset_bytes` on with calls of `pwritev_once`, which writes at a
/// given offset and returns how many bytes it wrote. Returns the bytes written: fewer than asked
/// only if the kernel took nothing and named no reason.
///
/// # Errors
///
/// The first errno other than `EINTR`; any part of the range may then have been written.
pub fn write_full(
    offset_bytes: u64,
    slices: &mut [IoSlice<'_>],
    mut pwritev_once: impl FnMut(u64, &[IoSlice<'_>]) -> Result<usize, Errno>,
) -> Result<u64, Errno> {
    let mut rest = slices;
    let mut done: u64 = 0;
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match pwritev_once(offset_bytes + done, rest) {
            Ok(0) => break,
            Ok(count) => {
                done += count as u64;
                IoSlice::advance_slices(&mut rest, count);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}
