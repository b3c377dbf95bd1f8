//! What is said when nothing was found.

use blockjob_sim::decide::miss_probability;
use blockjob_sim::swarm::Scenario;
use blockjob_sim::sweep::{PolicySpec, Sweep, SweepReport};

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

fn by_priorities(seeds: std::ops::Range<u64>) -> SweepReport {
    let text = "name = x\ngranules = 4\nguests = 2\nspread = uniform";
    let mut sweep = Sweep::new(Scenario::parse(text).unwrap(), seeds);
    sweep.policy = PolicySpec::Pct { depth: 3 };
    sweep.run().unwrap()
}

#[test]
fn a_run_by_priorities_promises_what_its_threads_and_its_length_allow() {
    let report = by_priorities(2..3);
    let threads = report.threads().threads;
    assert_eq!(report.too_long_runs(), 0);
    let first = report.missed_probability(1);
    assert!((first - miss_probability(1, threads, 1, 1)).abs() < 1e-12);
    // The length that was expected follows from the promise for depth 2, and holds for depth 3.
    let steps = (1.0 / (threads as f64 * (1.0 - report.missed_probability(2)))).round() as u64;
    assert!(steps >= report.threads().steps, "{steps}");
    let third = miss_probability(3, threads, steps, 1);
    assert!((report.missed_probability(3) - third).abs() < 1e-9);
    assert!(
        (report.missed_probability(9) - 1.0).abs() < 1e-12,
        "nobody counts that far"
    );
}

#[test]
fn a_sweep_by_priorities_says_what_it_promises_and_what_that_takes() {
    let report = by_priorities(0..300);
    let threads = report.threads();
    let text = report.confidence().to_string();
    for depth in 1..=3 {
        let missed = report.missed_probability(depth);
        // No run has more threads than the most, or was expected to be much longer.
        let most = miss_probability(depth, threads.threads, threads.steps * 2, 300);
        assert!(missed <= most, "depth {depth}: {missed} and {most}");
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
    assert!(report.missed_probability(1) < report.missed_probability(2));
    let most = format!("the most were {} and {}", threads.threads, threads.steps);
    assert!(text.contains(&most), "{text}");
    assert!(
        text.contains("does not cover the orders between contexts"),
        "{text}"
    );
}

#[test]
fn under_a_policy_that_promises_nothing_every_bug_may_have_been_missed() {
    let report = Sweep::new(small(), 0..50).run().unwrap();
    assert!((report.missed_probability(1) - 1.0).abs() < 1e-12);
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
