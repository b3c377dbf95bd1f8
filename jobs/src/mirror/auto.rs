//! `copy-mode=auto`: begins in the background, and turns to write-blocking when that cannot win.
//!
//! It is decided once. There is no way back: the guest that made it necessary is still there, and a
//! mirror that goes to and fro is never READY.
//!
//! Two things speak against the background:
//!
//! - For two windows on end it gained next to nothing on the guest: of four bytes that it copied the
//!   guest made more than three dirty again.
//! - Everything was copied once; what was left then was copied twice over, and as much as it copies in
//!   two windows besides; and still there was no moment in which nothing was left.
//!
//! Both need copies that end: a target that does not answer is no reason to have guests wait for it.

use super::convergence::{Rates, WINDOW_SLICES};

/// What of a mirror the decision is made from, once a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Of the window that ends now.
    pub(super) rates: Option<Rates>,
    /// The length of a window.
    pub(super) window_ns: u64,
    /// Dirty or in flight.
    pub(super) left_bytes: u64,
    /// Everything that was dirty when it began was copied once.
    pub(super) passed_once: bool,
    /// All that was copied, as a total that never falls.
    pub(super) copied_bytes: u64,
}

/// The evidence against the background.
#[derive(Debug, Clone, Default)]
pub(super) struct Auto {
    /// For so many slices it has gained next to nothing.
    losing_slices: u64,
    /// What was left, and what had been copied, at the first look after the first pass or after the last
    /// moment in which nothing was left.
    chase: Option<(u64, u64)>,
}

impl Auto {
    /// Nothing is left at this moment.
    pub(super) fn clean(&mut self) {
        *self = Auto::default();
    }

    /// Another slice has passed. True if the background cannot win.
    pub(super) fn look(&mut self, now: Situation) -> bool {
        let Some(rates) = now.rates.filter(|rates| rates.slices >= WINDOW_SLICES) else {
            return false;
        };
        let losing = rates.copy > 0 && now.left_bytes > 0 && rates.dirty / 3 > rates.copy / 4;
        self.losing_slices = if losing { self.losing_slices + 1 } else { 0 };
        self.losing_slices > WINDOW_SLICES || self.chases_for_too_long(now, rates)
    }

    fn chases_for_too_long(&mut self, now: Situation, rates: Rates) -> bool {
        if !now.passed_once || now.left_bytes == 0 {
            return false;
        }
        let now_both = (now.left_bytes, now.copied_bytes);
        let (left, copied_then) = *self.chase.get_or_insert(now_both);
        let of_two_windows = u128::from(rates.copy) * u128::from(now.window_ns) * 2;
        let patience = u128::from(left) * 2 + of_two_windows / 1_000_000_000;
        let chased = now.copied_bytes - copied_then;
        chased > 0 && u128::from(chased) > patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn rates(dirty: u64, copy: u64) -> Option<Rates> {
        Some(Rates {
            dirty,
            copy,
            slices: WINDOW_SLICES,
        })
    }

    fn situation() -> Situation {
        Situation {
            rates: rates(0, MIB),
            window_ns: 2_000_000_000,
            left_bytes: 100 * MIB,
            passed_once: false,
            copied_bytes: 0,
        }
    }

    /// After how many looks at the same rates it turns.
    fn turns_after(rates: Option<Rates>) -> Option<u64> {
        let mut auto = Auto::default();
        (1..100).find(|_| {
            auto.look(Situation {
                rates,
                ..situation()
            })
        })
    }

    #[test]
    fn two_windows_without_gain_are_enough_and_one_is_not() {
        assert_eq!(turns_after(rates(MIB, MIB)), Some(WINDOW_SLICES + 1));
        assert_eq!(
            turns_after(rates(8 * MIB, 10 * MIB)),
            Some(WINDOW_SLICES + 1)
        );
        assert_eq!(turns_after(rates(7 * MIB, 10 * MIB)), None);
    }

    #[test]
    fn without_evidence_or_copies_nothing_is_decided() {
        assert_eq!(turns_after(None), None);
        assert_eq!(turns_after(rates(MIB, 0)), None);
        let early = Rates {
            slices: WINDOW_SLICES - 1,
            ..rates(MIB, MIB).expect("some")
        };
        assert_eq!(turns_after(Some(early)), None);
    }

    #[test]
    fn a_slice_of_gain_begins_the_count_anew() {
        let mut auto = Auto::default();
        for slice in 0..50 {
            let dirty = if slice % 8 == 7 { 0 } else { MIB };
            assert!(!auto.look(Situation {
                rates: rates(dirty, MIB),
                ..situation()
            }));
        }
    }

    #[test]
    fn what_was_left_after_the_first_pass_is_chased_twice_and_two_windows_and_no_longer() {
        let mut auto = Auto::default();
        let mut now = Situation {
            passed_once: true,
            left_bytes: 10 * MIB,
            ..situation()
        };
        // It gains, and yet there is always something left: 2 x 10 MiB and 4 s of 1 MiB/s.
        let copied_at_turn = (0..100).find(|copied| {
            now.copied_bytes = copied * MIB;
            auto.look(now)
        });
        assert_eq!(copied_at_turn, Some(25));
    }

    #[test]
    fn a_clean_moment_ends_the_chase() {
        let mut auto = Auto::default();
        let mut now = Situation {
            passed_once: true,
            left_bytes: MIB,
            ..situation()
        };
        for copied in 0..100 {
            now.copied_bytes = copied * MIB;
            assert!(!auto.look(now));
            if copied % 5 == 4 {
                auto.clean();
            }
        }
    }
}
