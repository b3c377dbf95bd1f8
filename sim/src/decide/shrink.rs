//! Smaller logs of the same failure.

mod passes;

use std::collections::BTreeSet;

use super::digest::{START, fnv64, mix};
use super::log::{Entry, Log};

/// How large a log is, the most important first: a person reads what is not dull, waits for the
/// rest, and understands small answers best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// How many decisions took another option than 0.
    pub nonzero: usize,
    /// How many decisions there are.
    pub len: usize,
    /// The sum of all answers.
    pub sum: u64,
}

impl Size {
    /// The size of `log`.
    pub fn of(log: &Log) -> Self {
        Size {
            nonzero: log.nonzero(),
            len: log.len(),
            sum: log.entries().iter().map(|it| u64::from(it.chosen)).sum(),
        }
    }
}

/// What shrinking did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShrinkStats {
    /// How many runs it made.
    pub tries: u64,
    /// How many of them failed as wanted, with a smaller log.
    pub accepted: u64,
    /// The size it began with.
    pub before: Size,
    /// The size it ended with.
    pub after: Size,
    /// Whether no step makes the log any smaller. False if the tries ran out first.
    pub fixed_point: bool,
}

/// Makes the log of a failing run smaller, as long as the run fails in the same way.
///
/// `again` makes a run by a candidate, under [`Lenient`](super::Lenient), and returns the log of
/// that run as it really was if it failed as wanted. A changed answer changes what is asked later:
/// so the next step starts from what was, not from what was meant, and the result is the log of a
/// run that happened. At most `most_tries` runs are made, and none twice.
///
/// Returns `log` itself if nothing smaller fails.
pub fn shrink(
    log: Log,
    most_tries: u64,
    again: &mut dyn FnMut(&Log) -> Option<Log>,
) -> (Log, ShrinkStats) {
    let before = Size::of(&log);
    let mut shrinker = Shrinker {
        size: before,
        seen: BTreeSet::from([fingerprint(&log)]),
        best: log,
        again,
        tries: 0,
        most_tries,
        accepted: 0,
        exhausted: false,
    };
    let mut fixed_point = false;
    while !fixed_point && !shrinker.exhausted {
        let accepted = shrinker.accepted;
        shrinker.pass();
        fixed_point = shrinker.accepted == accepted && !shrinker.exhausted;
    }
    let stats = ShrinkStats {
        tries: shrinker.tries,
        accepted: shrinker.accepted,
        before,
        after: shrinker.size,
        fixed_point,
    };
    (shrinker.best, stats)
}

struct Shrinker<'a> {
    best: Log,
    size: Size,
    /// Fingerprints of all candidates so far.
    seen: BTreeSet<u64>,
    again: &'a mut dyn FnMut(&Log) -> Option<Log>,
    tries: u64,
    most_tries: u64,
    accepted: u64,
    /// A try was wanted when there were none left.
    exhausted: bool,
}

impl Shrinker<'_> {
    /// Where the best log has nonzero decisions.
    fn nonzero(&self) -> Vec<usize> {
        let entries = self.best.entries().iter().enumerate();
        entries
            .filter(|it| it.1.chosen != 0)
            .map(|it| it.0)
            .collect()
    }

    /// Makes a run by the best log as `change` leaves it; true if it failed with a smaller log, which
    /// is the best one then.
    fn try_with(&mut self, change: impl FnOnce(&mut Vec<Entry>)) -> bool {
        let mut entries = self.best.entries().to_vec();
        change(&mut entries);
        let candidate = self.best.with_entries(entries);
        let fingerprint = fingerprint(&candidate);
        if self.seen.contains(&fingerprint) {
            return false;
        }
        if self.tries == self.most_tries {
            self.exhausted = true;
            return false;
        }
        self.seen.insert(fingerprint);
        self.tries += 1;
        let Some(log) = (self.again)(&candidate) else {
            return false;
        };
        let size = Size::of(&log);
        if size >= self.size {
            return false;
        }
        self.seen.insert(self::fingerprint(&log));
        self.accepted += 1;
        self.size = size;
        self.best = log;
        true
    }
}

/// What a lenient replay makes of a log: the answers of each site up to its last nonzero one. Two
/// logs that agree in it make the same run.
fn fingerprint(log: &Log) -> u64 {
    // For each site a hash, and how many zeros there were since its last nonzero answer.
    let mut streams = vec![(START, 0_u64); log.sites().len()];
    for entry in log.entries() {
        let (hash, zeros) = &mut streams[usize::from(entry.site)];
        match entry.chosen {
            0 => *zeros += 1,
            chosen => *hash = mix(*hash, u64::from(chosen) | std::mem::take(zeros) << 32),
        }
    }
    // A sum, since it does not matter which site was seen first, or whether a dull one was seen.
    let named = log.sites().iter().zip(streams);
    let exciting = named.filter(|(_, stream)| stream.0 != START);
    exciting.fold(0, |sum, (name, (hash, _))| {
        sum.wrapping_add(mix(fnv64(name.as_bytes()), hash))
    })
}
