//! Random answers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Policy, Question};

/// How many words are drawn at a time: two of the generator's own blocks of four.
const WORDS: usize = 64;

/// Answers by chance: uniformly, or 0 mostly where the question has odds.
///
/// The stream of a seed is the same on every machine and in every version of this crate.
pub struct Random {
    generator: ChaCha8Rng,
    words: [u64; WORDS],
    next: usize,
}

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        // The seed is the key as it is: how the library would stretch it may change under us.
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Random {
            generator: ChaCha8Rng::from_seed(key),
            words: [0; WORDS],
            next: WORDS,
        }
    }

    /// The next 64 bits of the stream.
    #[inline]
    pub(crate) fn word(&mut self) -> u64 {
        if self.next == WORDS {
            self.refill();
        }
        let word = self.words[self.next];
        self.next += 1;
        word
    }

    /// Uniformly one of `0..n`; off by less than n / 2^32, which nobody will notice.
    #[inline]
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        scale(self.word(), n)
    }

    #[cold]
    fn refill(&mut self) {
        let mut bytes = [0; WORDS * 8];
        self.generator.fill_bytes(&mut bytes);
        for (word, bytes) in self.words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("a chunk of 8 bytes"));
        }
        self.next = 0;
    }
}

/// One of `0..n` by the upper half of `word`.
#[inline]
fn scale(word: u64, n: u64) -> u64 {
    ((word >> 32) * n) >> 32
}

impl Policy for Random {
    #[inline]
    fn choose(&mut self, question: &Question<'_>) -> usize {
        let word = self.word();
        let n = question.n as u64;
        match question.odds {
            None => scale(word, n) as usize,
            // The lower half says whether, the upper half says which.
            Some(odds) if word as u32 & 1023 < odds => 1 + scale(word, n - 1) as usize,
            Some(_) => 0,
        }
    }
}
