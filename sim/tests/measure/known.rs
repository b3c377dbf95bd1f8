//! Results that are known before anything is measured: a measure that does not find them is wrong.
//!
//! Seeds are fixed, so a test finds the same each time. Where a draw of other numbers could matter, as
//! after a change to a guest's habits, the test says how far its result is from the line.

use blockjob_sim::compare::{Alternative, Comparison, ComparisonReport, Verdict};
use blockjob_sim::config::Config;
use blockjob_sim::measure::Schedule;
use blockjob_sim::swarm::Scenario;

/// Compares in worlds that all are `config`, under so many seeds.
fn compare(config: &str, schedules: &[Schedule], fields: &[&str], seeds: u64) -> ComparisonReport {
    let scenario = Scenario::of("known", &Config::parse(config).unwrap());
    let alternatives = Alternative::cross(schedules, fields).unwrap();
    let mut comparison = Comparison::new(scenario, alternatives, 0..seeds);
    comparison.resamples = 200;
    let report = comparison.run(&mut |_| ()).unwrap();
    assert_eq!(report.failed, []);
    report
}

/// How the alternative at `place` differs from the first by that metric.
fn verdict(report: &ComparisonReport, key: &str, place: usize) -> Verdict {
    let metric = report.metric(key).unwrap();
    metric.difference(place).unwrap().verdict
}

/// The mean of each alternative by that metric.
fn means(report: &ComparisonReport, key: &str) -> Vec<f64> {
    let summaries = &report.metric(key).unwrap().summaries;
    let means = summaries
        .iter()
        .map(|it| it.as_ref().unwrap().mean.unwrap().value);
    means.collect()
}

#[test]
fn a_clean_job_sleeps_for_a_slice_so_a_longer_one_leaves_more_dirty_and_copies_less_again() {
    // The guest writes to one place about every 1.1 ms. The means of the dirty bytes lie apart by a
    // factor of 2 or more, the intervals are a tenth of that wide.
    let config = "granules=64,granularity=4096,requests=100,step=32,span=1,hot=yes,rest=2000000";
    let report = compare(config, &[], &["slice=2ms|20ms"], 10);
    assert_eq!(verdict(&report, "job.dirty.mean", 1), Verdict::More);
    assert_eq!(verdict(&report, "job.recopied", 1), Verdict::Less);
}

#[test]
fn a_longer_slice_does_not_keep_a_busy_job_from_its_pause_points() {
    // As long as there is something to copy the job comes past M7 whenever a copy ends, and sleeps for
    // no time after each iteration. That leaves a slice nothing to say, other than in the article's
    // version. The guest writes faster than the job copies, so it is never clean meanwhile.
    let config = "granules=256,granularity=4096,inflight=2,depth=4,requests=800,step=32,span=1,drains=2000000,spread=uniform,tspread=uniform";
    let report = compare(config, &[], &["slice=1ms|100ms"], 6);
    for key in ["job.unpausable", "job.busy", "drain.p50", "drain.max"] {
        let [short, long] = means(&report, key)[..] else {
            panic!("two alternatives")
        };
        let ratio = long / short;
        assert!((0.8..1.25).contains(&ratio), "{key}: {ratio}");
    }
}

#[test]
fn the_fewer_copies_in_flight_the_longer_until_a_job_can_be_paused_and_its_source_drained() {
    // What is claimed at a time is copied in 16 parts without a pause point: one after the other that
    // is 3.2 ms, all at once 0.2.
    let config = "granules=512,granularity=4096,guests=0,drains=1000000";
    let report = compare(config, &[], &["inflight=16|4|1"], 6);
    for key in ["job.unpausable", "job.busy", "drain.max"] {
        let means = means(&report, key);
        assert!(means[1] > 2.0 * means[0], "{key}: {means:?}");
        assert!(means[2] > 2.0 * means[1], "{key}: {means:?}");
    }
}

