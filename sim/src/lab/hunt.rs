//! Lab 12: a policy that finds one of QEMU's historical bugs faster than chance does.

use std::ops::Range;

use super::{Lab, Outcome};
use crate::case::switch_on;
use crate::check;
use crate::decide::{Policy, Random};
use crate::museum;
use crate::run::Runner;
use crate::sweep::quiet_panics;

/// The guest's write that is acknowledged and lost between the end of a mirror and the hand-over.
const BUG: &str = "MIR-02";

/// So many times as often as chance a policy has to find it.
const TIMES: u64 = 2;

/// The lab with a policy. `make` makes one for each run, by a seed.
pub fn hunt(make: impl Fn(u64) -> Box<dyn Policy> + 'static) -> Lab {
    Lab::own(12, "a policy", move |seeds| {
        let _quiet = quiet_panics();
        let mine = count(&seeds, &make);
        let chance = count(&seeds, &|seed| Box::new(Random::new(seed)));
        let runs = seeds.end - seeds.start;
        let numbers =
            format!("your policy finds {BUG} in {mine} of {runs} runs, and chance in {chance}");
        match mine >= TIMES * chance.max(1) {
            true => Outcome::Passed {
                seeds: runs,
                note: Some(numbers),
            },
            false => Outcome::Missed {
                sentence: format!("It is not {TIMES} times as good as chance: {numbers}."),
            },
        }
    })
}

/// In how many of the runs the bug is found.
fn count(seeds: &Range<u64>, make: &dyn Fn(u64) -> Box<dyn Policy>) -> u64 {
    let exhibit = blockjob_runtime::museum::find(BUG).expect("it is in the museum");
    let room = museum::room(exhibit).expect("it has a room");
    let mut checkers = check::all();
    checkers.retain(|checker| exhibit.breaks.contains(&checker.rule().name()));
    let mut runner = Runner::with_checkers(checkers);
    let _on = switch_on(Some(BUG)).expect("it has a switch");
    let found = seeds.clone().filter(|seed| {
        let config = room.draw(*seed).expect("the room is well formed");
        let failure = runner.run(&config, make(*seed)).failure;
        failure.is_some_and(|failure| exhibit.breaks.contains(&failure.rule.name()))
    });
    found.count() as u64
}
