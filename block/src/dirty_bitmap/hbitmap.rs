//! The bits below a [`DirtyBitmap`](super::DirtyBitmap): a flat map with summaries above it.
//!
//! Level 0 is the map itself, in words of 64 bits. Bit `n` of each level above says that word `n` of the
//! level below is not zero; the highest level is one word. So the next set bit is found by climbing to
//! the first level that knows of one and descending again, at most [`usize::BITS`] / 6 words each way.
//!
//! Most writes hit words that are non-zero already and most clears leave them so; only the change from
//! zero to non-zero or back goes up to the summary. Nothing here allocates but `new` and `truncate`.
//!
//! Invariants, checked by `verify`: `count` is the number of set bits; each summary bit says
//! whether its word is non-zero; no bit at or past `len` is set.

use super::words::{
    WORD_BITS, clear_span, mask_from, mask_of, or_level, resize, set_span, summary_of, word_of,
    words_for,
};

/// A bitmap of fixed length with a count and summaries. QEMU: `HBitmap`, util/hbitmap.c, granularity 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HBitmap {
    pub(super) len: u64,
    pub(super) count: u64,
    pub(super) words: Vec<u64>,
    /// From the level right above `words` to the one that is a single word; none if `words` is.
    pub(super) summaries: Vec<Vec<u64>>,
}

impl HBitmap {
    pub(super) fn new(len: u64) -> Self {
        let words = vec![0; words_for(len)];
        let mut summaries = Vec::new();
        let mut below = words.len();
        while below > 1 {
            below = words_for(below as u64);
            summaries.push(vec![0; below]);
        }
        Self {
            len,
            count: 0,
            words,
            summaries,
        }
    }

    /// The number of bits.
    #[inline]
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The number of set bits.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The number of words.
    pub(super) fn words(&self) -> usize {
        self.words.len()
    }

    pub(super) fn word(&self, index: usize) -> u64 {
        self.words[index]
    }

    #[inline]
    pub(super) fn get(&self, bit: u64) -> bool {
        self.words[word_of(bit)] & mask_of(bit) != 0
    }

    /// Sets the bits `first..=last`; returns how many were clear.
    #[inline]
    pub(super) fn set(&mut self, first: u64, last: u64) -> u64 {
        if first != last {
            return self.set_range(first, last);
        }
        let index = word_of(first);
        let old = self.words[index];
        let new = old | mask_of(first);
        self.words[index] = new;
        // No branch on whether the bit was set: for scattered writes nobody can predict it.
        let added = u64::from(new != old);
        self.count += added;
        if old == 0 {
            self.word_filled(index);
        }
        added
    }

    /// Clears the bits `first..=last`; returns how many were set.
    #[inline]
    pub(super) fn clear(&mut self, first: u64, last: u64) -> u64 {
        if first != last {
            return self.clear_range(first, last);
        }
        let index = word_of(first);
        let old = self.words[index];
        let new = old & !mask_of(first);
        self.words[index] = new;
        let removed = u64::from(new != old);
        self.count -= removed;
        if new == 0 && old != 0 {
            self.word_emptied(index);
        }
        removed
    }

    pub(super) fn clear_all(&mut self) {
        // Also spares the reserved memory of a large map that was never written to.
        if self.count > 0 {
            self.words.fill(0);
            self.summaries.iter_mut().for_each(|level| level.fill(0));
            self.count = 0;
        }
    }

    /// Replaces a word; bits past the end are dropped.
    pub(super) fn store_word(&mut self, index: usize, value: u64) {
        let mut new = value;
        if index + 1 == self.words.len() {
            new &= self.last_word_mask();
        }
        let old = std::mem::replace(&mut self.words[index], new);
        self.count = self.count - u64::from(old.count_ones()) + u64::from(new.count_ones());
        match (old != 0, new != 0) {
            (false, true) => self.word_filled(index),
            (true, false) => self.word_emptied(index),
            _ => {}
        }
    }

    /// The first set bit at `from` or after it.
    #[inline]
    pub(super) fn next_set(&self, from: u64) -> Option<u64> {
        let index = word_of(from);
        let here = *self.words.get(index)? & mask_from(from);
        if here != 0 {
            return Some(index as u64 * WORD_BITS + u64::from(here.trailing_zeros()));
        }
        self.next_set_after_word(index)
    }

