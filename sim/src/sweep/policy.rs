//! Who makes the choices of a sweep, as a word of a command line.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use crate::config::Config;
use crate::decide::{Pct, Policy, Question, Random};
use crate::run::Runner;

/// A kind of policy, of which each seed makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PolicySpec {
    /// `random`: every option as often as the others.
    #[default]
    Random,
    /// `pct:3`: priorities by chance, with some changes of priority at random moments. See [`Pct`].
    Pct {
        /// The depth of the bugs that it promises to find.
        depth: u32,
    },
    /// `exhaustive`, `exhaustive:2`: every schedule of one configuration.
    Exhaustive {
        /// Only those in which at most so many decisions take another option than the dullest.
        bound: Option<usize>,
    },
}

/// No policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no policy: expected random, pct:D with D from 1, exhaustive, or exhaustive:N for at \
     most N decisions that are not dull"
)]
pub struct PolicySpecError(pub String);

impl PolicySpec {
    /// The policy that a sweep gives to `seed`, whose configuration is `config`; `runner` makes a run of it
    /// to measure, if the policy needs that. None if the schedules of this kind have no seeds.
    pub fn of_seed(
        self,
        seed: u64,
        config: &Config,
        runner: &mut Runner,
    ) -> Option<Box<dyn Policy>> {
        match self {
            PolicySpec::Random => Some(Box::new(Random::new(seed))),
            PolicySpec::Pct { depth } => {
                let steps = Lengths::default().steps(runner, config);
                Some(Box::new(Pct::new(seed, depth, steps)))
            }
            PolicySpec::Exhaustive { .. } => None,
        }
    }
}

impl FromStr for PolicySpec {
    type Err = PolicySpecError;

    fn from_str(text: &str) -> Result<Self, PolicySpecError> {
        let wrong = || PolicySpecError(text.to_owned());
        let (kind, number) = match text.split_once(':') {
            Some((kind, number)) => (kind, Some(number)),
            None => (text, None),
        };
        match (kind, number) {
            ("random", None) => Ok(PolicySpec::Random),
            ("pct", Some(depth)) => match depth.parse() {
                Ok(depth) if depth > 0 => Ok(PolicySpec::Pct { depth }),
                _ => Err(wrong()),
            },
            ("exhaustive", None) => Ok(PolicySpec::Exhaustive { bound: None }),
            ("exhaustive", Some(bound)) => {
                let bound = bound.parse().map_err(|_| wrong())?;
                Ok(PolicySpec::Exhaustive { bound: Some(bound) })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for PolicySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicySpec::Random => f.write_str("random"),
            PolicySpec::Pct { depth } => write!(f, "pct:{depth}"),
            PolicySpec::Exhaustive { bound: None } => f.write_str("exhaustive"),
            PolicySpec::Exhaustive { bound: Some(bound) } => write!(f, "exhaustive:{bound}"),
        }
    }
}

/// How many threads a run had, in the sense of [`Pct`], and how often somebody was asked which of
/// them is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Threads {
    /// Coroutines and callbacks that could be next at some moment.
    pub threads: u64,
    /// Questions who is next.
    pub steps: u64,
}

impl Threads {
    /// The greater of both numbers.
    pub(super) fn max(self, other: Threads) -> Threads {
        Threads {
            threads: self.threads.max(other.threads),
            steps: self.steps.max(other.steps),
        }
    }
}

/// A policy that answers as another one does, and counts who was asked about.
pub(super) struct Census<P> {
    policy: P,
    /// Everybody, by number.
    seen: Vec<u64>,
    steps: u64,
}

impl<P: Policy> Census<P> {
    fn of(policy: P) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Census {
            policy,
            seen: Vec::new(),
            steps: 0,
        }))
    }

    fn threads(&self) -> Threads {
        Threads {
            threads: self.seen.len() as u64,
            steps: self.steps,
        }
    }
}

