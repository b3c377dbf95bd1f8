//! A rule of one's own: no write of a guest may take longer than a millisecond. The first run that breaks
//! it is shrunk, and its story is told.
//!
//! `cargo run -p blockjob-sim --example own_checker`

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use blockjob_sim::case::Case;
use blockjob_sim::check::{Checker, Interest, Scene, Seen};
use blockjob_sim::event::GuestWhat;
use blockjob_sim::failure::Rule;
use blockjob_sim::shrink::{Budget, shrink};
use blockjob_sim::story::{Length, Story};
use blockjob_sim::{config::Config, decide::Random, run::Runner};

/// When each request was asked for, in nanoseconds.
#[derive(Default)]
struct Prompt(BTreeMap<u32, u64>);

impl Checker for Prompt {
    fn rule(&self) -> Rule {
        Rule::Progress
    }

    fn wants(&self) -> Interest {
        Interest::GUEST
    }

    fn reset(&mut self) {
        self.0.clear();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        let Seen::Guest(event) = seen else { return };
        match (event.what, self.0.get(&event.request)) {
            (GuestWhat::Asks, _) => drop(self.0.insert(event.request, scene.now_ns)),
            (_, Some(asked_ns)) if scene.now_ns - asked_ns > 1_000_000 => {
                let text = format!("request {} took too long", event.request);
                scene.fail(Rule::Progress, "slow-request", Vec::new(), text);
            }
            _ => {}
        }
    }
}

/// What the example prints.
pub(crate) fn report() -> String {
    let mut runner = Runner::with_checkers(vec![Box::<Prompt>::default()]);
    let config =
        Config::parse("depth=2,requests=8,deeds=4,spread=uniform").expect("it is well formed");
    let mut runs = (0..1000).filter_map(|seed| {
        let failure = runner.run(&config, Box::new(Random::new(seed))).failure?;
        Some((Case::new(&config, &runner.decider().log()), failure))
    });
    let (case, failure) = runs.next().expect("somebody drains the disk for long");
    drop(runs);
    let mut go_on = |_: &_| ControlFlow::Continue(());
    let shrunk = shrink(&case, &failure, &mut runner, Budget::default(), &mut go_on);
    let shrunk = shrunk.expect("it has failed before");
    let recorded = shrunk.case.record(&mut runner, true, 10_000);
    let (record, _) = recorded.expect("no exhibit is needed");
    format!(
        "{shrunk}\n{}\n\n{}",
        shrunk.case,
        Story::of(&record, Length::Short)
    )
}

fn main() {
    print!("{}", report());
}
