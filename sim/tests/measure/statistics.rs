//! Comparisons: pairs, intervals, threads, runs that fail.

use blockjob_sim::check::{Checker, Interest, Scene};
use blockjob_sim::compare::{Alternative, CompareError, Comparison, METRICS, Verdict, metric};
use blockjob_sim::config::Field;
use blockjob_sim::failure::Rule;
use blockjob_sim::measure::{Measurer, Schedule};
use blockjob_sim::swarm::Scenario;

/// A disk that is always another, and a guest that writes for as long as it takes.
const SMALL: &str = "
    name = small
    granules = 16..64
    spread = uniform
    tspread = uniform
    guests = 2
    depth = 2
    requests = 20
    rest = 100us..1ms
    drains = 500us
";

pub(crate) fn comparison(fields: &[&str], seeds: u64) -> Comparison {
    let scenario = Scenario::parse(SMALL).unwrap();
    let alternatives = Alternative::cross(&[], fields).unwrap();
    let mut comparison = Comparison::new(scenario, alternatives, 0..seeds);
    comparison.resamples = 200;
    comparison
}

#[test]
fn an_alternative_is_equal_to_itself_in_every_metric() {
    let mut same = comparison(&[], 10);
    same.alternatives = vec![
        Alternative::new(Schedule::Random),
        Alternative::new(Schedule::Random).named("again"),
    ];
    let report = same.run(&mut |_| ()).unwrap();
    for it in &report.metrics {
        let verdict = it.difference(1).map(|it| it.verdict);
        assert!(
            verdict.is_none_or(|verdict| verdict == Verdict::Equal),
            "{}: {verdict:?}",
            it.metric.key
        );
    }
    assert_eq!(report.comparisons(), 0);
}

#[test]
fn the_report_does_not_depend_on_the_number_of_threads() {
    let mut first = None;
    for jobs in [1, 2, 5] {
        let mut comparison = comparison(&["inflight=2|16"], 12);
        comparison.jobs = jobs;
        let report = comparison.run(&mut |_| ()).unwrap();
        let text = (report.table(), report.json().to_string(), report.svg());
        assert_eq!(
            *first.get_or_insert_with(|| text.clone()),
            text,
            "{jobs} threads"
        );
    }
}

#[test]
fn pairs_say_more_than_two_crowds() {
    // Guests that draw the same requests get about as many bytes done whatever the job may have in
    // flight; those of another seed draw others.
    let report = comparison(&["inflight=8|16"], 60).run(&mut |_| ()).unwrap();
    let bytes = report.metric("guest.bytes").unwrap();
    let width = |interval: blockjob_sim::compare::Interval| interval.high - interval.low;
    let crowd = bytes.summaries[0].as_ref().unwrap().mean.unwrap();
    let pairs = bytes.difference(1).unwrap().mean.unwrap();
    assert!(
        width(pairs.interval) < width(crowd.interval) / 2.0,
        "{pairs:?} {crowd:?}"
    );
}

#[test]
fn the_numbers_are_those_of_the_runs() {
    let report = comparison(&["inflight=1|16"], 9).run(&mut |_| ()).unwrap();
    let ready = report.metric("job.ready.last").unwrap();
    let [narrow, wide] = &ready.values[..] else {
        panic!("two alternatives")
    };
    assert_eq!((narrow.len(), wide.len()), (9, 9));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let difference = ready.difference(1).unwrap();
    let close = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-9;
    assert!(close(
        ready.summaries[0].as_ref().unwrap().mean.unwrap().value,
        mean(narrow)
    ));
    assert!(close(
        difference.mean.unwrap().value,
        mean(wide) - mean(narrow)
    ));
    assert!(close(
        difference.ratio.unwrap().value,
        mean(wide) / mean(narrow)
    ));
    let mut sorted = wide.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let summary = ready.summaries[1].as_ref().unwrap();
    assert_eq!(summary.median.unwrap().value, sorted[4]);
    assert_eq!((summary.min, summary.max), (sorted[0], sorted[8]));
    assert_eq!(difference.verdict, Verdict::Less);
    assert!(
        ready.difference(0).is_none(),
        "the first differs from nobody"
    );
}