#[test]
fn more_copies_in_flight_never_make_a_job_alone_slower_where_disks_have_no_limit() {
    // Each time twice as many, until with 16 the buffers are used up, and more is of no use.
    let config = "granules=64,granularity=4096,guests=0,buf=16";
    let fields = ["inflight=1|2|4|8|16|32"];
    let report = compare(config, &[], &fields, 3);
    let times = means(&report, "job.ready.last");
    assert!(times.windows(2).all(|pair| pair[1] <= pair[0]), "{times:?}");
    // A flush of 100 us is in each.
    let rounds = times.iter().map(|time| (time - 100_000.0) / 200_000.0);
    let rounds: Vec<_> = rounds.collect();
    assert_eq!(rounds, [64.0, 32.0, 16.0, 8.0, 4.0, 4.0]);
}

#[test]
fn a_guest_that_writes_less_than_a_granule_has_the_more_copied_again_the_larger_granules_are() {
    // It writes 512 bytes at a time. With granules of 8 KiB up to 16 times as much is copied for that,
    // less where two writes meet in one. The means are 80, 290 and 490 KB, each to within a tenth.
    let config = "granules=512,granularity=512,depth=4,requests=300,span=1,step=4,hot=yes,rest=200000,slice=1000000";
    let report = compare(config, &[], &["granularity=512|2K|8K"], 6);
    let bytes = means(&report, "job.recopied");
    assert!(bytes[1] > 2.0 * bytes[0], "{bytes:?}");
    assert!(bytes[2] > 1.3 * bytes[1], "{bytes:?}");
    assert_eq!(verdict(&report, "job.recopied", 2), Verdict::More);
}

#[test]
fn a_speed_limit_bounds_the_rate_of_copying_and_is_used_up() {
    let config = "granules=512,granularity=4096,requests=50,rest=1000000";
    let report = compare(config, &[], &["speed=0|4M|2M|1M"], 4);
    let rates = &report.metric("job.rate").unwrap().values;
    assert!(
        rates[0].iter().all(|rate| *rate > 64.0 * 1024.0 * 1024.0),
        "{rates:?}"
    );
    for (limit, rates) in [4.0, 2.0, 1.0].iter().zip(&rates[1..]) {
        for rate in rates {
            // The first slice of 100 ms is sent at once: one in 5 of 2 MiB at 4 MiB/s.
            let part = rate / (limit * 1024.0 * 1024.0);
            assert!((0.9..1.3).contains(&part), "{rate} B/s at {limit} MiB/s");
        }
    }
}

#[test]
fn the_order_of_what_happens_at_once_changes_nothing_for_those_who_share_nothing() {
    let schedules = [Schedule::Fifo, Schedule::Random, Schedule::Lifo];
    let config = "jobs=4,granules=64,granularity=4096,guests=0";
    let report = compare(config, &schedules, &[], 5);
    for key in [
        "job.ready.mean",
        "job.ready.last",
        "job.fairness",
        "job.copied",
        "job.unpausable",
    ] {
        for place in [1, 2] {
            assert_eq!(verdict(&report, key, place), Verdict::Equal, "{key}");
        }
    }
}

#[test]
fn first_come_first_served_is_unfair_to_jobs_that_share_memory_and_gets_the_first_done_sooner() {
    // Room for 16 copies, which the first job fills whenever it comes first. All jobs together take as
    // long; on the average they are READY sooner, as in any line that serves one after the other. The
    // index is 0.6 and 0.98, the mean times are 11 and 14 ms, each to within a twentieth.
    let config = "jobs=4,granules=256,granularity=4096,guests=0,room=65536";
    let report = compare(config, &[Schedule::Fifo, Schedule::Random], &[], 10);
    assert_eq!(verdict(&report, "job.fairness", 1), Verdict::More);
    assert_eq!(verdict(&report, "job.ready.mean", 1), Verdict::More);
    let last = means(&report, "job.ready.last");
    assert!((0.9..1.1).contains(&(last[1] / last[0])), "{last:?}");
}
