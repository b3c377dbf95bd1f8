//! A range of an image that is known to hold data.
//!
//! To find the next hole the kernel may walk over all that there is up to it: on tmpfs page by page, for
//! milliseconds, and the event loop waits. Who copies a disk asks for each piece of it; so the
//! last answer is kept. It may only err on one side: to read a hole that came to be meanwhile, by the
//! hand of another process, costs time and loses nothing. A hole is never remembered.
//!
//! QEMU: `BdrvBlockStatusCache` (include/block/block_int-common.h), `bdrv_bsc_is_data` (block.c).

use std::cell::Cell;

/// The last range that was found to hold data.
#[derive(Clone, Default)]
pub(super) struct KnownData {
    /// Start and end, in bytes.
    range: Cell<Option<(u64, u64)>>,
}

impl KnownData {
    /// How many bytes from there on are known to be data, if the first is.
    ///
    /// QEMU: `bdrv_bsc_is_data` (block.c).
    pub(super) fn bytes_at(&self, offset: u64) -> Option<u64> {
        let (start, end) = self.range.get()?;
        (start..end).contains(&offset).then(|| end - offset)
    }

    /// QEMU: `bdrv_bsc_fill` (block.c).
    pub(super) fn keep(&self, offset: u64, bytes: u64) {
        self.range.set(Some((offset, offset.saturating_add(bytes))));
    }

    /// Holes may come to be: forgets.
    ///
    /// QEMU: `bdrv_bsc_invalidate_range` (block.c).
    pub(super) fn forget(&self) {
        self.range.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_of_the_range_is_not_known() {
        let known = KnownData::default();
        assert_eq!(known.bytes_at(0), None);
        known.keep(4096, 8192);
        assert_eq!(known.bytes_at(4095), None);
        assert_eq!(known.bytes_at(4096), Some(8192));
        assert_eq!(known.bytes_at(12287), Some(1));
        assert_eq!(known.bytes_at(12288), None);
        known.forget();
        assert_eq!(known.bytes_at(4096), None);
    }
}
