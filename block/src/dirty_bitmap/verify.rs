//! The check of an [`HBitmap`]: what it keeps for speed against what the words say.

use super::error::BitmapFault;
use super::hbitmap::HBitmap;
use super::words::summary_of;

impl HBitmap {
    /// The first invariant that does not hold, if any.
    pub(super) fn verify(&self) -> Result<(), BitmapFault> {
        let scanned = self.scan_count();
        if self.count != scanned {
            return Err(BitmapFault::StaleCount {
                stored: self.count,
                scanned,
            });
        }
        if self
            .words
            .last()
            .is_some_and(|last| last & !self.last_word_mask() != 0)
        {
            return Err(BitmapFault::BitPastEnd);
        }
        let mut below = &self.words;
        for (depth, level) in self.summaries.iter().enumerate() {
            let right = summary_of(below);
            assert_eq!(
                right.len(),
                level.len(),
                "a summary has one bit for each word below it"
            );
            if let Some(index) = (0..level.len()).find(|index| level[*index] != right[*index]) {
                let bit = index * 64 + (level[index] ^ right[index]).trailing_zeros() as usize;
                return Err(BitmapFault::WrongSummary {
                    level: depth + 1,
                    bit,
                });
            }
            below = level;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dirty_bitmap::words::mask_of;

    #[test]
    fn a_count_that_was_not_taken_anew_after_a_merge_is_caught() {
        let mut ours = HBitmap::new(100_000);
        let mut theirs = HBitmap::new(100_000);
        ours.set(10, 20);
        theirs.set(15, 99_999);
        ours.or_words(&theirs);
        let stale = BitmapFault::StaleCount {
            stored: 11,
            scanned: 99_990,
        };
        assert_eq!(ours.verify(), Err(stale));
        ours.recount();
        assert_eq!(ours.verify(), Ok(()));
    }

    #[test]
    fn a_summary_that_forgot_a_word_or_kept_an_empty_one_is_caught() {
        let mut bits = HBitmap::new(64 * 64 * 3);
        bits.set(64 * 70, 64 * 70);
        bits.summaries[0][1] = 0;
        assert_eq!(
            bits.verify(),
            Err(BitmapFault::WrongSummary { level: 1, bit: 70 })
        );
        bits.summaries[0][1] = mask_of(70);
        assert_eq!(bits.verify(), Ok(()));
        bits.summaries[1][0] |= 0b100;
        assert_eq!(
            bits.verify(),
            Err(BitmapFault::WrongSummary { level: 2, bit: 2 })
        );
    }

    #[test]
    fn a_bit_past_the_end_is_caught() {
        let mut bits = HBitmap::new(70);
        bits.words[1] = mask_of(6);
        bits.summaries[0][0] = 0b10;
        bits.recount();
        assert_eq!(bits.verify(), Err(BitmapFault::BitPastEnd));
    }

    #[test]
    fn the_highest_level_is_one_word() {
        let levels = |len| {
            HBitmap::new(len)
                .summaries
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>()
        };
        assert_eq!(levels(0), [0; 0]);
        assert_eq!(levels(64), [0; 0]);
        assert_eq!(levels(65), [1]);
        assert_eq!(levels(64 * 64), [1]);
        assert_eq!(levels(64 * 64 + 1), [2, 1]);
        assert_eq!(levels(64 * 64 * 64 + 1), [65, 2, 1]);
    }
}