#[test]
fn only_the_metrics_that_were_asked_for_are_compared() {
    let mut comparison = comparison(&["inflight=1|16"], 3);
    comparison.metrics = vec![metric("guest.max").unwrap()];
    let report = comparison.run(&mut |_| ()).unwrap();
    assert_eq!(report.metrics.len(), 1);
    assert!(report.metric("job.busy").is_none());
    assert!(report.comparisons() <= 1);
}

#[test]
fn no_two_metrics_have_the_same_key_or_title() {
    for (place, it) in METRICS.iter().enumerate() {
        for other in &METRICS[..place] {
            assert_ne!(it.key, other.key);
            assert_ne!(it.title, other.title);
        }
    }
}

/// Objects to worlds of an even number of granules, if copies are made one at a time.
struct Picky;

impl Checker for Picky {
    fn rule(&self) -> Rule {
        Rule::Count
    }
    fn wants(&self) -> Interest {
        Interest::IDLE
    }
    fn reset(&mut self) {}
    fn idle(&mut self, scene: &Scene<'_>) {
        let config = &scene.cast.config;
        if config.get(Field::InFlight) == 1 && config.get(Field::Granules).is_multiple_of(2) {
            scene.fail(Rule::Count, "picky", Vec::new(), "it is even".to_owned());
        }
    }
}

#[test]
fn a_seed_of_which_one_run_fails_is_left_out_for_all_and_named() {
    let comparison = comparison(&["inflight=16|1"], 20);
    let even = comparison.seeds.clone().filter(|seed| {
        let config = comparison.scenario.draw(*seed).unwrap();
        config.get(Field::Granules).is_multiple_of(2)
    });
    let even: Vec<_> = even.collect();
    assert!((1..20).contains(&even.len()), "{even:?}");
    let picky = comparison.with_measurer(|| Measurer::with_checkers(vec![Box::new(Picky)]));
    let report = picky.run(&mut |_| ()).unwrap();
    let failed: Vec<_> = report.failed.iter().map(|it| it.seed).collect();
    assert_eq!(failed, even);
    assert_eq!(report.failed[0].alternative, "inflight=1");
    let text = &report.failed[0].failure;
    assert_eq!(text, "COUNT at picky: it is even");
    for values in &report.metric("job.ready.last").unwrap().values {
        assert_eq!(values.len(), 20 - even.len());
    }
    let notes = report.notes().join("\n");
    let expected = format!("{} runs failed", even.len());
    assert!(notes.contains(&expected) && notes.contains(text), "{notes}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let error = |comparison: &Comparison| comparison.run(&mut |_| ()).unwrap_err();
    assert_eq!(error(&comparison(&[], 3)), CompareError::NothingToCompare);
    assert_eq!(error(&comparison(&["depth=1|2"], 0)), CompareError::NoSeeds);
    for jobs in [1, 3] {
        let mut wrong = comparison(&["alignment=0|100"], 30);
        wrong.jobs = jobs;
        let CompareError::Config {
            seed, alternative, ..
        } = error(&wrong)
        else {
            panic!("an alignment is a power of two")
        };
        assert_eq!((seed, &*alternative), (0, "alignment=100"));
    }
}

#[test]
fn progress_is_told_after_each_seed_up_to_all_runs() {
    let mut comparison = comparison(&["inflight=1|4|16"], 5);
    comparison.jobs = 2;
    let mut told = Vec::new();
    let report = comparison.run(&mut |progress| told.push((progress.runs, progress.of)));
    assert!(report.is_ok());
    assert_eq!(told, [(3, 15), (6, 15), (9, 15), (12, 15), (15, 15)]);
}
