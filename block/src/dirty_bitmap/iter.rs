//! Walking over dirty granules while the map changes.

use super::DirtyBitmap;

/// A place in a walk over the dirty granules of a map.
///
/// It holds an offset and nothing of the map, so the map may change in any way between two steps, even
/// be truncated or swapped for another. A granule that becomes dirty behind the cursor is found in the
/// next round, one ahead of it in this round; one that becomes clean ahead of it is not visited. Each
/// step costs a few words, however large the clean part it skips.
///
/// QEMU: `BdrvDirtyBitmapIter`, block/dirty-bitmap.c. `hbitmap_iter_next` in util/hbitmap.c works on copies
/// of the words it is in, and so may miss a bit that was set in them meanwhile; this cursor does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirtyIter {
    pos: u64,
}

impl DirtyIter {
    /// A walk from the start of the disk. QEMU: `bdrv_dirty_iter_new`, block/dirty-bitmap.c.
    pub fn new() -> Self {
        Self::default()
    }

    /// A walk from the granule that contains the byte at `offset`.
    pub fn at(offset: u64) -> Self {
        Self { pos: offset }
    }

    /// Goes to the granule that contains the byte at `offset`. QEMU:
    /// `bdrv_set_dirty_iter`, block/dirty-bitmap.c.
    pub fn seek(&mut self, offset: u64) {
        self.pos = offset;
    }

    /// The offset in bytes from which the next step looks.
    pub fn pos(&self) -> u64 {
        self.pos
    }

    /// The offset of the next dirty granule, in bytes; `None` at the end, where the cursor stays.
    ///
    /// QEMU: `bdrv_dirty_iter_next`, block/dirty-bitmap.c.
    #[inline]
    pub fn next(&mut self, bitmap: &DirtyBitmap) -> Option<u64> {
        let granule = bitmap
            .granules
            .next_set(self.pos >> bitmap.granularity_bits)?;
        self.pos = (granule + 1) << bitmap.granularity_bits;
        Some(granule << bitmap.granularity_bits)
    }

    /// As [`DirtyIter::next`], but starts over once when it comes to the end; `None` when all is clean.
    ///
    /// QEMU does the same in `mirror_iteration`, block/mirror.c.
    #[inline]
    pub fn next_wrapping(&mut self, bitmap: &DirtyBitmap) -> Option<u64> {
        self.next(bitmap).or_else(|| {
            self.pos = 0;
            self.next(bitmap)
        })
    }
}