impl<P: Policy> Policy for Census<P> {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        if let Some(who) = question.who {
            self.steps += 1;
            for index in 0..question.n {
                let number = who(index);
                if let Err(place) = self.seen.binary_search(&number) {
                    self.seen.insert(place, number);
                }
            }
        }
        self.policy.choose(question)
    }
}

/// Depths for which promises are counted.
pub(super) const DEPTHS: usize = 8;

/// What runs by [`Pct`] promise together: for each depth from 1 the logarithm of the probability that none
/// of them meets a bug of that depth, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Promise {
    missed_ln: [f64; DEPTHS],
    /// Runs that asked more often who is next than they were expected to. Their changes of priority came
    /// too early, and so they promise something for depth 1 only.
    pub(super) too_long: u64,
}

impl Promise {
    /// That of a run with so many threads, whose changes of priority were spread over so many steps.
    fn of(threads: u64, spread: u64, steps: u64) -> Promise {
        let too_long = steps > spread;
        let missed_ln = std::array::from_fn(|below| {
            if too_long && below > 0 {
                return 0.0;
            }
            let schedules = threads.max(1) as f64 * (spread.max(1) as f64).powi(below as i32);
            (-1.0 / schedules).ln_1p()
        });
        Promise {
            missed_ln,
            too_long: u64::from(too_long),
        }
    }

    pub(super) fn add(&mut self, other: &Promise) {
        let all = self.missed_ln.iter_mut().zip(&other.missed_ln);
        all.for_each(|(sum, ln)| *sum += ln);
        self.too_long += other.too_long;
    }

    /// The probability that no run meets a bug of `depth`, at most; 1 for depths that are too great to
    /// be counted.
    pub(super) fn missed(&self, depth: u32) -> f64 {
        let below = depth.saturating_sub(1) as usize;
        self.missed_ln.get(below).map_or(1.0, |ln| ln.exp())
    }
}

/// The seed of the schedule by which a configuration is measured.
const MEASURE: u64 = u64::MAX;

/// How long a run of a configuration is, for [`Pct`]: half as long again as one random schedule, the same
/// for all seeds of the configuration. So it depends on nothing but the configuration.
#[derive(Default)]
pub(super) struct Lengths {
    last: Option<(Config, u64)>,
}

impl Lengths {
    /// How often a run of `config` asks who is next, at most, unless it is an odd one.
    pub(super) fn steps(&mut self, runner: &mut Runner, config: &Config) -> u64 {
        if let Some((known, steps)) = &self.last
            && known == config
        {
            return *steps;
        }
        let census = Census::of(Random::new(MEASURE));
        runner.run(config, Box::new(census.clone()));
        let steps = census.borrow().steps * 3 / 2;
        self.last = Some((config.clone(), steps));
        steps
    }
}

/// What a policy that goes by threads has counted, to be read when its run is over.
pub(super) type Counts = Option<Rc<RefCell<Census<Pct>>>>;

/// A policy for one seed, and whom to ask afterwards what it saw.
pub(super) enum SeedPolicy {
    Random(u64),
    Pct { seed: u64, depth: u32, steps: u64 },
}

impl SeedPolicy {
    /// A policy at its beginning, and what it will have counted when its run is over.
    pub(super) fn begin(&self) -> (Box<dyn Policy>, Counts) {
        match *self {
            SeedPolicy::Random(seed) => (Box::new(Random::new(seed)), None),
            SeedPolicy::Pct { seed, depth, steps } => {
                let census = Census::of(Pct::new(seed, depth, steps));
                (Box::new(census.clone()), Some(census))
            }
        }
    }
}

impl SeedPolicy {
    /// What the policy of a run has counted, and what that promises.
    pub(super) fn counted(&self, counts: Counts) -> (Threads, Promise) {
        let counted = counts.map(|census| census.borrow().threads());
        match (self, counted) {
            (SeedPolicy::Pct { steps, .. }, Some(counted)) => {
                let promise = Promise::of(counted.threads, *steps, counted.steps);
                (counted, promise)
            }
            _ => (Threads::default(), Promise::default()),
        }
    }
}
