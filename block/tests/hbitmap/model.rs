//! The same map as a plain set of granules, slow and obvious.

use std::collections::BTreeSet;
use std::ops::Range;

use blockjob_block::dirty_bitmap::DirtyBitmap;

/// One granule more or less than these needs one word, or one summary level, more or less.
pub(crate) const L1: u64 = 64;
pub(crate) const L2: u64 = 64 * L1;
pub(crate) const L3: u64 = 64 * L2;

pub(crate) struct Model {
    pub(crate) len: u64,
    pub(crate) granularity: u64,
    pub(crate) dirty: BTreeSet<u64>,
}

impl Model {
    pub(crate) fn new(len: u64, granularity: u64) -> Self {
        Self {
            len,
            granularity,
            dirty: BTreeSet::new(),
        }
    }

    pub(crate) fn granules(&self) -> u64 {
        self.len.div_ceil(self.granularity)
    }

    /// The bytes of a granule, those only that the disk has.
    pub(crate) fn bytes_of(&self, granule: u64) -> Range<u64> {
        granule * self.granularity..self.len.min((granule + 1) * self.granularity)
    }

    pub(crate) fn set(&mut self, offset: u64, bytes: u64) -> u64 {
        let before = self.dirty.len();
        if bytes > 0 {
            self.dirty
                .extend(offset / self.granularity..=(offset + bytes - 1) / self.granularity);
        }
        (self.dirty.len() - before) as u64
    }

    pub(crate) fn clear(&mut self, offset: u64, bytes: u64) -> u64 {
        let inside: Vec<u64> = self
            .dirty
            .range(offset / self.granularity..)
            .copied()
            .take_while(|granule| granule * self.granularity < offset + bytes)
            .filter(|granule| {
                let own = self.bytes_of(*granule);
                offset <= own.start && own.end <= offset + bytes
            })
            .collect();
        inside
            .iter()
            .for_each(|granule| assert!(self.dirty.remove(granule)));
        inside.len() as u64
    }

    pub(crate) fn truncate(&mut self, len: u64) {
        self.len = len;
        let granules = self.granules();
        self.dirty.retain(|granule| *granule < granules);
    }

    pub(crate) fn get(&self, offset: u64) -> bool {
        self.dirty.contains(&(offset / self.granularity))
    }

    pub(crate) fn next_dirty(&self, from: u64) -> Option<u64> {
        let granule = self.dirty.range(from / self.granularity..).next()?;
        Some(from.max(granule * self.granularity)).filter(|offset| *offset < self.len)
    }

    pub(crate) fn next_zero(&self, from: u64) -> Option<u64> {
        let first = from / self.granularity;
        let dirty = self
            .dirty
            .range(first..)
            .zip(first..)
            .take_while(|(dirty, next)| *dirty == next);
        let granule = first + dirty.count() as u64;
        Some(from.max(granule * self.granularity)).filter(|offset| *offset < self.len)
    }

    /// The dirty bytes from the first at `start` or after it to the next clean one.
    pub(crate) fn dirty_run(&self, start: u64) -> Option<Range<u64>> {
        let first = self.next_dirty(start)?;
        Some(first..self.next_zero(first).unwrap_or(self.len))
    }

    pub(crate) fn next_dirty_area(
        &self,
        start: u64,
        end: u64,
        max_bytes: u64,
    ) -> Option<Range<u64>> {
        cut(self.dirty_run(start)?, end, max_bytes)
    }

    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.dirty
            .iter()
            .map(|granule| self.bytes_of(*granule))
            .map(|own| own.end - own.start)
            .sum()
    }

    /// Compares all that both can say about the whole disk.
    pub(crate) fn assert_equals(&self, bitmap: &DirtyBitmap) {
        assert_eq!(bitmap.verify(), Ok(()));
        assert_eq!(bitmap.len(), self.len);
        assert_eq!(bitmap.granularity(), self.granularity);
        assert_eq!(bitmap.count(), self.dirty.len() as u64);
        assert_eq!(bitmap.dirty_bytes(), self.dirty_bytes());
        assert!(
            self.dirty.iter().copied().eq(dirty_granules(bitmap)),
            "the dirty granules differ"
        );
    }
}

/// The dirty granules of a map by number, in the order of a walk over it.
pub(crate) fn dirty_granules(bitmap: &DirtyBitmap) -> impl Iterator<Item = u64> {
    let mut iter = blockjob_block::dirty_bitmap::DirtyIter::new();
    std::iter::from_fn(move || iter.next(bitmap)).map(|offset| offset / bitmap.granularity())
}

/// A clean map; the sizes in these tests are legal.
pub(crate) fn bitmap(len: u64, granularity: u64) -> DirtyBitmap {
    DirtyBitmap::new(len, granularity).unwrap()
}

/// What is left of a run of dirty bytes before `end`, and no more than `max_bytes` of it.
pub(crate) fn cut(run: Range<u64>, end: u64, max_bytes: u64) -> Option<Range<u64>> {
    let past = run.end.min(end).min(run.start.saturating_add(max_bytes));
    (run.start < past).then_some(run.start..past)
}
