//! Policies for comparisons: the schedule by one rule, everything else by dice of its own.

use std::fmt;
use std::sync::Arc;

use blockjob_runtime::decide::Site;
use thiserror::Error;

use crate::decide::{Pct, Policy, Question, Random};

/// Where the questions are asked that say which of several things runs next. All others are about the
/// world: what a guest does, how long a disk takes, what fails.
const SCHEDULE: [&str; 3] = ["aio.next", "world.actor", "disk.deliver"];

/// How often a run is assumed to ask who is next, for [`Schedule::Pct`].
const PCT_STEPS: u64 = 4096;

/// Makes the policy of a seed; see [`Schedule::custom`].
type Make = Arc<dyn Fn(u64) -> Box<dyn Policy> + Send + Sync>;

/// In which order things run that could run at the same instant.
#[derive(Clone)]
pub enum Schedule {
    /// First come, first served; main context first, disks last.
    Fifo,
    /// The latest first; disks first, main context last.
    Lifo,
    /// By chance.
    Random,
    /// By random priorities, of which so many but one change: see [`Pct`].
    Pct {
        /// The depth.
        depth: u32,
        /// How often a run asks who is next, about.
        steps: u64,
    },
    /// By whatever a program makes up; see [`Schedule::custom`].
    Custom {
        /// Its name in tables.
        name: String,
        /// Makes the policy of a seed.
        make: Make,
    },
}

/// What is wrong with the text of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{text}' is no schedule: expected fifo, lifo, random, pct:DEPTH or pct:DEPTH:STEPS")]
pub struct ScheduleError {
    /// What was written.
    pub text: String,
}

impl Schedule {
    /// A schedule of a program's own: `make` is given a seed and returns what answers the questions who
    /// runs next, and no others.
    pub fn custom(
        name: &str,
        make: impl Fn(u64) -> Box<dyn Policy> + Send + Sync + 'static,
    ) -> Schedule {
        Schedule::Custom {
            name: name.to_owned(),
            make: Arc::new(make),
        }
    }

    /// Reads `fifo`, `lifo`, `random`, `pct:DEPTH` or `pct:DEPTH:STEPS`.
    ///
    /// # Errors
    ///
    /// If it is none of these.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let found = match text {
            "fifo" => Some(Schedule::Fifo),
            "lifo" => Some(Schedule::Lifo),
            "random" => Some(Schedule::Random),
            other => other.strip_prefix("pct:").and_then(parse_pct),
        };
        found.ok_or_else(|| ScheduleError {
            text: text.to_owned(),
        })
    }

    fn policy(&self, seed: u64) -> Box<dyn Policy> {
        match self {
            Schedule::Fifo => Box::new(Always::First),
            Schedule::Lifo => Box::new(Always::Last),
            Schedule::Random => Box::new(Random::new(seed)),
            Schedule::Pct { depth, steps } => Box::new(Pct::new(seed, *depth, *steps)),
            Schedule::Custom { make, .. } => make(seed),
        }
    }
}

fn parse_pct(text: &str) -> Option<Schedule> {
    let (depth, steps) = match text.split_once(':') {
        Some((depth, steps)) => (depth, steps.parse().ok()?),
        None => (text, PCT_STEPS),
    };
    let depth = depth.parse().ok().filter(|depth| *depth > 0)?;
    Some(Schedule::Pct { depth, steps })
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Fifo => f.pad("fifo"),
            Schedule::Lifo => f.pad("lifo"),
            Schedule::Random => f.pad("random"),
            Schedule::Pct { depth, steps } if *steps == PCT_STEPS => write!(f, "pct:{depth}"),
            Schedule::Pct { depth, steps } => write!(f, "pct:{depth}:{steps}"),
            Schedule::Custom { name, .. } => f.pad(name),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({self})")
    }
}

enum Always {
    First,
    Last,
}

impl Policy for Always {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        match self {
            Always::First => 0,
            Always::Last => question.n - 1,
        }
    }
}

/// Answers who runs next by a [`Schedule`], and every other question by chance.
///
/// Each site has a stream of random numbers of its own: so two schedules of one seed meet guests that
/// draw the same requests and disks that draw the same latencies, in the order in which they ask,
/// however often the schedules themselves throw dice. Statisticians call them common random numbers;
/// they make differences of pairs small where alternatives hardly differ. Where an order changes it
/// may be another guest that draws the next number, so pairs drift apart with time.
pub struct Streams {
    seed: u64,
    schedule: Box<dyn Policy>,
    /// In the order of the first questions, of which there are a few.
    sites: Vec<(&'static Site, Option<Random>)>,
}

impl Streams {
    /// The streams of `seed`, with the order of things by `schedule`.
    pub fn new(seed: u64, schedule: &Schedule) -> Streams {
        Streams {
            seed,
            schedule: schedule.policy(stream(seed, "schedule")),
            sites: Vec::new(),
        }
    }

    fn place(&mut self, site: &'static Site) -> usize {
        let known = self.sites.iter();
        let mut known = known.map(|(known, _)| std::ptr::eq(*known, site));
        if let Some(place) = known.position(|it| it) {
            return place;
        }
        let scheduled = SCHEDULE.contains(&site.name);
        let random = (!scheduled).then(|| Random::new(stream(self.seed, site.name)));
        self.sites.push((site, random));
        self.sites.len() - 1
    }
}

impl Policy for Streams {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        let place = self.place(question.site);
        match &mut self.sites[place].1 {
            Some(random) => random.choose(question),
            None => self.schedule.choose(question),
        }
    }
}

/// The seed of the stream called `name`: FNV-1a of the seed and the name.
fn stream(seed: u64, name: &str) -> u64 {
    let bytes = seed.to_le_bytes();
    let bytes = bytes.iter().chain(name.as_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
