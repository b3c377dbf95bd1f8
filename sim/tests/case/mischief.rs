//! Runs that fail without any bug: somebody adds a rule that is no rule, or does what nobody may.

use blockjob_sim::case::Case;
use blockjob_sim::check::{Checker, Interest, Scene, Seen};
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::event::{GuestKind, GuestWhat};
use blockjob_sim::failure::{Failure, Rule};
use blockjob_sim::run::Runner;

/// A small disk with a guest, and a monitor that does a little.
pub(super) const SMALL: &str = "granules=4,depth=2,requests=8,kinds=read,deeds=2,verbs=query+drain";

pub(super) fn config(text: &str) -> Config {
    Config::parse(text).expect("the configuration is well formed")
}

/// Forbids guests to write to the unit at `offset`.
pub(super) struct NoWriteAt(pub(super) u64);

impl Checker for NoWriteAt {
    fn rule(&self) -> Rule {
        Rule::Once
    }

    fn wants(&self) -> Interest {
        Interest::GUEST
    }

    fn reset(&mut self) {}

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        let Seen::Guest(event) = seen else { return };
        let covers = event.offset <= self.0 && self.0 < event.offset + event.bytes;
        if event.what == GuestWhat::Done && event.kind == GuestKind::Write && covers {
            let text = format!("request {} writes at {}", event.request, self.0);
            scene.fail(Rule::Once, "write-at", Vec::new(), text);
        }
    }
}

/// A runner for which a write at `offset` is a failure, and nothing else is.
pub(super) fn runner_with_rule(offset: u64) -> Runner {
    Runner::with_checkers(vec![Box::new(NoWriteAt(offset))])
}

/// The first case of `config` that fails, and how.
pub(super) fn failing(runner: &mut Runner, config: &Config) -> (Case, Failure) {
    for seed in 0..1_000 {
        let report = runner.run(config, Box::new(Random::new(seed)));
        if let Some(failure) = report.failure {
            return (Case::new(config, &runner.decider().log()), failure);
        }
    }
    panic!("no seed fails");
}
