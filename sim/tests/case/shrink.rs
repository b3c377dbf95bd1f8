//! Shrinking of whole runs.

use std::ops::ControlFlow;

use blockjob_sim::case::Case;
use blockjob_sim::config::{Config, Field};
use blockjob_sim::decide::Log;
use blockjob_sim::run::Runner;
use blockjob_sim::shrink::{Budget, Complexity, Phase, ShrinkError, Shrunk, shrink};

use super::mischief::{SMALL, config, failing, runner_with_rule};

const LARGE: &str = "granules=6,guests=2,depth=3,requests=12,kinds=read+flush,spread=uniform,\
                     rest=100000,deeds=3,status=slow,hot=yes";

const SMALL_BUDGET: Budget = Budget {
    runs: 300,
    steps: 1_000_000,
};

fn shrunk(runner: &mut Runner, told: &str, budget: Budget) -> (Shrunk, Vec<Phase>) {
    let (case, failure) = failing(runner, &config(told));
    let mut phases = Vec::new();
    let mut progress = |progress: &blockjob_sim::shrink::Progress| {
        phases.push(progress.phase);
        ControlFlow::Continue(())
    };
    let shrunk = shrink(&case, &failure, runner, budget, &mut progress);
    (shrunk.expect("the case fails"), phases)
}

#[test]
fn a_run_shrinks_to_the_one_request_that_matters() {
    let mut runner = runner_with_rule(640);
    let (shrunk, phases) = shrunk(&mut runner, LARGE, Budget::default());
    assert!(shrunk.fixed_point, "{shrunk}");
    assert!(
        shrunk.before.requests > 1 && shrunk.before.fields == 10,
        "{shrunk}"
    );
    // A write at 640 of a disk of two granules: one request, which begins there or comes that far.
    assert_eq!(shrunk.after.requests, 1, "{shrunk}\n{}", shrunk.case);
    assert_eq!(shrunk.after.nonzero, 1, "{shrunk}\n{}", shrunk.case);
    let told = shrunk.case.config();
    assert_eq!(told.get(Field::Granules), 2, "{}", shrunk.case);
    for field in [Field::Guests, Field::Requests, Field::Depth] {
        assert_eq!(told.get(field), 1, "{}", shrunk.case);
    }
    for field in [
        Field::Spread,
        Field::Rest,
        Field::Deeds,
        Field::Status,
        Field::Hot,
        Field::Kinds,
    ] {
        assert!(!told.is(field), "{}", shrunk.case);
    }
    assert_eq!(phases.first(), Some(&Phase::Freely));
    assert!(phases.contains(&Phase::Log) && phases.contains(&Phase::Strictly));
}

#[test]
fn a_shrunk_case_fails_in_the_same_way_when_it_is_made_again() {
    let mut runner = runner_with_rule(640);
    let (shrunk, _) = shrunk(&mut runner, LARGE, SMALL_BUDGET);
    let case: Case = shrunk.case.to_string().parse().unwrap();
    let replayed = case
        .replay(&mut runner, true)
        .expect("no exhibit is needed");
    assert_eq!(replayed.report.failure, Some(shrunk.failure.clone()));
    assert_eq!(shrunk.failure.place, "write-at");
    assert_eq!(replayed.report.decisions, shrunk.after.decisions as u64);
    assert_eq!(replayed.report.virtual_ns, shrunk.after.virtual_ns);
}

#[test]
fn the_same_case_shrinks_to_the_same_each_time() {
    let mut runner = runner_with_rule(640);
    let (one, _) = shrunk(&mut runner, SMALL, SMALL_BUDGET);
    let (other, _) = shrunk(&mut runner, SMALL, SMALL_BUDGET);
    assert_eq!((one.case, one.tries), (other.case, other.tries));
}

#[test]
fn shrinking_ends_when_the_budget_does_and_says_so() {
    let mut runner = runner_with_rule(640);
    let budget = Budget {
        runs: 5,
        ..Budget::default()
    };
    let (shrunk, _) = shrunk(&mut runner, LARGE, budget);
    assert!(!shrunk.fixed_point);
    assert_eq!(shrunk.tries, 5);
    assert!(
        shrunk
            .to_string()
            .ends_with("5 runs, the budget was used up"),
        "{shrunk}"
    );
}

#[test]
fn whoever_is_told_of_progress_can_break_off_and_gets_what_there_is() {
    let mut runner = runner_with_rule(640);
    let (case, failure) = failing(&mut runner, &config(LARGE));
    let mut told = 0;
    let mut break_off = |_: &blockjob_sim::shrink::Progress| {
        told += 1;
        ControlFlow::Break(())
    };
    let shrunk = shrink(
        &case,
        &failure,
        &mut runner,
        Budget::default(),
        &mut break_off,
    );
    let shrunk = shrunk.expect("the case fails");
    assert_eq!((shrunk.tries, shrunk.fixed_point), (0, false));
    assert_eq!(shrunk.case, case);
    assert!(told > 0);
}

#[test]
fn a_case_that_does_not_fail_is_not_shrunk() {
    let mut runner = runner_with_rule(640);
    let (_, failure) = failing(&mut runner, &config(SMALL));
    let fine = Case::new(&config("requests=0"), &Log::new());
    let mut go_on = |_: &blockjob_sim::shrink::Progress| ControlFlow::Continue(());
    let refused = shrink(&fine, &failure, &mut runner, Budget::default(), &mut go_on);
    assert!(matches!(refused, Err(ShrinkError::Other(_))));
}

#[test]
fn less_of_anything_and_fewer_unusual_things_are_less_complex() {
    let complexity = |told: &str| Complexity::of(&config(told));
    let ascending = [
        "granules=1,requests=1",
        "granules=1",
        "",
        "granules=8",
        "rest=1000",
        "rest=2000",
        "rest=2000,requests=5",
        "rest=1,hot=yes",
        "rest=1,hot=yes,kinds=read",
        "rest=1,hot=yes,kinds=read+flush",
    ];
    for pair in ascending.windows(2) {
        assert!(complexity(pair[0]) < complexity(pair[1]), "{pair:?}");
    }
    assert_eq!(Complexity::of(&Config::new()).unusual, 0);
}
