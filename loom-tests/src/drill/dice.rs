//! Dice: numbers that follow from a seed.

/// One party's dice. They travel with whoever has them.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

/// Spreads a number over all 64 bits (the finaliser of SplitMix64).
pub(crate) fn mix(seed: u64, salt: u64) -> u64 {
    let mut z = seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Dice {
    /// The dice of the party `salt` in the run of `seed`.
    pub(crate) fn new(seed: u64, salt: u64) -> Dice {
        Dice(mix(mix(seed, 1), salt))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0, 0)
    }

    /// One of `0..n`; `n` is not 0.
    pub(crate) fn pick(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.pick(n) == 0
    }
}
