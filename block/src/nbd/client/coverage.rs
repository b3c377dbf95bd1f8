//! Which bytes of a read have come.

use std::collections::BTreeMap;

/// Pieces that touch no other one: more than this are no way to answer a read of 32 MiB, but one to
/// have a client remember them.
const MAX_PIECES: usize = 1 << 16;

/// Why a piece is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Part of it has come before.
    Twice,
    /// There are too many holes between the pieces.
    TooMany,
}

/// A set of bytes that only grows, by pieces that must not overlap.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// From the start of each piece to its end; no two touch.
    pieces: BTreeMap<u64, u64>,
}

impl Coverage {
    /// Adds `start..end`, which is not empty.
    pub(super) fn add(&mut self, start: u64, end: u64) -> Result<(), Refused> {
        let before = self.pieces.range(..=start).next_back();
        let before = before.map(|(start, end)| (*start, *end));
        if before.is_some_and(|(_, before_end)| before_end > start) {
            return Err(Refused::Twice);
        }
        let after = self.pieces.range(start..).next();
        let after = after.map(|(start, end)| (*start, *end));
        if after.is_some_and(|(after_start, _)| after_start < end) {
            return Err(Refused::Twice);
        }
        let mut end = end;
        if let Some((after_start, after_end)) = after.filter(|(after_start, _)| *after_start == end)
        {
            self.pieces.remove(&after_start);
            end = after_end;
        }
        match before.filter(|(_, before_end)| *before_end == start) {
            Some((before_start, _)) => self.pieces.insert(before_start, end),
            None if self.pieces.len() >= MAX_PIECES => return Err(Refused::TooMany),
            None => self.pieces.insert(start, end),
        };
        Ok(())
    }

    /// The first byte below `len` that has not come.
    pub(super) fn first_gap(&self, len: u64) -> Option<u64> {
        let gap = match self.pieces.first_key_value() {
            Some((0, end)) => *end,
            _ => 0,
        };
        (gap < len).then_some(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_knows_what_a_set_of_bytes_knows(
            pieces in proptest::collection::vec((0u64..64, 1u64..9), 0..40),
        ) {
            let mut coverage = Coverage::default();
            let mut model = [false; 80];
            for (start, bytes) in pieces {
                let range = start as usize..(start + bytes) as usize;
                let twice = model[range.clone()].contains(&true);
                let result = coverage.add(start, start + bytes);
                prop_assert_eq!(result, if twice { Err(Refused::Twice) } else { Ok(()) });
                if !twice {
                    model[range].fill(true);
                }
                let gap = model.iter().position(|covered| !covered).expect("it ends empty") as u64;
                prop_assert_eq!(coverage.first_gap(80), Some(gap));
                prop_assert_eq!(coverage.first_gap(gap), None);
            }
        }
    }

    #[test]
    fn a_server_that_leaves_a_hole_after_each_byte_is_not_followed_for_ever() {
        let mut coverage = Coverage::default();
        for index in 0..MAX_PIECES as u64 {
            assert_eq!(coverage.add(2 * index, 2 * index + 1), Ok(()));
        }
        let next = 2 * MAX_PIECES as u64;
        assert_eq!(coverage.add(next, next + 1), Err(Refused::TooMany));
        assert_eq!(coverage.add(1, 2), Ok(()), "a hole can still be filled");
    }
}
