//! A policy of one's own: a world in which hardly anything is unusual, but for a decision now and then.
//! It makes nearly as many different runs as chance does, with a tenth of the decisions to look at.
//!
//! `cargo run -p blockjob-sim --example own_policy`

use std::collections::BTreeSet;

use blockjob_sim::config::Config;
use blockjob_sim::decide::{Policy, Question, Random};
use blockjob_sim::run::Runner;

/// Answers 0, the dullest answer, but for one time in `every`.
struct Nudge {
    chance: Random,
    every: u64,
    asked: u64,
}

impl Policy for Nudge {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        self.asked += 1;
        // The chance is asked each time, so that the nudges of two seeds come at other places.
        let answer = self.chance.choose(question);
        if (self.asked * 7 + answer as u64).is_multiple_of(self.every) {
            answer
        } else {
            0
        }
    }
}

/// How many different runs 200 seeds make, and how many of a run's decisions are not dull.
fn sweep(name: &str, policy: impl Fn(u64) -> Box<dyn Policy>) -> String {
    let config = Config::parse("guests=2,depth=2,requests=8,deeds=2").expect("it is well formed");
    let mut runner = Runner::new();
    let (mut runs, mut unusual, mut all) = (BTreeSet::new(), 0, 0);
    for seed in 0..200 {
        let report = runner.run(&config, policy(seed));
        assert_eq!(report.failure, None, "seed {seed}");
        let log = runner.decider().log();
        runs.insert(report.digest);
        (unusual, all) = (unusual + log.nonzero(), all + log.len());
    }
    let (runs, unusual, all) = (runs.len(), unusual / 200, all / 200);
    format!("{name}: {runs} different runs, {unusual} of {all} decisions not dull\n")
}

/// What the example prints.
pub(crate) fn report() -> String {
    let nudge = |every| {
        move |seed| -> Box<dyn Policy> {
            let chance = Random::new(seed);
            Box::new(Nudge {
                chance,
                every,
                asked: 0,
            })
        }
    };
    sweep("dull", nudge(u64::MAX)) + &sweep("nudged", nudge(16)) + &sweep("random", nudge(1))
}

fn main() {
    print!("{}", report());
}
