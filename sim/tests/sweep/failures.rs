//! What is said of a run that failed.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use blockjob_sim::case::Case;
use blockjob_sim::decide::Replay;
use blockjob_sim::failure::Rule;
use blockjob_sim::sweep::{Fault, PolicySpec, Progress, Sweep, SweepError, Watch};

use crate::planted::{Planted, runner, small};

const THIRD: Planted = Planted {
    place: "third",
    odd: |decisions| decisions % 3 == 0,
};
const SEVENTH: Planted = Planted {
    place: "seventh",
    odd: |decisions| decisions % 7 == 1,
};

#[test]
fn failures_are_counted_by_kind_and_each_kind_has_its_first_run() {
    let sweep = Sweep::new(small(), 0..400).with_runner(|| runner(vec![SEVENTH, THIRD]));
    let report = sweep.run().unwrap();
    let kinds: Vec<_> = report
        .failures()
        .iter()
        .map(|kind| kind.first.fault.kind())
        .collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds.contains(&"COUNT at third".to_owned()));
    let runs: u64 = report.failures().iter().map(|kind| kind.runs).sum();
    assert_eq!(runs, report.failed_runs());
    let seeds: Vec<_> = report
        .failures()
        .iter()
        .map(|kind| kind.first.seed)
        .collect();
    assert!(seeds.is_sorted(), "the lowest seed first: {seeds:?}");
}

#[test]
fn a_failure_comes_with_the_command_that_repeats_it_and_with_a_log_that_does() {
    for policy in [PolicySpec::Random, PolicySpec::Pct { depth: 2 }] {
        let mut sweep = Sweep::new(small(), 0..200).with_runner(|| runner(vec![THIRD]));
        sweep.policy = policy;
        sweep.stop_at_first = true;
        let report = sweep.run().unwrap();
        let found = report.first().expect("a third of all runs fail");
        let seed = found.seed;
        let option = match policy {
            PolicySpec::Random => String::new(),
            policy => format!(" --policy {policy}"),
        };
        let command = format!("blockjob sim run --scenario small --seed {seed}{option}");
        assert_eq!(found.command, command);
        assert_eq!(found.config, sweep.scenario.draw(seed).unwrap());

        let text = found.case.to_string();
        assert!(report.to_string().contains(&text));
        let case: Case = text.parse().unwrap();
        let mut runner = runner(vec![THIRD]);
        let again = runner.run(
            case.config(),
            Box::new(Replay::new(case.recording().clone())),
        );
        let failure = again.failure.expect("it fails again");
        assert_eq!(Fault::Broken(failure), found.fault);

        sweep.seeds = seed..seed + 1;
        let again = sweep.run().unwrap();
        assert_eq!(again.first(), Some(found), "as the command does");
    }
}

#[test]
fn a_panic_of_the_engine_is_a_failure_and_prints_nothing() {
    let sweep = Sweep::new(small(), 0..3).with_runner(|| {
        let mut runner = runner(Vec::new());
        runner.add_prologue(|_| panic!("'source' is not drained"));
        runner
    });
    let report = sweep.run().unwrap();
    let found = report.first().expect("all runs fail");
    let Fault::Broken(failure) = &found.fault else {
        panic!("{found}");
    };
    assert_eq!(failure.rule, Rule::Panic);
    let (text, place) = failure.text.split_once(" (").expect("it says where");
    assert_eq!(text, "'source' is not drained");
    assert!(place.contains("sweep/failures.rs:"), "{place}");
    assert_eq!(report.failed_runs(), 3);
}

#[test]
fn a_bug_that_there_is_not_is_said_before_any_run() {
    let mut sweep = Sweep::new(small(), 0..u64::MAX);
    sweep.bug = Some("MIR-99".to_owned());
    let error = sweep.run().unwrap_err();
    assert!(matches!(error, SweepError::Bug(_)), "{error}");
}

#[derive(Default)]
struct Log {
    now_ns: AtomicU64,
    told: Mutex<Vec<Progress>>,
    enough: u64,
}

impl Watch for Log {
    fn now_ns(&self) -> u64 {
        // A second each time somebody asks.
        self.now_ns.fetch_add(1_000_000_000, Ordering::Relaxed)
    }

    fn progress(&self, progress: &Progress) -> ControlFlow<()> {
        let mut told = self.told.lock().unwrap();
        told.push(*progress);
        match told.len() as u64 == self.enough {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

#[test]
fn whoever_looks_on_is_told_by_his_own_clock_how_far_the_sweep_is() {
    let log = Log::default();
    let sweep = Sweep::new(small(), 0..100).with_runner(|| runner(vec![THIRD]));
    let report = sweep.run_watched(&log).unwrap();
    let told = log.told.into_inner().unwrap();
    assert!(
        told.windows(2)
            .all(|pair| pair[0].seeds_done < pair[1].seeds_done),
        "{told:?}"
    );
    let last = told.last().expect("the end is told");
    assert_eq!((last.seeds_done, last.seeds), (100, 100));
    assert_eq!(last.failures, report.failed_runs());
    assert!(last.marks_hit > 0 && last.marks_hit < last.marks);
    assert!(
        last.seeds_per_s > 0.0 && last.seeds_per_s < 100.0,
        "{last:?}"
    );
}

#[test]
fn whoever_looks_on_can_end_it_and_the_report_is_about_the_first_seeds() {
    let log = Log {
        enough: 2,
        ..Log::default()
    };
    let mut sweep = Sweep::new(small(), 0..100_000);
    sweep.jobs = 2;
    let stopped = sweep.run_watched(&log).unwrap();
    assert!(stopped.runs() < 1_000, "{}", stopped.runs());
    sweep.seeds = 0..stopped.runs();
    assert_eq!(sweep.run().unwrap().digest(), stopped.digest());
}
