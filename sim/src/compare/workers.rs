//! The runs of a comparison, in several threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};

use super::error::CompareError;
use super::{Comparison, Progress};
use crate::measure::{Measurer, Streams};

/// What the runs of a seed came to, one for each alternative.
pub(super) type Runs = Vec<Result<Values, String>>;

/// The metrics of a run, in the order of the comparison's.
pub(super) type Values = Vec<Option<f64>>;

type Answer = (u64, Result<Runs, CompareError>);

/// Makes all runs. They are returned in the order of the seeds, whoever made them.
pub(super) fn run(
    comparison: &Comparison,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Runs>, CompareError> {
    let (start, count) = (
        comparison.seeds.start,
        comparison.seeds.end - comparison.seeds.start,
    );
    let mut seeds: Vec<Option<Runs>> = Vec::new();
    seeds.resize_with(count as usize, || None);
    let mut wrong: Option<(u64, CompareError)> = None;
    let next = AtomicU64::new(start);
    let threads = (comparison.jobs.max(1) as u64).min(count);
    let each = comparison.alternatives.len() as u64;
    std::thread::scope(|scope| {
        let (answers, inbox) = mpsc::channel();
        for _ in 0..threads {
            let (answers, next) = (answers.clone(), &next);
            scope.spawn(move || work(comparison, next, &answers));
        }
        drop(answers);
        let mut done = 0;
        for (seed, runs) in inbox {
            match runs {
                Ok(runs) => seeds[(seed - start) as usize] = Some(runs),
                Err(error) => {
                    // No more than what has begun. Of those the first seed's is reported.
                    next.store(comparison.seeds.end, Ordering::Relaxed);
                    if wrong.as_ref().is_none_or(|(first, _)| seed < *first) {
                        wrong = Some((seed, error));
                    }
                }
            }
            done += each;
            progress(Progress {
                runs: done,
                of: count * each,
            });
        }
    });
    match wrong {
        Some((_, error)) => Err(error),
        None => Ok(seeds.into_iter().flatten().collect()),
    }
}

/// What one thread does.
fn work(comparison: &Comparison, next: &AtomicU64, answers: &Sender<Answer>) {
    let mut measurer = (comparison.make)();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= comparison.seeds.end {
            return;
        }
        let runs = runs(comparison, &mut measurer, seed);
        if answers.send((seed, runs)).is_err() {
            // Whoever listens has panicked, and the scope ends.
            return;
        }
    }
}

/// One run for each alternative, in the world of `seed`.
fn runs(comparison: &Comparison, measurer: &mut Measurer, seed: u64) -> Result<Runs, CompareError> {
    let drawn = comparison.scenario.draw(seed);
    let drawn = drawn.map_err(|error| CompareError::Scenario { seed, error })?;
    let each = comparison.alternatives.iter().map(|alternative| {
        let config = alternative.apply(&drawn);
        let config = config.map_err(|error| CompareError::Config {
            seed,
            alternative: alternative.name().to_owned(),
            error,
        })?;
        let policy = Streams::new(seed, alternative.schedule());
        let measured = measurer.measure(&config, Box::new(policy));
        Ok(match (measured.report.failure, measured.metrics) {
            (None, Some(metrics)) => {
                let values = comparison.metrics.iter();
                Ok(values.map(|metric| (metric.of)(&metrics)).collect())
            }
            (failure, _) => Err(failure.map_or_else(
                || "the run broke off".to_owned(),
                |failure| failure.to_string(),
            )),
        })
    });
    each.collect()
}
