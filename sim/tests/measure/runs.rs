//! What is measured of a run.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_jobs::state::JobStatus;
use blockjob_sim::check::{Checker, Interest, Scene, Seen};
use blockjob_sim::config::Config;
use blockjob_sim::failure::Rule;
use blockjob_sim::measure::{Measurer, Metrics, Schedule, Streams};
use blockjob_sim::monitor::Verb;

/// Measures `config` under a random schedule.
fn measure(config: &str, seed: u64) -> Metrics {
    measure_by(config, seed, &Schedule::Random)
}

fn measure_by(config: &str, seed: u64, schedule: &Schedule) -> Metrics {
    let config = Config::parse(config).unwrap();
    let policy = Streams::new(seed, schedule);
    let measured = Measurer::new().measure(&config, Box::new(policy));
    assert_eq!(measured.report.failure, None);
    measured.metrics.expect("the run did not fail")
}

#[test]
fn a_lonely_job_copies_each_byte_once_in_as_many_rounds_as_it_must() {
    // 64 granules, 16 at a time, each read in 100 us and written in 100 us; then a flush.
    let run = measure("granules=64,granularity=4096,guests=0", 0);
    let job = &run.jobs[0];
    assert_eq!(job.ready_after_ns, Some(4 * 200_000 + 100_000));
    assert_eq!(job.copied_bytes, 64 * 4096);
    assert_eq!(job.ready_bytes, Some(64 * 4096));
    assert_eq!(job.recopied_bytes, 0);
    // What is claimed is not dirty any more: 48, 32 and 16 granules for 200 us each, and then none.
    assert_eq!(job.dirty_bytes.max, 48 * 4096);
    let mean = f64::from(96 * 4096) * 200.0 / 900.0;
    assert!((job.dirty_bytes.mean().unwrap() - mean).abs() < 1e-6);
    assert_eq!(job.dirty_bytes.points.last(), Some(&(900_000, 0)));
    assert_eq!(run.fairness, Some(1.0));
    assert_eq!(run.all_guests.requests, 0);
    assert_eq!(run.all_guests.latency_ns, None);
    // Only the job drains its source, to start, and nobody keeps it from that.
    assert_eq!(run.drains.latency_ns.unwrap().max, 0);
}

#[test]
fn holes_are_not_copied_but_zeroed_or_left_alone() {
    let noise = measure("granules=64,granularity=4096,guests=0,fill=holes", 0);
    assert_eq!(noise.jobs[0].copied_bytes, 0);
    assert_eq!(noise.jobs[0].zeroed_bytes, 64 * 4096);
    let backed =
        "granules=64,granularity=4096,guests=0,fill=holes,backing=yes,sync=full,tfill=holes";
    let above = measure(backed, 0);
    assert_eq!(above.jobs[0].zeroed_bytes + above.jobs[0].skipped_bytes, 0);
    assert_eq!(above.jobs[0].copied_bytes, 64 * 4096);
}

#[test]
fn a_guest_alone_with_constant_disks_waits_for_the_disk_and_nothing_else() {
    let run = measure("mirror=no,guests=2,depth=3,requests=50,latency=70000", 1);
    let times = run.all_guests.latency_ns.unwrap();
    assert_eq!((times.count, times.p50, times.max), (100, 70_000, 70_000));
    assert_eq!(run.guests.len(), 2);
    // Three lanes, one after the other, for 50 requests.
    assert_eq!(run.guests[0].active_ns, 17 * 70_000);
    let rate = run.guests[1].requests_per_s().unwrap();
    assert!((rate - 50.0 / (17.0 * 70e-6)).abs() < 1.0, "{rate}");
    assert!(run.guests[0].bytes > 0);
    assert_eq!(
        run.all_guests.bytes,
        run.guests[0].bytes + run.guests[1].bytes
    );
}

#[test]
fn what_the_guest_writes_twice_is_counted_as_copied_again() {
    let run = measure(
        "granules=64,granularity=4096,depth=4,requests=200,hot=yes,rest=100000",
        1,
    );
    let job = &run.jobs[0];
    assert!(job.recopied_bytes > 0);
    assert_eq!(job.copied_bytes, 64 * 4096 + job.recopied_bytes);
    assert!(job.dirty_bytes.mean().unwrap() > 0.0);
}

