//! Runs of the engine as it is, with everything drawn: there is nothing to find.

use blockjob_sim::check::{
    Checker, cancel::Cancel, fsm::Fsm, once::Once, progress::Progress, rate::Rate, txn::Txn,
    waitgraph::Waits,
};
use blockjob_sim::decide::Random;
use blockjob_sim::run::Runner;
use blockjob_sim::swarm::Scenario;

/// So many runs of each scenario.
const RUNS: u64 = 100;

fn all_of_them() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(Waits::new()),
        Box::new(Progress::new()),
        Box::new(Once::new()),
        Box::new(Fsm::new()),
        Box::new(Cancel::new()),
        Box::new(Txn::new()),
        Box::new(Rate::new()),
    ]
}

#[test]
fn a_hundred_runs_with_everything_drawn_are_silent() {
    let mut runner = Runner::with_checkers(all_of_them());
    for name in ["mirror", "many-jobs", "tiny"] {
        let scenario = Scenario::built_in(name).expect("it comes with the program");
        for seed in 0..RUNS {
            let config = scenario.draw(seed).expect("the scenario can be drawn");
            let report = runner.run(&config, Box::new(Random::new(seed)));
            assert_eq!(report.failure, None, "{name}, seed {seed}: {config}");
        }
    }
}
