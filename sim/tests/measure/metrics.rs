//! What the metrics of comparisons are, of a run that is made up.

use blockjob_sim::compare::{METRICS, metric};
use blockjob_sim::measure::{
    DrainMetrics, GuestMetrics, JobMetrics, Metrics, Quantiles, Series, jain,
};

/// A job of which each number is another multiple of `n`.
fn job(n: u64) -> JobMetrics {
    let mut dirty_bytes = Series::default();
    dirty_bytes.set(0, 20 * n);
    dirty_bytes.set(1, 0);
    dirty_bytes.end(2);
    JobMetrics {
        job: format!("job{n}"),
        started_ns: Some(5),
        ready_after_ns: Some(1_000 * n),
        ended_after_ns: Some(2_000 * n),
        share_bytes: 3 * n,
        ready_bytes: Some(4_000 * n * n),
        copied_bytes: 5 * n,
        recopied_bytes: 6 * n,
        zeroed_bytes: 7 * n,
        skipped_bytes: 8 * n,
        longest_unpausable_ns: 9 * n,
        longest_busy_ns: 11 * n,
        dirty_bytes,
    }
}

/// So many times from `n` on, evenly.
fn times(count: u64, n: u64) -> Option<Quantiles> {
    let mut all: Vec<_> = (1..=count).map(|place| place * n).collect();
    Quantiles::of(&mut all)
}

fn guest(count: u64, n: u64) -> GuestMetrics {
    GuestMetrics {
        requests: count,
        bytes: count * 512,
        latency_ns: times(count, n),
        active_ns: 1_000_000_000,
    }
}

fn run(jobs: &[u64], sections: u64, guests: &[(u64, u64)]) -> Metrics {
    let shares: Vec<_> = jobs.iter().map(|n| 3.0 * *n as f64).collect();
    Metrics {
        jobs: jobs.iter().map(|n| job(*n)).collect(),
        fairness: jain(&shares),
        drains: DrainMetrics {
            latency_ns: times(sections, 7),
            sections: Vec::new(),
        },
        guests: guests.iter().map(|(count, n)| guest(*count, *n)).collect(),
        all_guests: guest(guests.iter().map(|(count, _)| count).sum(), 13),
        virtual_ns: 77,
    }
}

fn of(run: &Metrics, key: &str) -> Option<f64> {
    (metric(key).expect(key).of)(run)
}

#[test]
fn every_metric_is_the_number_that_its_title_says() {
    let run = run(&[1, 3], 200, &[(100, 10), (300, 2)]);
    let expected = [
        ("job.ready.mean", 2_000.0),
        ("job.ready.last", 3_000.0),
        ("job.end.last", 6_000.0),
        ("job.rate", 4e9 + 12e9),
        ("job.fairness", 0.8),
        ("job.copied", 20.0),
        ("job.recopied", 24.0),
        ("job.zeroed", 28.0),
        ("job.skipped", 32.0),
        ("job.unpausable", 27.0),
        ("job.busy", 33.0),
        ("job.dirty.mean", 40.0),
        ("job.dirty.max", 80.0),
        ("drain.p50", 700.0),
        ("drain.p95", 1_330.0),
        ("drain.p99", 1_386.0),
        ("drain.max", 1_400.0),
        ("guest.p50", 2_600.0),
        ("guest.p95", 4_940.0),
        ("guest.p99", 5_148.0),
        ("guest.max", 5_200.0),
        ("guest.worst.p95", 950.0),
        ("guest.best.p95", 570.0),
        ("guest.requests", 400.0),
        ("guest.bytes", 400.0 * 512.0),
        ("guest.fairness", 0.8),
    ];
    for (key, value) in expected {
        let found = of(&run, key).expect(key);
        assert!((found / value - 1.0).abs() < 1e-9, "{key}: {found}");
    }
    let keys: Vec<_> = METRICS.iter().map(|metric| metric.key).collect();
    assert_eq!(keys, expected.map(|(key, _)| key));
}

#[test]
fn of_too_few_a_percentile_is_not_taken() {
    let few = run(&[1, 3], 19, &[(99, 10)]);
    for (key, taken) in [
        ("drain.p50", true),
        ("drain.p95", false),
        ("drain.max", true),
        ("guest.p95", true),
        ("guest.p99", false),
    ] {
        assert_eq!(of(&few, key).is_some(), taken, "{key}");
    }
    let enough = run(&[1], 20, &[(100, 10)]);
    assert!(of(&enough, "drain.p95").is_some());
    assert!(of(&enough, "guest.p99").is_some());
}

#[test]
fn what_is_about_several_is_not_taken_of_one() {
    let alone = run(&[1], 20, &[(100, 10)]);
    for key in ["job.ready.mean", "job.fairness", "guest.fairness"] {
        assert_eq!(of(&alone, key), None, "{key}");
    }
    assert!(of(&alone, "job.ready.last").is_some());
}

#[test]
fn a_run_in_which_one_job_was_never_ready_has_no_time_to_ready() {
    let mut run = run(&[1, 3], 20, &[(100, 10)]);
    run.jobs[0].ready_after_ns = None;
    assert_eq!(of(&run, "job.ready.last"), None);
    assert_eq!(of(&run, "job.rate"), None);
    assert!(of(&run, "job.copied").is_some());
}
