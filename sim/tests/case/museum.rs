//! Exhibits of the museum, found, shrunk and told.

use std::ops::ControlFlow;

use blockjob_sim::case::{Case, switch_on};
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::record::DEFAULT_LIMIT;
use blockjob_sim::run::Runner;
use blockjob_sim::shrink::{Budget, Shrunk, shrink};
use blockjob_sim::story::{Length, Story};

use super::mischief::config;
use super::story::in_order;

/// What the guest's disk holds is checked in each run. For that alone there need be no checkers, and none
/// of them sees a bug before.
const CONTENT: &str = "device-content";

fn runner(place: &str) -> Runner {
    match place {
        CONTENT => Runner::with_checkers(Vec::new()),
        _ => Runner::new(),
    }
}

fn found(bug: &str, told: &str, place: &str) -> Shrunk {
    let mut runner = runner(place);
    let told = config(told);
    let _switch = switch_on(Some(bug)).expect("it has a switch");
    for seed in 0..4_000 {
        let report = runner.run(&told, Box::new(Random::new(seed)));
        let Some(failure) = report.failure.filter(|it| it.place == place) else {
            continue;
        };
        let case = Case::new(&told, &runner.decider().log());
        let case = case.with_bug(bug).expect("that is an id");
        let mut go_on = |_: &blockjob_sim::shrink::Progress| ControlFlow::Continue(());
        let shrunk = shrink(&case, &failure, &mut runner, BUDGET, &mut go_on);
        return shrunk.expect("the case fails");
    }
    panic!("{bug} was not found");
}

fn told(shrunk: &Shrunk) -> String {
    let (record, verdict) = shrunk
        .case
        .record(&mut runner(&shrunk.failure.place), true, DEFAULT_LIMIT)
        .expect("it has a switch");
    assert_eq!(verdict.drift, None);
    assert_eq!(record.bug.as_deref(), shrunk.case.bug());
    Story::of(&record, Length::Short).to_string()
}

/// Enough for these; more makes them smaller still.
const BUDGET: Budget = Budget {
    runs: 8_000,
    steps: 600_000,
};

const COMPLETES: &str = "granules=2,depth=4,requests=24,rest=1000000,deeds=6,verbs=complete";
const DRAINS: &str =
    "granules=2,depth=4,requests=24,rest=1000000,deeds=8,verbs=complete+drain+hold";
const REORDERS: &str = "granules=8,guests=2,requests=20,depth=4,spread=uniform,tspread=uniform";

#[test]
fn mir_02_shrinks_to_a_handful_of_decisions_and_its_story_is_that_of_the_bug() {
    let shrunk = found("MIR-02", COMPLETES, CONTENT);
    assert!(shrunk.after.decisions < 40, "{shrunk}");
    assert!(shrunk.after.nonzero < 10, "{shrunk}");
    assert_eq!(shrunk.failure.rule, Rule::Data);
    let text = told(&shrunk);
    in_order(
        &text,
        &[
            "DATA at device-content",
            "job0 has copied all that was dirty, and is READY",
            "job-complete",
            "is clean: it drains the source",
            "mirror_run drains source",
            "of mirror_run ends: source is in use again",
            "mirror_exit (M17)",
            "lands on source",
            "The pivot: whoever used source uses target from now on",
            "Where it went wrong:",
            "of mirror_run ended at",
            "before the pivot",
            "was done on source, which was still in use",
            "is on source only. On target there is",
        ],
    );
}

#[test]
fn hz_01_is_a_decision_or_two_and_the_story_says_that_a_mark_was_wiped() {
    let shrunk = found("HZ-01", COMPLETES, CONTENT);
    assert!(shrunk.after.nonzero <= 2, "{shrunk}");
    assert!(shrunk.after.decisions < 20, "{shrunk}");
    in_order(
        &told(&shrunk),
        &[
            "Where it went wrong:",
            "Copy 1 read 0..",
            "landed after that",
            "while the copy was still under way; and yet the place was called clean",
            "On target there is what was there in the beginning, which copy 1 brought.",
        ],
    );
}

#[test]
fn hz_03_is_told_as_a_write_that_landed_after_the_count() {
    let shrunk = found("HZ-03", COMPLETES, CONTENT);
    assert!(shrunk.after.decisions < 40, "{shrunk}");
    in_order(
        &told(&shrunk),
        &[
            "mirror_run drains source",
            "It waits for the write of",
            "Where it went wrong:",
            "was under way when job0 found nothing dirty",
            "while the source was being drained, and after that nobody counted again",
        ],
    );
}

#[test]
fn drn_01_is_told_as_a_request_inside_of_a_section() {
    let shrunk = found("DRN-01", DRAINS, "begins-inside");
    assert!(shrunk.after.decisions < 40, "{shrunk}");
    in_order(
        &told(&shrunk),
        &[
            "Where it went wrong:",
            "begins at source, although section",
            "of mirror_run has it drained",
            "In the end",
            "of mirror_run has source drained",
        ],
    );
}

#[test]
fn mir_08_is_told_as_two_copies_of_one_granule() {
    let shrunk = found("MIR-08", REORDERS, CONTENT);
    assert!(shrunk.after.decisions < 40, "{shrunk}");
    in_order(
        &told(&shrunk),
        &[
            "Where it went wrong:",
            "Two copies of",
            "are under way at a time",
            "had read the write and brought it; but copy",
            "which had read before that, landed over it",
        ],
    );
}

#[test]
fn a_shrunk_exhibit_without_its_bug_does_not_fail() {
    let shrunk = found("HZ-01", COMPLETES, CONTENT);
    let mut runner = runner(CONTENT);
    let with = shrunk
        .case
        .replay(&mut runner, true)
        .expect("it has a switch");
    assert!(with.report.failure.is_some());
    let line = shrunk.case.to_string();
    assert!(line.contains("bug=HZ-01"), "{line}");
    let without = Case::new(shrunk.case.config(), &with.log);
    let without = without
        .replay(&mut runner, false)
        .expect("no exhibit is needed");
    assert_eq!(without.report.failure, None);
}

#[test]
fn an_exhibit_that_does_not_exist_or_has_no_switch_is_refused() {
    assert!(switch_on(Some("MIR-99")).is_err());
    assert!(switch_on(Some("AIO-01")).is_err());
    assert!(switch_on(None).is_ok());
}
