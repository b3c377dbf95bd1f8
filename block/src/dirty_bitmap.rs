//! Which parts of a disk were written: [`DirtyBitmap`], over byte offsets.
//!
//! The map has one bit for each granule, a power of two of bytes. It errs to one side only: a granule
//! is dirty as soon as one of its bytes may have changed, and becomes clean only when somebody vouches
//! for all of it. So [`DirtyBitmap::set`] rounds outward and [`DirtyBitmap::clear`] inward; a user who
//! needs the opposite of either has found a way to lose a write.
//!
//! It is a plain data structure: no locks, no names, no enabled or frozen state. Those belong to the
//! node that owns the map. QEMU: `BdrvDirtyBitmap` in block/dirty-bitmap.c, over `HBitmap` in
//! util/hbitmap.c.

mod error;
mod hbitmap;
mod iter;
mod serialize;
mod verify;
mod words;

use std::ops::Range;

use blockjob_runtime::bug;

pub use self::error::{BitmapError, BitmapFault};
pub use self::iter::DirtyIter;

use self::hbitmap::HBitmap;

/// The most granules one map may have: 2^38, which take 32 GiB of memory.
pub const MAX_GRANULES: u64 = 1 << 38;

/// The longest disk a map may cover, in bytes: offsets are signed on the wire and in the system calls.
pub const MAX_LEN_BYTES: u64 = i64::MAX as u64;

/// A map of the dirty granules of a disk, with the number of them always at hand.
///
/// Ranges are given as a byte offset and a number of bytes. They must lie inside the disk, except that
/// they may run on to the end of the last granule when the disk ends in the middle of it; a range beyond
/// that is a broken invariant of the caller and panics. An empty range changes nothing.
///
/// QEMU: `BdrvDirtyBitmap`, block/dirty-bitmap.c.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirtyBitmap {
    len_bytes: u64,
    granularity_bits: u32,
    granules: HBitmap,
}

impl DirtyBitmap {
    /// Makes a clean map for a disk of `len_bytes`, one bit for each `granularity` bytes.
    ///
    /// Any power of two will do as granularity; the narrower limits of the QMP commands (512 bytes to
    /// 64 MiB) are theirs to check. A length that is no multiple of it leaves a short last granule.
    /// Memory is asked for zeroed, so that of a large clean map is only reserved.
    ///
    /// QEMU: `bdrv_create_dirty_bitmap`, block/dirty-bitmap.c; `hbitmap_alloc`, util/hbitmap.c.
    ///
    /// # Errors
    ///
    /// [`BitmapError`] when the granularity is no power of two, the disk is longer than
    /// [`MAX_LEN_BYTES`], or it would need more than [`MAX_GRANULES`].
    pub fn new(len_bytes: u64, granularity: u64) -> Result<Self, BitmapError> {
        if !granularity.is_power_of_two() {
            return Err(BitmapError::GranularityNotPowerOfTwo { granularity });
        }
        Ok(Self {
            len_bytes,
            granularity_bits: granularity.trailing_zeros(),
            granules: HBitmap::new(granules_of(len_bytes, granularity)?),
        })
    }

    /// The length of the disk in bytes.
    #[allow(clippy::len_without_is_empty)] // An empty disk is not what "empty" says of a bitmap.
    pub fn len(&self) -> u64 {
        self.len_bytes
    }

    /// The number of bytes that one bit stands for. QEMU:
    /// `bdrv_dirty_bitmap_granularity`, block/dirty-bitmap.c.
    pub fn granularity(&self) -> u64 {
        1 << self.granularity_bits
    }

    /// The number of dirty granules, in constant time.
    pub fn count(&self) -> u64 {
        self.granules.count()
    }

    /// The number of dirty bytes, in constant time; a short last granule counts for what it has.
    ///
    /// QEMU's `bdrv_get_dirty_count` counts it as a full one, and so may exceed the length of the disk.
    pub fn dirty_bytes(&self) -> u64 {
        let full = self.count() << self.granularity_bits;
        let missing = self.padded_len() - self.len_bytes;
        if missing > 0 && self.granules.get(self.granules.len() - 1) {
            full - missing
        } else {
            full
        }
    }

