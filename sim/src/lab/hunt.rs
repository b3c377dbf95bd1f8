//! Lab 12: a policy that finds one of QEMU's historical bugs faster than chance does.

mod sight;

use std::ops::Range;

use super::{Lab, Outcome};
use crate::case::switch_on;
use crate::check;
use crate::decide::{Policy, Random};
use crate::run::Runner;
use crate::swarm::Scenario;
use crate::sweep::quiet_panics;

pub use sight::Sight;

/// The guest's write that is acknowledged and lost between the end of a mirror and the hand-over.
const BUG: &str = "MIR-02";

/// So many times as often as chance a policy has to find it.
const TIMES: u64 = 15;

/// So many runs chance has, of seeds that no policy gets: what is rare has to be counted for long.
const CHANCE: Range<u64> = 9_000_000..9_002_000;

/// The museum's room of the bug, but for a target that is slow once in a while.
const ROOM: &str = "\
name = hunt
granules = 2..12
guests = 1..2
depth = 2..4
requests = 6..24
spread = constant | uniform
tspread = tail
own = no | yes
eager = yes
deeds = 0..2
verbs = drain+query
rest = 100us..5ms log
";

/// How often something came of so many runs.
#[derive(Clone, Copy, Default)]
struct Tally {
    runs: u64,
    /// The bug was found.
    found: u64,
    /// A guest asked for something while the source was drained for the end.
    met: u64,
}

/// The lab with a policy. `make` makes one for each run, by a seed; what it sees of the run, besides the
/// questions, is the step that the mirror is in.
pub fn hunt(make: impl Fn(u64, Sight) -> Box<dyn Policy> + 'static) -> Lab {
    Lab::own(12, "a policy", move |seeds| {
        let _quiet = quiet_panics();
        let mine = count(&seeds, &make);
        let chance = count(&CHANCE, &|seed, _| Box::new(Random::new(seed)));
        let numbers = format!(
            "your policy finds {BUG} in {} of {} runs, and chance in {} of {}",
            mine.found, mine.runs, chance.found, chance.runs
        );
        match is_enough(mine, chance) {
            true => Outcome::Passed {
                seeds: mine.runs,
                note: Some(numbers),
            },
            false => Outcome::Missed {
                sentence: format!(
                    "It is not {TIMES} times as good as chance: {numbers}. With your policy a guest asked \
                     for something while the source was drained for the end in {} of {} runs.",
                    mine.met, mine.runs
                ),
            },
        }
    })
}

/// Compares the rates, without dividing. A chance that has found nothing counts as one that found it once.
fn is_enough(mine: Tally, chance: Tally) -> bool {
    mine.found * chance.runs >= TIMES * chance.found.max(1) * mine.runs
}

/// What comes of the runs of `seeds`.
fn count(seeds: &Range<u64>, make: &dyn Fn(u64, Sight) -> Box<dyn Policy>) -> Tally {
    let exhibit = blockjob_runtime::museum::find(BUG).expect("it is in the museum");
    let room = Scenario::parse(ROOM).expect("the room is well formed");
    let mut checkers = check::all();
    checkers.retain(|checker| exhibit.breaks.contains(&checker.rule().name()));
    let (sight, watcher) = sight::pair();
    checkers.push(watcher);
    let mut runner = Runner::with_checkers(checkers);
    let _on = switch_on(Some(BUG)).expect("it has a switch");
    let mut tally = Tally::default();
    for seed in seeds.clone() {
        let config = room.draw(seed).expect("the room is well formed");
        let failure = runner.run(&config, make(seed, sight.clone())).failure;
        let found = failure.is_some_and(|failure| exhibit.breaks.contains(&failure.rule.name()));
        tally.runs += 1;
        tally.found += u64::from(found);
        tally.met += u64::from(sight.was_met());
    }
    tally
}
