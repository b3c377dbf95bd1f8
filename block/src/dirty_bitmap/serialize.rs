//! A dirty bitmap as bytes: little-endian words of 64 granules, lowest granule in the lowest bit.
//!
//! This is the form QEMU stores in qcow2 images and sends when it migrates. A map may be written and read
//! in parts, each of which begins at a multiple of [`DirtyBitmap::serialization_align`] and ends at
//! another one or at the end of the disk. Unlike in QEMU there is nothing to finish after the last
//! part: the map is sound after each.

use std::ops::Range;

use super::DirtyBitmap;
use super::words::word_of;

impl DirtyBitmap {
    /// The alignment of parts in bytes of disk: 64 granules.
    ///
    /// QEMU: `bdrv_dirty_bitmap_serialization_align`, block/dirty-bitmap.c.
    pub fn serialization_align(&self) -> u64 {
        // When this saturates the disk has at most 64 granules, and only a part from 0 is aligned.
        self.granularity().saturating_mul(64)
    }

    /// The number of bytes that the part of `bytes` at `start` takes when serialized.
    ///
    /// QEMU: `bdrv_dirty_bitmap_serialization_size`, block/dirty-bitmap.c.
    ///
    /// # Panics
    ///
    /// When the part is not aligned, or ends past the last granule.
    pub fn serialization_size(&self, start: u64, bytes: u64) -> usize {
        self.words_of(start, bytes).len() * 8
    }

    /// Writes the part of `bytes` at `start` to `out`.
    ///
    /// QEMU: `bdrv_dirty_bitmap_serialize_part`, block/dirty-bitmap.c.
    ///
    /// # Panics
    ///
    /// When the part is not aligned, or ends past the last granule, or when `out` is not as long as
    /// [`DirtyBitmap::serialization_size`] says.
    pub fn serialize_part(&self, start: u64, bytes: u64, out: &mut [u8]) {
        let words = self.words_of(start, bytes);
        assert_eq!(
            out.len(),
            words.len() * 8,
            "the buffer does not fit the part"
        );
        for (index, eight) in words.zip(out.chunks_exact_mut(8)) {
            eight.copy_from_slice(&self.granules.word(index).to_le_bytes());
        }
    }

    /// Replaces the part of `bytes` at `start` by what `data` says. Bits past the disk are ignored.
    ///
    /// QEMU: `bdrv_dirty_bitmap_deserialize_part`, block/dirty-bitmap.c.
    ///
    /// # Panics
    ///
    /// As [`DirtyBitmap::serialize_part`].
    pub fn deserialize_part(&mut self, start: u64, bytes: u64, data: &[u8]) {
        let words = self.words_of(start, bytes);
        assert_eq!(
            data.len(),
            words.len() * 8,
            "the data does not fit the part"
        );
        for (index, eight) in words.zip(data.chunks_exact(8)) {
            let eight = eight.try_into().expect("a chunk has eight bytes");
            self.granules.store_word(index, u64::from_le_bytes(eight));
        }
    }

    /// Makes the part of `bytes` at `start` clean. QEMU:
    /// `bdrv_dirty_bitmap_deserialize_zeroes`, block/dirty-bitmap.c.
    ///
    /// # Panics
    ///
    /// When the part is not aligned, or ends past the last granule.
    pub fn deserialize_zeroes(&mut self, start: u64, bytes: u64) {
        let _ = self.words_of(start, bytes);
        self.clear(start, bytes);
    }

    /// Makes the part of `bytes` at `start` dirty. QEMU:
    /// `bdrv_dirty_bitmap_deserialize_ones`, block/dirty-bitmap.c.
    ///
    /// # Panics
    ///
    /// When the part is not aligned, or ends past the last granule.
    pub fn deserialize_ones(&mut self, start: u64, bytes: u64) {
        let _ = self.words_of(start, bytes);
        self.set(start, bytes);
    }

    /// The words of the map that hold a part, after a check that it has them to itself.
    fn words_of(&self, start: u64, bytes: u64) -> Range<usize> {
        let align = self.serialization_align();
        let end = self.end_of(start, bytes);
        let ends_disk = end >= self.len_bytes;
        assert!(
            start.is_multiple_of(align) && (ends_disk || end.is_multiple_of(align)),
            "a part of {bytes} bytes at {start} is not aligned to {align}"
        );
        let word = |offset: u64| word_of(offset >> self.granularity_bits);
        word(start)..if ends_disk {
            self.granules.words()
        } else {
            word(end)
        }
    }
}