    /// Says whether the granule of the byte at `offset` is dirty. QEMU:
    /// `bdrv_dirty_bitmap_get`, block/dirty-bitmap.c.
    ///
    /// # Panics
    ///
    /// When `offset` is past the last granule.
    #[inline]
    pub fn get(&self, offset: u64) -> bool {
        let granule = offset >> self.granularity_bits;
        assert!(
            granule < self.granules.len(),
            "offset {offset} is past the end of a disk of {} bytes",
            self.len_bytes
        );
        self.granules.get(granule)
    }

    /// Makes every granule dirty that the range touches; returns how many of them were clean.
    ///
    /// QEMU: `bdrv_set_dirty_bitmap`, block/dirty-bitmap.c.
    ///
    /// # Panics
    ///
    /// When the range ends past the last granule.
    #[inline]
    pub fn set(&mut self, offset: u64, bytes: u64) -> u64 {
        let end = self.end_of(offset, bytes);
        if bytes == 0 {
            return 0;
        }
        self.granules.set(
            offset >> self.granularity_bits,
            (end - 1) >> self.granularity_bits,
        )
    }

    /// Makes every granule clean that lies in the range as a whole; returns how many were dirty.
    ///
    /// A granule of which the range covers only a part stays as it is: the other part may hold a write
    /// that nobody has copied. A short last granule is whole when the range reaches the end of the disk.
    ///
    /// QEMU: `bdrv_reset_dirty_bitmap`, block/dirty-bitmap.c, which asserts that the range is aligned.
    ///
    /// # Panics
    ///
    /// When the range ends past the last granule.
    #[inline]
    pub fn clear(&mut self, offset: u64, bytes: u64) -> u64 {
        let end = self.end_of(offset, bytes);
        let first = (offset + (self.granularity() - 1)) >> self.granularity_bits;
        let past = if end >= self.len_bytes {
            self.granules.len()
        } else {
            end >> self.granularity_bits
        };
        if first < past {
            self.granules.clear(first, past - 1)
        } else {
            0
        }
    }

    /// Makes the whole disk dirty.
    pub fn set_all(&mut self) {
        self.set(0, self.len_bytes);
    }

    /// Makes the whole disk clean. QEMU: `bdrv_clear_dirty_bitmap`, block/dirty-bitmap.c.
    pub fn clear_all(&mut self) {
        self.granules.clear_all();
    }

    /// The first dirty byte at `from` or after it, if any: `from` itself when its granule is dirty.
    ///
    /// Costs a few words, however large the clean part in between. A `from` past the end finds nothing.
    /// QEMU: `bdrv_dirty_bitmap_next_dirty`, block/dirty-bitmap.c.
    pub fn next_dirty(&self, from: u64) -> Option<u64> {
        let granule = self.granules.next_set(from >> self.granularity_bits)?;
        let offset = from.max(granule << self.granularity_bits);
        // A `from` in the part of the last granule that the disk does not have.
        (offset < self.len_bytes).then_some(offset)
    }

    /// The first clean byte at `from` or after it, if any: `from` itself when its granule is clean.
    ///
    /// Walks over a dirty part 64 granules at a time. A `from` past the end finds nothing.
    /// QEMU: `bdrv_dirty_bitmap_next_zero`, block/dirty-bitmap.c.
    pub fn next_zero(&self, from: u64) -> Option<u64> {
        if from >= self.len_bytes {
            return None;
        }
        let granule = self
            .granules
            .next_clear(from >> self.granularity_bits, self.granules.len())?;
        Some(from.max(granule << self.granularity_bits))
    }

