//! The labs: what a learner has written runs in simulated worlds, with the shipped engine around it and
//! the shipped checkers on.
//!
//! Each lab is a function that takes the learner's piece (a job's loop, a callback, a way to wait, a
//! policy) and returns a [`Lab`]. The piece is plugged into the engine where the shipped one would be.
//! A lab has some worlds, and a seed makes one run in each. What comes of it is an [`Outcome`]: so many
//! seeds passed, or one sentence that says what went wrong in terms of the lab, with the run to look at.
//!
//! The text that learners get is in `docs/labs`; `blockjob lab` brings it to them.

mod bench;
mod bottom_half;
mod clean;
mod command;
mod conflicts;
mod court;
mod drained;
#[cfg(feature = "museum")]
mod hunt;
mod judge;
mod look;
mod mirror;
mod outcome;
mod pause_point;
mod rate;
mod slots;

use std::ops::{ControlFlow, Range};

use crate::case::Case;
use crate::config::Config;
use crate::decide::Random;
use crate::failure::Failure;
use crate::record::Record;
use crate::run::Runner;
use crate::shrink::{Budget, shrink};
use crate::sweep::quiet_panics;

pub use bench::{Bench, Disks};
pub use bottom_half::{Collector, Deliver, bottom_half};
pub use clean::clean;
pub use command::{Attempt, read_json};
pub use conflicts::conflicts;
pub use drained::drained;
#[cfg(feature = "museum")]
pub use hunt::{Sight, hunt};
pub use mirror::{cancel, mirror, pivot, ready};
pub use outcome::{Broken, Outcome};
pub use pause_point::pause_point;
pub use rate::rate;
pub use slots::{Notes, Slots, slots};

/// So many events of a run that fails are kept.
const RECORDED: usize = 200_000;

/// What shrinking a failing run may take: some seconds in a program that is not optimised.
const SHRINK: Budget = Budget {
    runs: 400,
    steps: 400_000,
};

/// Turns a failure into a sentence of the lab; none if there is nothing better to say than the rule does.
type Say = fn(&Failure) -> Option<String>;

/// One kind of world that a lab runs in.
struct World {
    name: &'static str,
    config: Config,
    make: Box<dyn Fn() -> Runner>,
}

/// What a lab tries its seeds on.
enum Trial {
    Worlds(Vec<World>, Say),
    /// Something of its own.
    #[cfg_attr(not(feature = "museum"), allow(dead_code))]
    Own(Box<dyn Fn(Range<u64>) -> Outcome>),
}

/// A lab with a learner's piece in it.
pub struct Lab {
    number: u32,
    title: &'static str,
    trial: Trial,
}

impl Lab {
    fn new(number: u32, title: &'static str, say: Say) -> Lab {
        Lab {
            number,
            title,
            trial: Trial::Worlds(Vec::new(), say),
        }
    }

    #[cfg_attr(not(feature = "museum"), allow(dead_code))]
    fn own(
        number: u32,
        title: &'static str,
        trial: impl Fn(Range<u64>) -> Outcome + 'static,
    ) -> Lab {
        Lab {
            number,
            title,
            trial: Trial::Own(Box::new(trial)),
        }
    }

    /// Adds a world: `config` as [`Config::parse`] reads it, and who is there.
    fn world(
        mut self,
        name: &'static str,
        config: &str,
        make: impl Fn() -> Runner + 'static,
    ) -> Lab {
        let config = Config::parse(config).expect("the worlds of a lab are well formed");
        if let Trial::Worlds(worlds, _) = &mut self.trial {
            let make = Box::new(make);
            worlds.push(World { name, config, make });
        }
        self
    }

    /// Its number, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What it is about.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Runs each of `seeds` in each world, until one fails.
    pub fn try_seeds(&self, seeds: Range<u64>) -> Outcome {
        self.try_seeds_telling(seeds, |_| {})
    }

    /// The same, and `tell` hears of each attempt before it begins. A lab that is no race through worlds, as
    /// a policy that is counted over many runs, tells nothing.
    fn try_seeds_telling(&self, seeds: Range<u64>, mut tell: impl FnMut(&Attempt)) -> Outcome {
        let (worlds, say) = match &self.trial {
            Trial::Worlds(worlds, say) => (worlds, *say),
            Trial::Own(trial) => return trial(seeds),
        };
        let _quiet = quiet_panics();
        let mut runners: Vec<_> = worlds.iter().map(|world| (world.make)()).collect();
        for seed in seeds.clone() {
            for (world, runner) in worlds.iter().zip(&mut runners) {
                let world_name = world.name.to_owned();
                tell(&Attempt {
                    seed,
                    world: world_name,
                });
                let report = runner.run(&world.config, Box::new(Random::new(seed)));
                if let Some(failure) = report.failure {
                    let case = Case::new(&world.config, &runner.decider().log());
                    let broken = broken(world, runner, seed, &case, failure, say);
                    return Outcome::Broken(Box::new(broken));
                }
            }
        }
        Outcome::Passed {
            seeds: seeds.end - seeds.start,
            note: None,
        }
    }
}

/// The run of `case`, made as short as it can quickly be, with all that happened in it.
fn broken(
    world: &World,
    runner: &mut Runner,
    seed: u64,
    case: &Case,
    failure: Failure,
    say: Say,
) -> Broken {
    let mut go_on = |_: &_| ControlFlow::Continue(());
    let shrunk = shrink(case, &failure, runner, SHRINK, &mut go_on);
    let (case, failure) = match shrunk {
        Ok(shrunk) => (shrunk.case, shrunk.failure),
        Err(_) => (case.clone(), failure),
    };
    let record = match case.record(runner, false, RECORDED) {
        Ok((record, _)) => record,
        Err(_) => Record::of(runner, &world.config, Box::new(Random::new(seed)), RECORDED),
    };
    let sentence = say(&failure).unwrap_or_else(|| look::plainly(&failure));
    Broken {
        seed,
        world: world.name,
        sentence,
        failure,
        log: case.to_string(),
        record,
    }
}
