//! What a disk shows where nobody has written.

/// What a disk shows where nobody has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Zeroes, as a new file does.
    Zeroes,
    /// Bytes that look like an old disk's, and depend on this seed and their place alone. A copy
    /// that forgets a range cannot look right on it.
    Noise(u64),
}

impl Fill {
    /// What the disk shows from `offset` on.
    pub fn show(self, offset: u64, out: &mut [u8]) {
        let Fill::Noise(seed) = self else {
            out.fill(0);
            return;
        };
        let mut at = 0;
        while at < out.len() {
            let place = offset + at as u64;
            let word = noise_word(seed, place / 8).to_le_bytes();
            let within = (place % 8) as usize;
            let bytes = (8 - within).min(out.len() - at);
            out[at..at + bytes].copy_from_slice(&word[within..within + bytes]);
            at += bytes;
        }
    }
}

/// The mixing function of SplitMix64, at the place `index` of the stream that `seed` names.
fn noise_word(seed: u64, index: u64) -> u64 {
    let mut word = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_depends_on_the_place_and_not_on_the_request() {
        let mut whole = [0; 64];
        Fill::Noise(7).show(3, &mut whole);
        for start in 0..64 {
            let mut part = vec![0; 64 - start];
            Fill::Noise(7).show(3 + start as u64, &mut part);
            assert_eq!(part, whole[start..]);
        }
    }

    #[test]
    fn two_seeds_make_two_noises() {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        Fill::Noise(1).show(0, &mut a);
        Fill::Noise(2).show(0, &mut b);
        assert_ne!(a, b);
    }

    #[test]
    fn the_noise_of_a_seed_stays_what_it_is() {
        // Recorded runs are replayed on this noise.
        assert_eq!(noise_word(0, 0), 0xe220_a839_7b1d_cdaf);
    }
}