    /// The first run of dirty bytes in `start..end`, cut off after `max_bytes`; `None` when all is clean.
    ///
    /// The run begins at `start` and ends at `end` even where these fall inside a dirty granule, so it
    /// need not be aligned. It never passes the end of the disk.
    /// QEMU: `bdrv_dirty_bitmap_next_dirty_area`, block/dirty-bitmap.c.
    pub fn next_dirty_area(&self, start: u64, end: u64, max_bytes: u64) -> Option<Range<u64>> {
        let end = end.min(self.len_bytes);
        let first = self
            .next_dirty(start)
            .filter(|first| *first < end && max_bytes > 0)?;
        let limit = end.min(first.saturating_add(max_bytes));
        let past_granule = ((limit - 1) >> self.granularity_bits) + 1;
        let zero = self
            .granules
            .next_clear(first >> self.granularity_bits, past_granule);
        Some(first..zero.map_or(limit, |granule| granule << self.granularity_bits))
    }

    /// Follows a disk that was resized to `new_len_bytes`.
    ///
    /// New granules are clean. Granules that lose all their bytes are forgotten; one that keeps some of
    /// them, or was short and gains some, keeps its bit.
    /// QEMU: `bdrv_dirty_bitmap_truncate`, block/dirty-bitmap.c; `hbitmap_truncate`, util/hbitmap.c.
    ///
    /// # Errors
    ///
    /// As [`DirtyBitmap::new`]; the map is then unchanged.
    pub fn truncate(&mut self, new_len_bytes: u64) -> Result<(), BitmapError> {
        self.granules
            .truncate(granules_of(new_len_bytes, self.granularity())?);
        self.len_bytes = new_len_bytes;
        Ok(())
    }

    /// Adds what is dirty in `other`, which covers the same length, perhaps with another granularity.
    ///
    /// QEMU: `bdrv_merge_dirty_bitmap`, block/dirty-bitmap.c; `hbitmap_merge`, util/hbitmap.c.
    ///
    /// # Errors
    ///
    /// [`BitmapError::LenMismatch`] when the lengths differ; the map is then unchanged.
    pub fn merge_from(&mut self, other: &Self) -> Result<(), BitmapError> {
        if self.len_bytes != other.len_bytes {
            return Err(BitmapError::LenMismatch {
                ours_bytes: self.len_bytes,
                theirs_bytes: other.len_bytes,
            });
        }
        if self.granularity_bits == other.granularity_bits {
            self.granules.or_words(&other.granules);
        } else {
            let mut from = 0;
            while let Some(area) = other.next_dirty_area(from, other.len_bytes, u64::MAX) {
                self.set(area.start, area.end - area.start);
                from = area.end;
            }
        }
        // The words were merged without counting. A map that is dirty and says it is clean loses writes.
        if !bug!(BMP_02) {
            self.granules.recount();
        }
        Ok(())
    }

    /// Recomputes what the map keeps for speed, and compares; for tests and checkers, linear in its size.
    ///
    /// # Errors
    ///
    /// The first [`BitmapFault`] found.
    pub fn verify(&self) -> Result<(), BitmapFault> {
        self.granules.verify()
    }

    /// The end of the last granule, in bytes; at most 2^63, as the length and the granularity are.
    fn padded_len(&self) -> u64 {
        self.granules.len() << self.granularity_bits
    }

    /// The end of a range in bytes, after a check that the granules of the range exist.
    #[inline]
    fn end_of(&self, offset: u64, bytes: u64) -> u64 {
        let padded_len = self.padded_len();
        assert!(
            offset <= padded_len && bytes <= padded_len - offset,
            "a range of {bytes} bytes at {offset} is past the end of a disk of {} bytes",
            self.len_bytes
        );
        offset + bytes
    }
}

/// The number of granules that cover `len_bytes`.
fn granules_of(len_bytes: u64, granularity: u64) -> Result<u64, BitmapError> {
    if len_bytes > MAX_LEN_BYTES {
        return Err(BitmapError::DiskTooLong { len_bytes });
    }
    let granules = len_bytes.div_ceil(granularity);
    if granules > MAX_GRANULES || usize::try_from(granules).is_err() {
        return Err(BitmapError::TooManyGranules {
            len_bytes,
            granularity,
        });
    }
    Ok(granules)
}
