//! Reading and writing: loops that finish what the kernel did only in part.

use std::io::{IoSlice, IoSliceMut};

use rustix::io::Errno;

use super::bounce;
use super::handle::FileHandle;
use crate::error::{BlockError, ErrorKind};

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
    let mut done: u64 = 0;
    IoSliceMut::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match preadv_once(offset_bytes + done, rest) {
            Ok(0) => break,
            Ok(count) => {
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

impl FileHandle {
    /// Fills `buffer` from `offset_bytes` on; what lies behind the end reads as zeroes.
    ///
    /// # Errors
    ///
    /// `OutOfRange` if the range ends beyond 2^63-1, or the errno of `pread`. With `O_DIRECT`,
    /// a range that is not aligned to [`alignment`](Self::alignment) is `Invalid`; a buffer that
    /// is not aligned is copied.
    pub fn pread(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.read_slices(offset_bytes, &mut [IoSliceMut::new(buffer)])
    }

    /// As [`pread`](Self::pread), into several buffers one after the other, which stay as they
    /// are but for their contents (QEMU: `raw_co_preadv()` in `block/file-posix.c`).
    ///
    /// # Errors
    ///
    /// As [`pread`](Self::pread).
    pub fn preadv(
        &self,
        offset_bytes: u64,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Result<(), BlockError> {
        // The loop moves the starts of the slices; the caller's shall stay where they are.
        let mut slices: Vec<_> = buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
        self.read_slices(offset_bytes, &mut slices)
    }

    /// Writes `buffer` from `offset_bytes` on; a regular file grows where that is needed.
    ///
    /// # Errors
    ///
    /// `ReadOnly`, `OutOfRange`, the errno of `pwrite`, or `ShortIo` if the kernel stopped and
    /// named no reason. Alignment as for [`pread`](Self::pread).
    pub fn pwrite(&self, offset_bytes: u64, buffer: &[u8]) -> Result<(), BlockError> {
        self.write_slices(offset_bytes, &mut [IoSlice::new(buffer)])
    }

    /// As [`pwrite`](Self::pwrite), from several buffers one after the other (QEMU:
    /// `raw_co_pwritev()` in `block/file-posix.c`).
    ///
    /// # Errors
    ///
    /// As [`pwrite`](Self::pwrite).
    pub fn pwritev(&self, offset_bytes: u64, buffers: &[IoSlice<'_>]) -> Result<(), BlockError> {
        self.write_slices(offset_bytes, &mut buffers.to_vec())
    }

    fn read_slices(&self, offset: u64, slices: &mut [IoSliceMut<'_>]) -> Result<(), BlockError> {
        let length = slices.iter().map(|slice| slice.len() as u64).sum();
        self.checked_end(offset, length)?;
        // `rustix` hands the kernel no more slices than it takes; the rest is one more short read.
        let read = |slices: &mut [IoSliceMut<'_>]| {
            read_full(
                offset,
                slices,
                self.is_direct(),
                |offset, slices| match slices {
                    [only] => rustix::io::pread(&self.fd, &mut **only, offset),
                    many => rustix::io::preadv(&self.fd, many, offset),
                },
            )
        };
        if bounce::is_aligned(self.alignment(), slices.iter().map(|slice| &**slice)) {
            read(slices)
        } else {
            bounce::read_through(self.alignment(), slices, read)
        }
        .map_err(|errno| self.failed("Could not read", errno))?;
        Ok(())
    }

    fn write_slices(&self, offset: u64, slices: &mut [IoSlice<'_>]) -> Result<(), BlockError> {
        self.require_writable()?;
        let length: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        self.checked_end(offset, length)?;
        let write = |slices: &mut [IoSlice<'_>]| {
            write_full(offset, slices, |offset, slices| match slices {
                [only] => rustix::io::pwrite(&self.fd, only, offset),
                many => rustix::io::pwritev(&self.fd, many, offset),
            })
        };
        let written =
            if bounce::is_aligned(self.alignment(), slices.iter().map(|slice| &**slice)) {
                write(slices)
            } else {
                bounce::write_through(self.alignment(), slices, write)
            }
            .map_err(|errno| self.failed("Could not write", errno))?;
        if written < length {
            return Err(BlockError::new(
                ErrorKind::ShortIo,
                format!(
                    "Only {written} of {length} bytes could be written to '{}'",
                    self.path().display()
                ),
            ));
        }
        Ok(())
    }
}