#[test]
fn shares_are_counted_when_the_first_job_is_ready() {
    // The second job has four times the speed of the first.
    let run = measure(
        "jobs=2,granules=64,granularity=4096,guests=0,speed=262144,speedstep=3",
        1,
    );
    let [slow, fast] = &run.jobs[..] else {
        panic!("two jobs")
    };
    assert_eq!(fast.share_bytes, 64 * 4096);
    assert!(slow.share_bytes < 32 * 4096, "{}", slow.share_bytes);
    assert!(slow.ready_after_ns > fast.ready_after_ns);
    let expected = blockjob_sim::measure::jain(&[slow.share_bytes as f64, fast.share_bytes as f64]);
    assert_eq!(run.fairness, expected);
    // Four to one: (1 + 4)^2 / (2 * (1 + 16)) is 0.735, and slices of 100 ms are coarse.
    assert!(
        (0.6..0.9).contains(&run.fairness.unwrap()),
        "{:?}",
        run.fairness
    );
}

#[test]
fn a_speed_limit_lasts_until_the_job_is_ready_though_nobody_else_is_left() {
    // Without a guest the storm would be over at once, and the calm lifts all limits.
    let run = measure("granules=64,granularity=4096,guests=0,speed=131072", 1);
    let seconds = run.jobs[0].ready_after_ns.unwrap() as f64 / 1e9;
    assert!(
        (1.5..2.5).contains(&seconds),
        "256 KiB at 128 KiB/s took {seconds} s"
    );
}

/// Counts the jobs that a monitor has paused before they were READY.
struct Pauses(Rc<Cell<u32>>);

impl Checker for Pauses {
    fn rule(&self) -> Rule {
        Rule::Count
    }
    fn wants(&self) -> Interest {
        Interest::MONITOR
    }
    fn reset(&mut self) {}
    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        if !matches!(seen, Seen::Monitor(event) if event.verb == Verb::Pause) {
            return;
        }
        let mut jobs = scene.cast.pairs.iter().filter_map(|pair| pair.job());
        let early = jobs.any(|job| job.is_user_paused() && job.status() == JobStatus::Running);
        self.0.set(self.0.get() + u32::from(early));
    }
}

#[test]
fn a_job_that_is_paused_for_good_does_not_keep_the_storm_from_ending() {
    let pauses = Rc::new(Cell::new(0));
    let mut measurer = Measurer::with_checkers(vec![Box::new(Pauses(pauses.clone()))]);
    // Nobody resumes the job, and the other one looks for work each slice until the calm.
    let config = "jobs=2,granules=32,guests=1,requests=8,deeds=1,verbs=pause,steps=5000";
    let config = Config::parse(config).unwrap();
    for seed in 0..40 {
        let policy = Streams::new(seed, &Schedule::Random);
        let measured = measurer.measure(&config, Box::new(policy));
        assert_eq!(measured.report.failure, None);
        let steps = measured.report.steps;
        assert!(steps < 5_000, "seed {seed} took {steps} steps");
    }
    // That none of 40 seeds pauses a job that still runs has odds below one in a million.
    assert!(pauses.get() > 0, "the case did not come up");
}

#[test]
fn drained_sections_are_measured_from_their_begin_until_nothing_is_in_flight() {
    let config = "granules=1024,granularity=4096,guests=0,drains=1000000";
    let run = measure(config, 1);
    let times = run.drains.latency_ns.unwrap();
    assert_eq!(run.drains.sections.len() as u64, times.count);
    assert!(times.count > 5, "{times:?}");
    // A copy that has just begun is read in 100 us and written in 100 us; who finds nothing in flight
    // does not wait.
    assert!((1..=200_000).contains(&times.max), "{times:?}");
    let mut sections = run.drains.sections.iter();
    let first = sections.find(|section| section.owner == "probe");
    let first = first.expect("the prober drains");
    assert_eq!(first.node, "source");
    assert!((500_000..=1_500_000).contains(&first.at_ns), "{first:?}");
}

#[test]
fn a_job_can_be_paused_while_it_sleeps_and_is_not_busy_then() {
    // A slice of a second, in which a clean job sleeps until the guest has done its requests.
    let config = "granules=16,requests=20,rest=300000000,slice=1000000000";
    let run = measure(config, 1);
    assert!(run.virtual_ns > 1_000_000_000, "{}", run.virtual_ns);
    assert!(run.jobs[0].longest_unpausable_ns <= 300_000);
    assert!(run.jobs[0].longest_busy_ns <= 400_000);
}

