//! The numbers that configurations are drawn from.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Sets the stream of a seed's configuration apart from that of its schedule.
const PURPOSE: &[u8; 8] = b"scenario";

/// A stream of numbers that is the same on every machine and in every version of this crate.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    pub(super) fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(PURPOSE);
        Stream(ChaCha8Rng::from_seed(key))
    }

    /// One of `0..n`, or of all there are if `n` is 0; off by less than n / 2^64.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill_bytes(&mut bytes);
        let word = u64::from_le_bytes(bytes);
        match n {
            0 => word,
            n => ((u128::from(word) * u128::from(n)) >> 64) as u64,
        }
    }
}
