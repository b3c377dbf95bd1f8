//! The same seed twice.

use std::sync::atomic::AtomicU64;

use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::determinism::run_twice;
use blockjob_sim::run::Runner;
use blockjob_sim::swarm::Scenario;
use blockjob_sim::sweep::{Fault, Sweep};

use crate::planted::{fickle, runner, small};

#[test]
fn a_prologue_that_counts_in_a_static_is_found_at_its_first_decision() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let mut runner = fickle(&RUNS, 2);
    let config = Config::parse("granules=2,spread=uniform").unwrap();
    let (_, mismatch) = run_twice(&mut runner, &config, || Box::new(Random::new(3)));
    let mismatch = mismatch.expect("only the second run asks for luck");
    let divergence = mismatch.divergence.clone().expect("it is a decision");
    let (site, n, _) = divergence.right.expect("the second run goes on");
    assert_eq!((site.as_str(), n), ("test.luck", 3));
    assert_ne!(divergence.left.map(|it| it.0), Some("test.luck".to_owned()));
    assert_ne!(mismatch.digests[0], mismatch.digests[1]);
    let text = mismatch.to_string();
    assert!(text.contains("of 3 at test.luck in the other"), "{text}");
}

#[test]
fn a_sweep_that_is_told_to_runs_each_seed_twice_and_names_the_lowest_that_differs() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    // Of the runs 0, 1, 2 and so on each seed makes two, so the seed of run 40 is 20.
    let mut sweep = Sweep::new(small(), 0..60).with_runner(|| fickle(&RUNS, 41));
    sweep.check_determinism = true;
    let report = sweep.run().unwrap();
    let found = report.first().expect("one of 41 runs asks for luck");
    assert_eq!(found.seed, 20);
    assert!(matches!(found.fault, Fault::Nondeterministic(_)), "{found}");
    let text = report.confidence().to_string();
    assert!(
        text.contains("Not every seed makes the same run each time"),
        "{text}"
    );
}

#[test]
fn without_being_told_to_it_does_not_notice() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let sweep = Sweep::new(small(), 0..60).with_runner(|| fickle(&RUNS, 41));
    assert_eq!(sweep.run().unwrap().failed_runs(), 0);
}

#[test]
fn runs_that_decide_the_same_and_end_otherwise_differ_too() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let mut runner = runner(Vec::new());
    runner.add_prologue(|cast| {
        let run = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        cast.world.decider().absorb(run);
    });
    let config = Config::parse("granules=2").unwrap();
    let (_, mismatch) = run_twice(&mut runner, &config, || Box::new(Random::new(3)));
    let mismatch = mismatch.expect("the world was in another state");
    assert_eq!(mismatch.divergence, None);
    let text = mismatch.to_string();
    assert!(
        text.contains("the same decisions, but the disks did otherwise"),
        "{text}"
    );
}

#[test]
fn the_swarm_makes_the_same_runs_twice_whatever_ran_before() {
    let mut sweep = Sweep::new(Scenario::built_in("mirror").unwrap(), 0..150);
    sweep.check_determinism = true;
    let report = sweep.run().unwrap();
    let fickle = report.failures().iter();
    let fickle = fickle.filter(|kind| !matches!(kind.first.fault, Fault::Broken(_)));
    assert_eq!(fickle.count(), 0, "{report}");
    // A runner that has made other runs makes this one as a new one does.
    let config = Config::parse("granules=4,guests=2,spread=uniform").unwrap();
    let mut old = Runner::new();
    for seed in 0..5 {
        old.run(
            &Scenario::built_in("mirror").unwrap().draw(seed).unwrap(),
            Box::new(Random::new(seed)),
        );
    }
    let old = old.run(&config, Box::new(Random::new(9)));
    let new = Runner::new().run(&config, Box::new(Random::new(9)));
    assert_eq!(
        (old.digest, old.events, old.virtual_ns),
        (new.digest, new.events, new.virtual_ns)
    );
}
