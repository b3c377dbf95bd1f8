//! A sweep is a function of what it was told, and not of how many threads made it.

use blockjob_sim::swarm::Scenario;
use blockjob_sim::sweep::{PolicySpec, Sweep, SweepReport};

use crate::planted::{Planted, runner, small};

/// All that a report says.
fn said(report: &SweepReport) -> String {
    format!("{report}{:?}{}", report.marks(), report.virtual_ns())
}

fn is_the_same_in_any_number_of_threads(scenario: Scenario, seeds: u64) {
    let mut sweep = Sweep::new(scenario, 0..seeds);
    let first = sweep.run().unwrap();
    assert_eq!(first.runs(), seeds);
    for jobs in [1, 2, 3] {
        sweep.jobs = jobs;
        let again = sweep.run().unwrap();
        assert_eq!(first.digest(), again.digest(), "{jobs} threads");
        assert_eq!(said(&first), said(&again), "{jobs} threads");
    }
}

#[test]
fn the_digest_of_2_000_seeds_is_the_same_the_second_time_and_in_two_and_three_threads() {
    is_the_same_in_any_number_of_threads(small(), 2_000);
}

#[test]
fn the_swarm_makes_the_same_runs_in_any_number_of_threads() {
    // Without optimisation a run of the swarm takes thirty times as long.
    let seeds = if cfg!(debug_assertions) { 150 } else { 2_000 };
    is_the_same_in_any_number_of_threads(Scenario::built_in("mirror").unwrap(), seeds);
}

#[test]
fn another_seed_makes_another_digest() {
    let digest = |seeds| Sweep::new(small(), seeds).run().unwrap().digest();
    assert_ne!(digest(0..50), digest(1..51));
    // The sum of the runs, so that a sweep can be made in pieces.
    assert_eq!(digest(0..50), digest(0..20).wrapping_add(digest(20..50)));
}

#[test]
fn the_first_failure_is_the_lowest_seed_however_many_threads_there_are() {
    let planted = || Planted {
        place: "planted",
        odd: |decisions| decisions % 23 == 5,
    };
    let mut sweep = Sweep::new(small(), 100..1_500).with_runner(move || runner(vec![planted()]));
    let all = sweep.run().unwrap();
    assert!(all.failed_runs() > 10, "{}", all.failed_runs());
    let lowest = all.first().expect("many have failed").seed;
    sweep.stop_at_first = true;
    let mut first = None;
    for jobs in [1, 2, 3, 8] {
        sweep.jobs = jobs;
        let stopped = sweep.run().unwrap();
        assert_eq!(stopped.first().map(|found| found.seed), Some(lowest));
        assert_eq!(stopped.failed_runs(), 1);
        assert_eq!(
            stopped.runs(),
            lowest - 100 + 1,
            "nothing after it is counted"
        );
        let text = said(&stopped);
        assert_eq!(first.get_or_insert(text.clone()), &text, "{jobs} threads");
    }
}

#[test]
fn schedules_by_priorities_do_not_depend_on_the_threads_either() {
    let mut sweep = Sweep::new(small(), 0..120);
    sweep.policy = PolicySpec::Pct { depth: 3 };
    let one = sweep.run().unwrap();
    sweep.jobs = 3;
    let three = sweep.run().unwrap();
    assert_eq!(said(&one), said(&three));
    assert!(one.threads().threads > 2 && one.threads().steps > 2);
}

#[test]
fn a_sweep_of_no_seeds_comes_to_nothing() {
    let report = Sweep::new(small(), 7..7).run().unwrap();
    assert_eq!((report.runs(), report.digest()), (0, 0));
    assert!(!report.missed_marks().is_empty());
}

#[test]
#[should_panic = "a checker of the caller's"]
fn a_panic_outside_of_the_engine_ends_all_threads() {
    let mut sweep =
        Sweep::new(small(), 0..2_000).with_runner(|| panic!("a checker of the caller's"));
    sweep.jobs = 1;
    drop(sweep.run());
}
