//! What the guest was told its disk holds: each write counts from the moment it was acknowledged.

use std::ops::Range;

/// A byte that is not what it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) offset: u64,
    pub(super) found: u8,
    pub(super) told: u8,
}

/// The contents of the disk as a guest must see it, and where requests are under way. At most one is
/// at any byte, so it is always known what a byte must be.
pub(super) struct Model {
    bytes: Vec<u8>,
    busy: Vec<Range<u64>>,
}

impl Model {
    /// A disk that holds `bytes`.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Model {
            bytes,
            busy: Vec::new(),
        }
    }

    /// The length of the disk in bytes.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Takes a range for a request. False if it overlaps that of another one.
    pub(super) fn claim(&mut self, range: &Range<u64>) -> bool {
        let free = self
            .busy
            .iter()
            .all(|busy| busy.end <= range.start || range.end <= busy.start);
        if free {
            self.busy.push(range.clone());
        }
        free
    }

    /// The request of that range has ended.
    pub(super) fn release(&mut self, range: &Range<u64>) {
        self.busy.retain(|busy| busy != range);
    }

    /// A write was acknowledged.
    pub(super) fn written(&mut self, offset: u64, data: &[u8]) {
        let start = offset as usize;
        self.bytes[start..start + data.len()].copy_from_slice(data);
    }

    /// A write of zeroes was acknowledged.
    pub(super) fn zeroed(&mut self, range: &Range<u64>) {
        self.bytes[range.start as usize..range.end as usize].fill(0);
    }

    /// The first byte of `found`, which was read at `offset`, that is not what the guest was told.
    pub(super) fn first_difference(&self, offset: u64, found: &[u8]) -> Option<Difference> {
        let start = offset as usize;
        let told = &self.bytes[start..start + found.len()];
        if told == found {
            return None;
        }
        let at = told.iter().zip(found).position(|(a, b)| a != b)?;
        Some(Difference {
            offset: offset + at as u64,
            found: found[at],
            told: told[at],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_overlap_are_not_under_way_together() {
        let mut model = Model::new(vec![0; 100]);
        assert!(model.claim(&(10..20)));
        for range in [0..11, 19..30, 12..13, 0..100] {
            assert!(!model.claim(&range), "{range:?}");
        }
        assert!(model.claim(&(20..30)) && model.claim(&(0..10)));
        model.release(&(10..20));
        assert!(model.claim(&(11..20)));
    }

    #[test]
    fn the_first_byte_that_differs_is_named() {
        let mut model = Model::new(vec![7; 100]);
        model.written(10, &[1, 2, 3]);
        model.zeroed(&(11..12));
        assert_eq!(model.first_difference(9, &[7, 1, 0, 3, 7]), None);
        let difference = Difference {
            offset: 11,
            found: 2,
            told: 0,
        };
        assert_eq!(model.first_difference(10, &[1, 2, 2]), Some(difference));
    }
}
