//! Who gets the next turn. Each run depends on its own seed alone, so that one number repeats it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::scheduler::{DataSource, RandomDataSource, Schedule, Scheduler, Task, TaskId};

use crate::drill::dice::{Dice, mix};

/// How turns are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Anybody, each time.
    Random,
    /// The first in a random order of rank, which changes at so many moments less one: Burckhardt and
    /// others, *A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs* (2010).
    Pct(u32),
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Random => f.write_str("random"),
            Policy::Pct(depth) => write!(f, "pct{depth}"),
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Policy, String> {
        if text == "random" {
            return Ok(Policy::Random);
        }
        let depth = text.strip_prefix("pct").and_then(|it| it.parse().ok());
        depth
            .map(Policy::Pct)
            .ok_or_else(|| format!("'{text}' is neither random nor pctN"))
    }
}

/// One run: `pct3:17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// How turns are given.
    pub policy: Policy,
    /// What the drill and its turns are made of.
    pub seed: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.policy, self.seed)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        let (policy, seed) = text
            .split_once(':')
            .ok_or_else(|| format!("'{text}' is no case: POLICY:SEED"))?;
        let policy = policy.parse()?;
        let seed = seed.parse().map_err(|_| format!("'{seed}' is no seed"))?;
        Ok(Case { policy, seed })
    }
}

/// The seed and the number of the run that is under way.
#[derive(Clone)]
pub(super) struct Current {
    policy: Policy,
    seed: Arc<AtomicU64>,
    number: Arc<AtomicU64>,
}

impl Current {
    pub(super) fn get(&self) -> (Case, u64) {
        let seed = self.seed.load(Ordering::Relaxed);
        let case = Case {
            policy: self.policy,
            seed,
        };
        (case, self.number.load(Ordering::Relaxed))
    }
}

/// A scheduler of shuttle's: so many runs, each of a seed of its own.
pub struct Cases {
    current: Current,
    first_seed: u64,
    left: u64,
    dice: Dice,
    data: RandomDataSource,
    /// By task; the highest runs. Whoever is ranked down comes below all others.
    ranks: Vec<u64>,
    lowest: u64,
    changes: Vec<u64>,
    steps: u64,
}

/// Ranks at first are above this; those who are ranked down come below.
const RANKED_DOWN: u64 = 1 << 32;

impl Cases {
    /// `count` runs, of `first_seed` and those after it.
    pub fn new(policy: Policy, first_seed: u64, count: u64) -> Cases {
        Cases {
            current: Current {
                policy,
                seed: Arc::default(),
                number: Arc::default(),
            },
            first_seed,
            left: count,
            dice: Dice::new(0, 0),
            data: RandomDataSource::initialize(0),
            ranks: Vec::new(),
            lowest: RANKED_DOWN,
            changes: Vec::new(),
            steps: 0,
        }
    }

    pub(super) fn current(&self) -> Current {
        self.current.clone()
    }

    fn rank_down(&mut self, task: Option<TaskId>) {
        if let Some(rank) = task.and_then(|task| self.ranks.get_mut(usize::from(task))) {
            self.lowest -= 1;
            *rank = self.lowest;
        }
    }
}

impl Scheduler for Cases {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.left = self.left.checked_sub(1)?;
        let number = self.current.number.fetch_add(1, Ordering::Relaxed);
        let seed = self.first_seed.wrapping_add(number);
        self.current.seed.store(seed, Ordering::Relaxed);
        self.dice = Dice::new(seed, mix(seed, 7));
        self.ranks.clear();
        self.lowest = RANKED_DOWN;
        self.steps = 0;
        if let Policy::Pct(depth) = self.current.policy {
            // Nobody knows how long a run will be.
            let long = [300, 1_500, 6_000][self.dice.pick(3) as usize];
            self.changes = (1..depth).map(|_| self.dice.pick(long)).collect();
        }
        self.data = RandomDataSource::initialize(seed);
        Some(Schedule::new(self.data.reinitialize()))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        if self.current.policy == Policy::Random {
            let which = self.dice.pick(runnable.len() as u64) as usize;
            return Some(runnable[which].id());
        }
        for task in runnable {
            while self.ranks.len() <= usize::from(task.id()) {
                let rank = RANKED_DOWN + (self.dice.next() >> 32);
                self.ranks.push(rank);
            }
        }
        if runnable.len() > 1 {
            self.steps += 1;
            if is_yielding || self.changes.contains(&self.steps) {
                self.rank_down(current);
            }
        }
        let first = runnable
            .iter()
            .max_by_key(|it| self.ranks[usize::from(it.id())]);
        first.map(|task| task.id())
    }

    fn next_u64(&mut self) -> u64 {
        self.data.next_u64()
    }
}
