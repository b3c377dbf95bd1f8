//! A set of small numbers that is used again for the next run.

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
