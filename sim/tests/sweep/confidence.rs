//! What is said when nothing was found.

use blockjob_sim::decide::miss_probability;
use blockjob_sim::sweep::{PolicySpec, Sweep};

use crate::planted::{Planted, runner, small};

#[test]
fn a_random_sweep_says_how_rare_a_failure_may_still_be() {
    let report = Sweep::new(small(), 0..300).run().unwrap();
    let text = report.confidence().to_string();
    assert!(text.starts_with("300 runs made "), "{text}");
    assert!(text.contains("none failed"), "{text}");
    assert!(
        text.contains("one of 100 runs of this scenario meets"),
        "{text}"
    );
    assert!(text.contains("for loom and shuttle"), "{text}");
}

#[test]
fn after_a_failure_nothing_is_promised() {
    let sweep = Sweep::new(small(), 0..300).with_runner(|| {
        runner(vec![Planted {
            place: "always",
            odd: |_| true,
        }])
    });
    let text = sweep.run().unwrap().confidence().to_string();
    assert!(text.contains("300 failed, in 1 ways"), "{text}");
    assert!(!text.contains("95 %"), "{text}");
}

#[test]
fn a_sweep_by_priorities_says_what_it_promises_and_what_that_takes() {
    let mut sweep = Sweep::new(small(), 0..200);
    sweep.policy = PolicySpec::Pct { depth: 2 };
    let report = sweep.run().unwrap();
    let threads = report.threads();
    let text = report.confidence().to_string();
    for depth in [1, 2] {
        let missed = miss_probability(depth, threads.threads, threads.steps, 200);
        let number = match missed {
            missed if missed > 0.999 => "nearly 100 %".to_owned(),
            missed if missed >= 0.001 => format!("{:.1} %", missed * 100.0),
            missed => format!("{missed:.0e}"),
        };
        assert!(
            text.contains(&format!("{number} for depth {depth}")),
            "{text}"
        );
    }
    let taken = format!(
        "{} for the number of threads and {} for the number of scheduling points",
        threads.threads, threads.steps
    );
    assert!(text.contains(&taken), "{text}");
    assert!(
        text.contains("does not cover the orders between contexts"),
        "{text}"
    );
}

#[test]
fn the_marks_that_were_never_hit_are_named() {
    let report = Sweep::new(small(), 0..30).run().unwrap();
    let text = report.confidence().to_string();
    assert!(text.contains("were never hit: "), "{text}");
    for mark in report.missed_marks() {
        assert!(text.contains(mark.name), "{text}");
    }
}
