//! A set of small numbers that is used again for the next run.

use std::ops::Range;

/// Numbers from 0, one bit each.
#[derive(Default)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Empty, with room for `0..len`.
    pub(super) fn reset(&mut self, len: usize) {
        self.words.clear();
        self.words.resize(len.div_ceil(64), 0);
    }

    pub(super) fn has(&self, number: usize) -> bool {
        let word = self.words.get(number / 64);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Adds a number, however large; false if it was there.
    pub(super) fn insert(&mut self, number: usize) -> bool {
        let index = number / 64;
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        let (word, bit) = (&mut self.words[index], 1 << (number % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Takes a number out; false if it was not there.
    pub(super) fn remove(&mut self, number: usize) -> bool {
        let bit = 1 << (number % 64);
        let Some(word) = self.words.get_mut(number / 64) else {
            return false;
        };
        let was_there = *word & bit != 0;
        *word &= !bit;
        was_there
    }

    /// Adds numbers that there is room for; the first of them that was there.
    pub(super) fn insert_all(&mut self, numbers: Range<usize>) -> Option<usize> {
        let mut first = None;
        for (index, mask) in masks(numbers) {
            let word = &mut self.words[index];
            first = first.or_else(|| lowest(index, *word & mask));
            *word |= mask;
        }
        first
    }

    /// Takes numbers out; the first of them that was not there.
    pub(super) fn remove_all(&mut self, numbers: Range<usize>) -> Option<usize> {
        let mut first = None;
        for (index, mask) in masks(numbers) {
            let word = &mut self.words[index];
            first = first.or_else(|| lowest(index, !*word & mask));
            *word &= !mask;
        }
        first
    }

    /// The numbers, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().enumerate();
        words.flat_map(|(index, word)| {
            let rest = |word: &u64| Some(*word & (*word - 1)).filter(|word| *word != 0);
            let from = Some(*word).filter(|word| *word != 0);
            let lasts = std::iter::successors(from, rest);
            lasts.map(move |word| index * 64 + word.trailing_zeros() as usize)
        })
    }
}

/// The words in which a range lies, with what of them is in it.
fn masks(numbers: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let Range { start, end } = numbers;
    let words = start / 64..end.div_ceil(64).max(start / 64);
    words.map(move |index| {
        let from = start.saturating_sub(index * 64);
        let left = (end - index * 64).min(64);
        (index, u64::MAX << from & u64::MAX >> (64 - left))
    })
}

fn lowest(index: usize, word: u64) -> Option<usize> {
    (word != 0).then(|| index * 64 + word.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_added_and_taken_out_across_words_and_overlaps_are_found() {
        let mut bits = Bits::default();
        bits.reset(300);
        assert_eq!(bits.insert_all(60..200), None);
        assert_eq!(
            bits.iter().collect::<Vec<_>>(),
            (60..200).collect::<Vec<_>>()
        );
        assert_eq!(bits.insert_all(10..60), None);
        assert_eq!(bits.insert_all(199..260), Some(199));
        assert_eq!(bits.insert_all(5..5), None);
        assert_eq!(bits.insert_all(64..64), None);
        assert_eq!(bits.remove_all(70..128), None);
        assert_eq!(bits.remove_all(64..130), Some(70));
        assert!(bits.has(63) && !bits.has(64) && !bits.has(129) && bits.has(130));
        assert!(!bits.insert(63) && bits.insert(64) && bits.remove(64) && !bits.remove(64));
    }
}
