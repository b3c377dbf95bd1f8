//! Every schedule of one configuration.

use blockjob_runtime::decide::Site;
use blockjob_sim::swarm::Scenario;
use blockjob_sim::sweep::{Fault, PolicySpec, Sweep, SweepReport};

use crate::planted::{Planted, fickle, runner};

static DIE: Site = Site::new("test.die");

/// A world in which nothing is decided but two dice of a prologue.
fn dice(bound: Option<usize>, most: u64) -> SweepReport {
    let text = "name = dice\ngranules = 1\nguests = 0\nmirror = no";
    let mut sweep = Sweep::new(Scenario::parse(text).unwrap(), 0..most).with_runner(|| {
        let mut runner = runner(Vec::new());
        runner.add_prologue(|cast| {
            let decider = cast.world.decider();
            let eyes = decider.pick(&DIE, 6) + decider.pick(&DIE, 6);
            assert_ne!(eyes, 10, "two sixes");
        });
        runner
    });
    sweep.policy = PolicySpec::Exhaustive { bound };
    sweep.run().unwrap()
}

#[test]
fn every_schedule_is_run_once_and_the_sweep_knows_that_there_are_no_more() {
    let report = dice(None, 1_000);
    assert_eq!(report.runs(), 36);
    assert_eq!(report.distinct(), 36);
    assert_eq!(report.failed_runs(), 1);
    let exhausted = report.exhausted.expect("that was the policy");
    assert!(exhausted.is_complete(), "{exhausted:?}");
    let text = report.confidence().to_string();
    assert!(
        text.contains("All 36 schedules were run: this configuration has no others."),
        "{text}"
    );
    let found = report.first().expect("two sixes are among them");
    assert!(matches!(&found.fault, Fault::Broken(failure) if failure.text.contains("two sixes")));
    assert!(
        found.command.starts_with("blockjob sim replay bj1:"),
        "{}",
        found.command
    );
}

#[test]
fn a_bound_that_left_something_out_is_said() {
    let report = dice(Some(1), 1_000);
    assert_eq!(report.runs(), 11);
    assert_eq!(report.failed_runs(), 0, "two sixes are two decisions");
    let text = report.confidence().to_string();
    assert!(
        text.contains("All 11 schedules in which at most 1 decisions"),
        "{text}"
    );
    assert!(text.contains("The bound left others out."), "{text}");
    assert!(
        dice(Some(2), 1_000)
            .exhausted
            .is_some_and(|it| it.is_complete())
    );
}

#[test]
fn too_few_seeds_for_all_schedules_are_said() {
    let report = dice(None, 20);
    assert_eq!(report.runs(), 20);
    let exhausted = report.exhausted.expect("that was the policy");
    assert!(exhausted.cut_short && !exhausted.is_complete());
    assert!(
        report
            .confidence()
            .to_string()
            .contains("and there are more")
    );
    assert!(dice(None, 36).exhausted.is_some_and(|it| it.is_complete()));
}

#[test]
fn a_tree_that_changes_while_it_is_searched_is_a_fault() {
    static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let scenario = Scenario::parse("name = x\ngranules = 2\nspread = uniform").unwrap();
    let mut sweep = Sweep::new(scenario, 0..500).with_runner(|| fickle(&RUNS, 9));
    sweep.policy = PolicySpec::Exhaustive { bound: None };
    let report = sweep.run().unwrap();
    let found = report.first().expect("the ninth run asks for luck first");
    assert!(matches!(found.fault, Fault::Drifted(_)), "{found}");
    assert_eq!(report.runs(), 9);
}

#[test]
fn all_schedules_of_the_tiny_mirror_with_one_decision_that_is_not_dull_are_good() {
    let mut sweep = Sweep::new(Scenario::built_in("tiny").unwrap(), 0..100_000);
    sweep.policy = PolicySpec::Exhaustive { bound: Some(1) };
    let report = sweep.run().unwrap();
    assert_eq!(report.failed_runs(), 0, "{report}");
    let exhausted = report.exhausted.expect("that was the policy");
    assert!(!exhausted.cut_short && report.runs() > 5, "{exhausted:?}");
}

#[test]
fn a_planted_fault_ends_an_exhaustive_sweep_that_is_to_stop() {
    let scenario = Scenario::built_in("tiny").unwrap();
    let mut sweep = Sweep::new(scenario, 0..1_000).with_runner(|| {
        runner(vec![Planted {
            place: "always",
            odd: |_| true,
        }])
    });
    sweep.policy = PolicySpec::Exhaustive { bound: None };
    sweep.stop_at_first = true;
    assert_eq!(sweep.run().unwrap().runs(), 1);
}
