//! Copies for requests whose buffers `O_DIRECT` would refuse (QEMU: `QEMU_AIO_MISALIGNED` in
//! `block/file-posix.c`).

use std::io::{IoSlice, IoSliceMut};

use rustix::io::Errno;

use super::probe::Alignment;

/// A zeroed buffer whose start lies on a multiple of `align` in memory.
pub(super) struct AlignedBuffer {
    storage: Vec<u8>,
    start: usize,
    length: usize,
}

impl AlignedBuffer {
    /// `align` is a power of two.
    pub(super) fn new(length: usize, align: usize) -> Self {
        assert!(align.is_power_of_two(), "alignment {align}");
        let storage = vec![0; length + align - 1];
        let start = storage.as_ptr().addr().wrapping_neg() & (align - 1);
        Self {
            storage,
            start,
            length,
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.length]
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.length]
    }
}

/// Whether all slices start and end where `alignment` wants it (QEMU: `bdrv_qiov_is_aligned()` in
/// `block/io.c`). Empty slices do not matter.
pub(super) fn is_aligned<'a>(
    alignment: Alignment,
    mut slices: impl Iterator<Item = &'a [u8]>,
) -> bool {
    let mask = alignment.memory_bytes as usize - 1;
    mask == 0
        || slices.all(|slice| slice.is_empty() || (slice.as_ptr().addr() | slice.len()) & mask == 0)
}

/// Reads into one aligned buffer with `read`, then copies to `slices`.
pub(super) fn read_through(
    alignment: Alignment,
    slices: &mut [IoSliceMut<'_>],
    read: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<u64, Errno>,
) -> Result<u64, Errno> {
    let length = slices.iter().map(|slice| slice.len()).sum();
    let mut buffer = AlignedBuffer::new(length, alignment.memory_bytes as usize);
    let count = read(&mut [IoSliceMut::new(buffer.as_mut_slice())])?;
    let mut rest = buffer.as_slice();
    for slice in slices {
        let (head, tail) = rest.split_at(slice.len());
        slice.copy_from_slice(head);
        rest = tail;
    }
    Ok(count)
}

/// Copies `slices` to one aligned buffer and writes that with `write`.
pub(super) fn write_through(
    alignment: Alignment,
    slices: &[IoSlice<'_>],
    write: impl FnOnce(&mut [IoSlice<'_>]) -> Result<u64, Errno>,
) -> Result<u64, Errno> {
    let length = slices.iter().map(|slice| slice.len()).sum();
    let mut buffer = AlignedBuffer::new(length, alignment.memory_bytes as usize);
    let mut rest = buffer.as_mut_slice();
    for slice in slices {
        let (head, tail) = rest.split_at_mut(slice.len());
        head.copy_from_slice(slice);
        rest = tail;
    }
    write(&mut [IoSlice::new(buffer.as_slice())])
}
