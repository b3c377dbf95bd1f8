//! Words of 64 bits and spans of bits in them, for one level of an [`HBitmap`](super::hbitmap::HBitmap).

/// The number of bits in a word of each level.
pub(super) const WORD_BITS: u64 = u64::BITS as u64;

/// Sets `first..=last` in one level; says how many bits were clear, and whether a word was zero before.
pub(super) fn set_span(level: &mut [u64], first: u64, last: u64) -> (u64, bool) {
    let (mut added, mut filled) = (0, false);
    each_word(level, first, last, |word, mask| {
        added += u64::from((mask & !*word).count_ones());
        filled |= *word == 0;
        *word |= mask;
    });
    (added, filled)
}

/// Clears `first..=last` in one level; returns how many bits were set.
pub(super) fn clear_span(level: &mut [u64], first: u64, last: u64) -> u64 {
    let mut removed = 0;
    each_word(level, first, last, |word, mask| {
        // A word that stays the same is not written, so the reserved memory of a clean map stays so.
        if *word & mask != 0 {
            removed += u64::from((*word & mask).count_ones());
            *word &= !mask;
        }
    });
    removed
}

/// Calls `change` for each word that holds some of the bits `first..=last`, with the mask of these.
#[inline]
fn each_word(level: &mut [u64], first: u64, last: u64, mut change: impl FnMut(&mut u64, u64)) {
    let upto_last = !0 >> (WORD_BITS - 1 - last % WORD_BITS);
    match &mut level[word_of(first)..=word_of(last)] {
        [] => {}
        [only] => change(only, mask_from(first) & upto_last),
        [head, inner @ .., tail] => {
            change(head, mask_from(first));
            inner.iter_mut().for_each(|word| change(word, !0));
            change(tail, upto_last);
        }
    }
}

/// Sets in `ours` what is set in `theirs`, without writing to words that do not change by it.
pub(super) fn or_level(ours: &mut [u64], theirs: &[u64]) {
    for (ours, theirs) in ours.iter_mut().zip(theirs) {
        if *theirs != 0 {
            *ours |= theirs;
        }
    }
}

/// The level above `below`: one bit for each word, set when the word is not zero.
pub(super) fn summary_of(below: &[u64]) -> Vec<u64> {
    let bits = |group: &[u64]| {
        group
            .iter()
            .rev()
            .fold(0, |bits, word| bits << 1 | u64::from(*word != 0))
    };
    below.chunks(64).map(bits).collect()
}

/// Gives a level another number of words, new ones zero, and its spare memory back.
pub(super) fn resize(level: &mut Vec<u64>, words: usize) {
    level.resize(words, 0);
    level.shrink_to_fit();
}

/// The number of words that hold `bits` bits.
pub(super) fn words_for(bits: u64) -> usize {
    bits.div_ceil(WORD_BITS) as usize
}

/// The word that holds a bit.
#[inline]
pub(super) fn word_of(bit: u64) -> usize {
    (bit / WORD_BITS) as usize
}

/// A bit at its place in its word.
#[inline]
pub(super) fn mask_of(bit: u64) -> u64 {
    1 << (bit % WORD_BITS)
}

/// The bits of a word from the place of `bit` upwards.
#[inline]
pub(super) fn mask_from(bit: u64) -> u64 {
    !0 << (bit % WORD_BITS)
}