#[test]
fn the_time_without_a_pause_point_is_no_longer_than_the_time_without_a_sleep() {
    for seed in 0..30 {
        let config = "granules=128,depth=4,requests=60,inflight=4,tspread=tail,drains=300000";
        let run = measure(config, seed);
        let job = &run.jobs[0];
        assert!(job.longest_unpausable_ns > 0);
        assert!(
            job.longest_unpausable_ns <= job.longest_busy_ns,
            "seed {seed}: {} and {}",
            job.longest_unpausable_ns,
            job.longest_busy_ns
        );
    }
}

#[test]
fn a_busy_job_passes_a_pause_point_whenever_a_copy_ends() {
    // All 16 copies are under way at once, and end at different times. Meanwhile the job has nothing to
    // do, and does not sleep before the last has ended.
    let config = "granules=16,granularity=4096,guests=0,spread=uniform,tspread=uniform";
    for seed in 0..20 {
        let run = measure(config, seed);
        let job = &run.jobs[0];
        // Latencies of 12.5 to 187.5 us, one of 8 each, twice: of 16 sums the greatest is below 200 us
        // in one of 8,000 seeds.
        assert!(job.longest_busy_ns >= 200_000, "{}", job.longest_busy_ns);
        assert!(
            2 * job.longest_unpausable_ns <= job.longest_busy_ns + 100_000,
            "seed {seed}: {} and {}",
            job.longest_unpausable_ns,
            job.longest_busy_ns
        );
    }
}

#[test]
fn a_noisy_guest_has_more_requests_at_a_time_and_does_not_rest() {
    let run = measure(
        "guests=3,requests=10,depth=2,noisy=5,rest=100000,granules=64",
        1,
    );
    let requests: Vec<_> = run.guests.iter().map(|guest| guest.requests).collect();
    assert_eq!(requests, [250, 10, 10]);
    let rates = run
        .guests
        .iter()
        .map(|guest| guest.requests_per_s().unwrap());
    let rates: Vec<_> = rates.collect();
    // Ten lanes that never rest, against two that rest half of the time or so.
    assert!(rates[0] > 4.0 * rates[1], "{rates:?}");
}

#[test]
fn the_same_policy_makes_the_same_metrics_whatever_was_measured_before() {
    let config = "jobs=3,granules=32,guests=2,depth=2,requests=20,spread=uniform,drains=200000";
    let config = Config::parse(config).unwrap();
    let other = Config::parse("granules=8,tspread=tail,tail=3").unwrap();
    let mut measurer = Measurer::new();
    let mut run = |config: &Config, seed| {
        let policy = Streams::new(seed, &Schedule::Random);
        measurer.measure(config, Box::new(policy))
    };
    let first = run(&config, 5);
    run(&other, 6);
    let second = run(&config, 5);
    assert_eq!(first.report.digest, second.report.digest);
    assert_eq!(first.metrics, second.metrics);
    assert_ne!(first.metrics, run(&config, 6).metrics);
}

#[test]
fn a_run_that_a_checker_objects_to_has_no_metrics_even_if_it_came_to_its_end() {
    struct Grumbler(Interest, Rc<Cell<u32>>);
    impl Grumbler {
        fn grumble(&self, scene: &Scene<'_>) {
            self.1.set(self.1.get() + 1);
            scene.fail(Rule::Count, "grumble", Vec::new(), "as told".to_owned());
        }
    }
    impl Checker for Grumbler {
        fn rule(&self) -> Rule {
            Rule::Count
        }
        fn wants(&self) -> Interest {
            self.0
        }
        fn reset(&mut self) {}
        fn idle(&mut self, scene: &Scene<'_>) {
            self.grumble(scene);
        }
        fn end(&mut self, scene: &Scene<'_>) {
            self.grumble(scene);
        }
    }
    for moment in [Interest::IDLE, Interest::END] {
        let told = Rc::new(Cell::new(0));
        let grumbler = Box::new(Grumbler(moment, told.clone()));
        let mut measurer = Measurer::with_checkers(vec![grumbler]);
        let policy = Streams::new(1, &Schedule::Random);
        let measured = measurer.measure(&Config::new(), Box::new(policy));
        assert_eq!(told.get(), 1);
        assert_eq!(measured.report.failure.unwrap().place, "grumble");
        assert_eq!(measured.metrics, None);
    }
}
