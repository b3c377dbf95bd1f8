//! Reading and writing a [`FileHandle`].

use std::io::{IoSlice, IoSliceMut};

use super::bounce;
use super::handle::FileHandle;
use crate::driver::transfer::{read_full, write_full};
use crate::error::{BlockError, ErrorKind};

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