    /// The first set bit in the words after `index`.
    fn next_set_after_word(&self, index: usize) -> Option<u64> {
        let mut from = index as u64 + 1;
        for (depth, level) in self.summaries.iter().enumerate() {
            let index = word_of(from);
            // A level that ends here has nothing to the right, and the levels above know no more.
            let here = *level.get(index)? & mask_from(from);
            if here != 0 {
                let mut found = index as u64 * WORD_BITS + u64::from(here.trailing_zeros());
                for below in self.summaries[..depth].iter().rev().chain([&self.words]) {
                    found = found * WORD_BITS + u64::from(below[found as usize].trailing_zeros());
                }
                return Some(found);
            }
            from = index as u64 + 1;
        }
        None
    }

    /// The first clear bit in `from..end`, where `end` is at most the length.
    pub(super) fn next_clear(&self, from: u64, end: u64) -> Option<u64> {
        debug_assert!(
            from < end && end <= self.len,
            "{from}..{end} is no range in {} bits",
            self.len
        );
        let first = word_of(from);
        for (index, word) in self.words[..words_for(end)].iter().enumerate().skip(first) {
            let clear = if index == first {
                !word & mask_from(from)
            } else {
                !word
            };
            if clear != 0 {
                let bit = index as u64 * WORD_BITS + u64::from(clear.trailing_zeros());
                return (bit < end).then_some(bit);
            }
        }
        None
    }

    /// Changes the length; new bits are clear.
    pub(super) fn truncate(&mut self, len: u64) {
        if len < self.len {
            self.clear(len, self.len - 1);
        }
        self.len = len;
        resize(&mut self.words, words_for(len));
        let mut depth = 0;
        let mut below = self.words.len();
        while below > 1 {
            below = words_for(below as u64);
            match self.summaries.get_mut(depth) {
                Some(level) => resize(level, below),
                None => self
                    .summaries
                    .push(summary_of(self.summaries.last().unwrap_or(&self.words))),
            }
            depth += 1;
        }
        self.summaries.truncate(depth);
    }

    /// Sets the bits that are set in `other`, of the same length. Leaves `count` stale: see `recount`.
    pub(super) fn or_words(&mut self, other: &Self) {
        assert_eq!(
            self.len, other.len,
            "only maps of one length have the same words"
        );
        or_level(&mut self.words, &other.words);
        for (ours, theirs) in self.summaries.iter_mut().zip(&other.summaries) {
            or_level(ours, theirs);
        }
    }

    /// Takes the count anew from the words.
    pub(super) fn recount(&mut self) {
        self.count = self.scan_count();
    }

    /// The bits of the last word that stand for something.
    pub(super) fn last_word_mask(&self) -> u64 {
        !0 >> (self.len.wrapping_neg() % WORD_BITS)
    }

    /// The number of set bits, counted.
    pub(super) fn scan_count(&self) -> u64 {
        self.words
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }

    fn set_range(&mut self, first: u64, last: u64) -> u64 {
        let (added, mut filled) = set_span(&mut self.words, first, last);
        self.count += added;
        // Each word of the range is non-zero now, so each summary bit of it may be set without a look.
        let (mut first, mut last) = (first, last);
        for level in &mut self.summaries {
            if !filled {
                break;
            }
            (first, last) = (first / WORD_BITS, last / WORD_BITS);
            (_, filled) = set_span(level, first, last);
        }
        added
    }

    fn clear_range(&mut self, first: u64, last: u64) -> u64 {
        let removed = clear_span(&mut self.words, first, last);
        if removed == 0 {
            return 0;
        }
        self.count -= removed;
        let (mut first, mut last) = (first, last);
        let mut below: &[u64] = &self.words;
        for level in &mut self.summaries {
            // Words inside the range are zero now; the two at its ends may have kept bits outside it.
            let mut past = last / WORD_BITS + 1;
            first /= WORD_BITS;
            if below[first as usize] != 0 {
                first += 1;
            }
            if first < past && below[past as usize - 1] != 0 {
                past -= 1;
            }
            if first >= past {
                break;
            }
            last = past - 1;
            clear_span(level, first, last);
            below = level;
        }
        removed
    }

    /// Tells the summaries that word `index` is no longer zero.
    fn word_filled(&mut self, mut index: usize) {
        for level in &mut self.summaries {
            let word = &mut level[index / 64];
            let old = *word;
            *word |= mask_of(index as u64);
            if old != 0 {
                break;
            }
            index /= 64;
        }
    }

    /// Tells the summaries that word `index` has become zero.
    fn word_emptied(&mut self, mut index: usize) {
        for level in &mut self.summaries {
            let word = &mut level[index / 64];
            *word &= !mask_of(index as u64);
            if *word != 0 {
                break;
            }
            index /= 64;
        }
    }
}
