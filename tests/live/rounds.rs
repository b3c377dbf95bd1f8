//! Rounds with random moments, of seeds that are printed.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What decides in one round.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Less than `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Dice for somebody who rolls in a thread of his own.
    pub(crate) fn split(&mut self) -> Dice {
        Dice::new(self.0.next_u64())
    }
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is no number")),
    )
}

/// Plays a few rounds, or as many as `BLOCKJOB_KILLS` says shared among `kinds` of them, to their end
/// also if some fail. A round is told its seed, and returns what has become of it in a word or two.
///
/// # Panics
///
/// Rounds have failed: those are listed with their seeds.
pub(crate) fn play(name: &str, kinds: u64, round: impl Fn(&mut Dice) -> String) {
    let kills = variable("BLOCKJOB_KILLS");
    let count = kills.map_or(3, |kills| kills.div_ceil(kinds));
    let first = variable("BLOCKJOB_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) >> 16);
    let mut ends = std::collections::BTreeMap::<String, u64>::new();
    let mut failed = Vec::new();
    for seed in first..first + count {
        eprintln!("{name}: BLOCKJOB_SEED={seed}");
        let played = catch_unwind(AssertUnwindSafe(|| round(&mut Dice::new(seed))));
        match played {
            Ok(end) => *ends.entry(end).or_default() += 1,
            Err(_) => failed.push(seed),
        }
    }
    if kills.is_some() {
        // Past the harness: it is what somebody has asked for.
        let bad = failed.len();
        writeln!(
            io::stderr(),
            "{name}: {count} rounds from seed {first}, {bad} failed: {ends:?}"
        )
        .expect("standard error is open");
    }
    assert!(
        failed.is_empty(),
        "{name}: rounds of the seeds {failed:?} have failed; {ends:?}"
    );
}
