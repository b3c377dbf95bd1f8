//! Faults that the tests plant in runs.

use std::sync::atomic::{AtomicU64, Ordering};

use blockjob_runtime::decide::Site;
use blockjob_sim::check::{Checker, Interest, Scene};
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;
use blockjob_sim::swarm::Scenario;

/// A checker for which every run is broken whose number of decisions `odd` picks.
pub(crate) struct Planted {
    pub(crate) place: &'static str,
    pub(crate) odd: fn(u64) -> bool,
}

impl Checker for Planted {
    fn rule(&self) -> Rule {
        Rule::Count
    }

    fn wants(&self) -> Interest {
        Interest::END
    }

    fn reset(&mut self) {}

    fn end(&mut self, scene: &Scene<'_>) {
        if (self.odd)(scene.decisions) {
            let text = format!("{} decisions", scene.decisions);
            scene.fail(Rule::Count, self.place, Vec::new(), text);
        }
    }
}

/// A runner with no checkers but planted ones.
pub(crate) fn runner(checkers: Vec<Planted>) -> Runner {
    let boxed = |checker| Box::new(checker) as Box<dyn Checker>;
    Runner::with_checkers(checkers.into_iter().map(boxed).collect())
}

/// A small scenario in which a few things differ from seed to seed, and none of which is found to be
/// broken by itself.
pub(crate) fn small() -> Scenario {
    let text = "
        name = small
        granules = 2..6
        guests = 1..2
        requests = 1..4
        spread = uniform
        deeds = 0 | 1..2
        verbs = query+pause+resume+drain
    ";
    Scenario::parse(text).expect("the scenario is right")
}

static LUCK: Site = Site::new("test.luck");

/// A runner that is not deterministic: whether a decision is asked for depends on how many runs the
/// program has made before, of all runners that count by `runs`.
pub(crate) fn fickle(runs: &'static AtomicU64, every: u64) -> Runner {
    let mut runner = runner(Vec::new());
    runner.add_prologue(move |cast| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        if run % every == every - 1 {
            cast.world.decider().pick(&LUCK, 3);
        }
    });
    runner
}
