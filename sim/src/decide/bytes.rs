//! Answers out of a fuzzer's bytes.

use super::{Policy, Question};

/// Takes each answer from the next bytes, as many as it needs; 0 when there are no more.
///
/// Bytes of 0 are dull answers, so that a fuzzer's shorter and emptier inputs are simpler runs.
pub struct Bytes {
    bytes: Vec<u8>,
    at: usize,
}

impl Bytes {
    /// At the beginning of `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Bytes { bytes, at: 0 }
    }

    /// How many bytes were taken: the rest of them does not matter.
    pub fn taken(&self) -> usize {
        self.at
    }

    /// One of `0..n` by as few bytes as can tell them apart.
    fn below(&mut self, n: usize) -> usize {
        let mut value = 0;
        let mut distinguished = 1;
        while distinguished < n {
            value = value << 8 | u64::from(self.byte());
            distinguished = distinguished.saturating_mul(256);
        }
        (value % n as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte.unwrap_or(0)
    }
}

impl Policy for Bytes {
    /// Odds are held by the first 10 bits of two bytes, the highest of which say yes.
    fn choose(&mut self, question: &Question<'_>) -> usize {
        if let Some(odds) = question.odds {
            let draw = u32::from(self.byte()) << 2 | u32::from(self.byte()) >> 6;
            return if draw.saturating_add(odds) >= 1024 {
                1 + self.below(question.n - 1)
            } else {
                0
            };
        }
        self.below(question.n)
    }
}
