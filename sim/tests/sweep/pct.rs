//! Policies by their names, and the lengths that priorities go by.

use blockjob_sim::sweep::{PolicySpec, Sweep};

use crate::planted::small;

#[test]
fn policies_are_read_as_they_are_written() {
    let all = [
        PolicySpec::Random,
        PolicySpec::Pct { depth: 3 },
        PolicySpec::Exhaustive { bound: None },
        PolicySpec::Exhaustive { bound: Some(2) },
    ];
    for policy in all {
        assert_eq!(policy.to_string().parse(), Ok(policy));
    }
    for wrong in [
        "",
        "Random",
        "pct",
        "pct:0",
        "pct:x",
        "exhaustive:",
        "random:1",
    ] {
        let error = wrong.parse::<PolicySpec>().unwrap_err().to_string();
        assert!(error.contains("expected random, pct:D"), "{error}");
    }
}

#[test]
fn what_is_run_to_measure_a_configuration_is_not_counted() {
    let mut sweep = Sweep::new(small(), 0..40);
    let random = sweep.run().unwrap();
    sweep.policy = PolicySpec::Pct { depth: 2 };
    let pct = sweep.run().unwrap();
    assert_eq!(pct.runs(), 40);
    let firsts = |report: &blockjob_sim::sweep::SweepReport| {
        let table = report.step_table();
        let first = blockjob_jobs::mirror::steps::Step::M1;
        let states = blockjob_jobs::state::JobStatus::ALL.into_iter();
        states.map(|status| table.hits(first, status)).sum::<u64>()
    };
    assert_eq!(firsts(&random), 40);
    assert_eq!(firsts(&pct), 40);
}

#[test]
fn a_seed_makes_the_same_run_by_itself_as_among_others() {
    // The configurations differ, so each is measured; the measure of one must not be the next one's.
    let mut sweep = Sweep::new(small(), 30..60);
    sweep.policy = PolicySpec::Pct { depth: 3 };
    let all = sweep.run().unwrap().digest();
    let sum = (30..60).fold(0_u64, |sum, seed| {
        sweep.seeds = seed..seed + 1;
        sum.wrapping_add(sweep.run().unwrap().digest())
    });
    assert_eq!(all, sum);
}
