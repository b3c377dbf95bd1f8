//! Probabilistic concurrency testing.

use super::{Policy, Question, Random};

/// Runs whoever has the highest of random priorities, and lowers one at random moments: PCT
/// (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A Randomized Scheduler with Probabilistic
/// Guarantees of Finding Bugs", ASPLOS 2010).
///
/// A bug has depth `d` if `d` orders between pairs of steps are enough to meet it. A run of
/// `Pct` with that depth, of a program with `n` threads that asks `k` times who is next, meets it
/// with a probability of at least `1 / (n * k^(d-1))`, however rare it is among all schedules.
///
/// Its runs are never fair, and with depth 1 nobody is ever interrupted. For coroutines the promise
/// has two limits. A context runs all that is ready once before anybody's second turn, so nobody
/// starves there, and only the orders that a context can choose are met. And a coroutine that ends
/// and one that begins later are two threads of the `n`.
///
/// Questions that do not say who the options are, such as those for faults, are answered as
/// [`Random`] answers them. Odds of a question that does say are ignored.
pub struct Pct {
    random: Random,
    /// At which step a change of priority comes. The one at index `i` lowers to priority `i`; they
    /// are in no order, so late changes may go above early ones, as the promise needs.
    changes: Vec<u64>,
    /// Everybody seen so far, by number, with the priority.
    priorities: Vec<(u64, u64)>,
    steps: u64,
}

/// Set in every priority that was never lowered, so that it is above all that were.
const FIRST: u64 = 1 << 63;

impl Pct {
    /// A run by `seed` that looks for bugs of `depth`, in about as many `steps`: questions that say
    /// who the options are. For those, take the most of [`steps`](Self::steps) after earlier runs;
    /// with 0 no priority ever changes.
    ///
    /// # Panics
    ///
    /// If `depth` is 0.
    pub fn new(seed: u64, depth: u32, steps: u64) -> Self {
        assert!(depth > 0, "no bug has depth 0");
        let mut random = Random::new(seed);
        let changes = if steps == 0 { 0 } else { depth - 1 };
        // The draws are of 32 bits; longer runs than that are not made.
        let steps = steps.min(u64::from(u32::MAX));
        Pct {
            changes: (0..changes).map(|_| random.below(steps)).collect(),
            random,
            priorities: Vec::new(),
            steps: 0,
        }
    }

    /// How many questions of this run said who the options are.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The place of `who` in `priorities`, with a priority by chance if it is new.
    fn place(&mut self, who: u64) -> usize {
        match self.priorities.binary_search_by_key(&who, |it| it.0) {
            Ok(place) => place,
            Err(place) => {
                let priority = self.random.word() | FIRST;
                self.priorities.insert(place, (who, priority));
                place
            }
        }
    }

    /// The option of the highest priority.
    fn highest(&mut self, n: usize, who: &dyn Fn(usize) -> u64) -> usize {
        let mut highest = (0, 0);
        for index in 0..n {
            let place = self.place(who(index));
            let priority = self.priorities[place].1;
            if index == 0 || priority > highest.1 {
                highest = (index, priority);
            }
        }
        highest.0
    }
}

impl Policy for Pct {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        let Some(who) = question.who else {
            return self.random.choose(question);
        };
        let mut chosen = self.highest(question.n, who);
        for index in 0..self.changes.len() {
            if self.changes[index] == self.steps {
                // Whoever would take this very step is who must wait.
                let place = self.place(who(chosen));
                self.priorities[place].1 = index as u64;
                chosen = self.highest(question.n, who);
            }
        }
        self.steps += 1;
        chosen
    }
}

/// The probability that none of so many `runs` of [`Pct`] meets a bug of `depth`, at most, in a
/// program of so many `threads` that asks `steps` times who is next.
pub fn miss_probability(depth: u32, threads: u64, steps: u64, runs: u64) -> f64 {
    let exponent = f64::from(depth.saturating_sub(1));
    let schedules = threads.max(1) as f64 * (steps.max(1) as f64).powf(exponent);
    // As a sum of logarithms, since one run's chance may be too small to show beside 1.
    (runs as f64 * (-1.0 / schedules).ln_1p()).exp()
}
