//! The ways to make a log smaller, each tried again until none helps.

use super::Shrinker;
use crate::decide::log::Entry;

impl Shrinker<'_> {
    /// All of them once, in the order of what they save for what they cost.
    pub(super) fn pass(&mut self) {
        self.zero_chunks();
        self.merge();
        self.delete_chunks();
        self.delete_followed();
        self.move_ahead();
        self.lower_each();
        self.lower_equals();
    }

    /// Zeroes runs of nonzero decisions, from half of them down to single ones. The last are tried
    /// first: what came when the failure was certain goes at once.
    fn zero_chunks(&mut self) {
        let mut size = self.size.nonzero.div_ceil(2);
        while size > 0 {
            let mut end = self.size.nonzero;
            while end > 0 {
                let start = end.saturating_sub(size);
                let chunk = self.nonzero()[start..end].to_vec();
                self.try_with(|entries| zero(entries, &chunk));
                end = start.min(self.size.nonzero);
            }
            size /= 2;
        }
    }

    /// Makes one of two neighbours at a site: the earlier takes the answer of the later, or the sum
    /// of both. Or makes them equal by the answer of the earlier.
    fn merge(&mut self) {
        let mut index = self.size.nonzero;
        while index > 1 {
            index = (index - 1).min(self.size.nonzero.saturating_sub(1));
            let nonzero = self.nonzero();
            let Some(&later) = nonzero.get(index) else {
                return;
            };
            let site = self.best.entries()[later].site;
            let earlier = nonzero[..index].iter().rev();
            let mut earlier = earlier.filter(|at| self.best.entries()[**at].site == site);
            let Some(&earlier) = earlier.next() else {
                continue;
            };
            let of_later = self.best.entries()[later].chosen;
            let of_earlier = self.best.entries()[earlier].chosen;
            let sum = of_later.saturating_add(of_earlier);
            let pairs = [(of_later, 0), (sum, 0), (of_earlier, of_earlier)];
            let _ = pairs.iter().any(|pair| {
                self.try_with(|entries| {
                    give(entries, earlier, pair.0);
                    give(entries, later, pair.1);
                })
            });
        }
    }

    /// Leaves out runs of decisions, dull ones or not, so that all later ones of their sites come
    /// sooner: from half of the log down to single ones, or to small parts where it is long.
    fn delete_chunks(&mut self) {
        const PARTS: usize = 256;
        let mut size = self.size.len.div_ceil(2);
        let least = (self.size.len / PARTS).max(1);
        while size >= least {
            let mut end = self.size.len;
            while end > 0 {
                let start = end.saturating_sub(size);
                self.try_with(|entries| drop(entries.drain(start..end)));
                end = start.min(self.size.len);
            }
            size /= 2;
        }
    }

    /// Leaves out each nonzero decision with up to three that follow: what it led to goes with it.
    fn delete_followed(&mut self) {
        let mut index = self.size.nonzero;
        while index > 0 {
            index = (index - 1).min(self.size.nonzero.saturating_sub(1));
            for count in 1..=4 {
                let Some(&start) = self.nonzero().get(index) else {
                    return;
                };
                let end = (start + count).min(self.size.len);
                self.try_with(|entries| drop(entries.drain(start..end)));
            }
        }
    }

    /// Swaps nonzero decisions with dull ones of their sites that come sooner: as much sooner as
    /// can be, then half of that, and so on.
    fn move_ahead(&mut self) {
        let mut index = 0;
        while let Some(&from) = self.nonzero().get(index) {
            let entries = self.best.entries();
            let is_dull =
                |at: &usize| entries[*at].site == entries[from].site && entries[*at].chosen == 0;
            let dull: Vec<usize> = (0..from).rev().filter(is_dull).collect();
            let chosen = entries[from].chosen;
            let mut distance = dull.len();
            while distance > 0 {
                let to = dull[distance - 1];
                let swap = |entries: &mut Vec<Entry>| {
                    give(entries, to, chosen);
                    give(entries, from, 0);
                };
                if self.try_with(swap) {
                    break;
                }
                distance /= 2;
            }
            index += 1;
        }
    }

    /// Lowers single answers towards 1.
    fn lower_each(&mut self) {
        let mut index = 0;
        while index < self.size.nonzero {
            self.lower(|shrinker| shrinker.nonzero().get(index).copied().into_iter().collect());
            index += 1;
        }
    }

    /// Lowers equal answers of a site together: what must be equal cannot be lowered one by one.
    fn lower_equals(&mut self) {
        let mut index = 0;
        while index < self.size.nonzero {
            self.lower(|shrinker| {
                let nonzero = shrinker.nonzero();
                let Some(&first) = nonzero.get(index) else {
                    return Vec::new();
                };
                let entries = shrinker.best.entries();
                let alike = |it: &Entry| {
                    (it.site, it.chosen) == (entries[first].site, entries[first].chosen)
                };
                nonzero
                    .into_iter()
                    .filter(|at| alike(&entries[*at]))
                    .collect()
            });
            index += 1;
        }
    }

    /// Searches for the least answer for all of `those`, which have the same.
    fn lower(&mut self, those: impl Fn(&Self) -> Vec<usize>) {
        // An answer of 0 was tried by those who zero.
        let mut too_low = 0;
        loop {
            let places = those(self);
            let chosen = places
                .first()
                .map_or(0, |at| self.best.entries()[*at].chosen);
            if chosen <= too_low + 1 {
                return;
            }
            let try_this = if too_low == 0 {
                1
            } else {
                too_low + (chosen - too_low) / 2
            };
            let lower = |entries: &mut Vec<Entry>| {
                places.iter().for_each(|at| entries[*at].chosen = try_this);
            };
            if !self.try_with(lower) {
                too_low = try_this;
            }
        }
    }
}

fn zero(entries: &mut [Entry], places: &[usize]) {
    places.iter().for_each(|at| entries[*at].chosen = 0);
}

/// Gives the decision at `to` this answer, or the highest it has.
fn give(entries: &mut [Entry], to: usize, chosen: u32) {
    entries[to].chosen = chosen.min(entries[to].n - 1);
}
