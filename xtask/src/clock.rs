//! Real time and real threads, for measuring other programs.
//!
//! The workspace bans both, so that nothing in the job code can depend on them. This task runner
//! measures foreign processes, where they are the point; this file is the only one that names them.

#![allow(
    clippy::disallowed_methods,
    reason = "foreign processes are measured in real time"
)]

use std::sync::Mutex;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A clock that runs from its making.
#[derive(Clone)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// A thread beside the measured process: it samples, or it waits for a signal.
pub(crate) fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    thread::spawn(work)
}

/// The pause between two samples. Nothing waits for an event with it.
pub(crate) fn pause(between_samples: Duration) {
    thread::sleep(between_samples);
}

/// Does all jobs, `workers` of them at a time, begun in their order; their results in that order.
pub(crate) fn side_by_side<T: Send>(
    workers: usize,
    jobs: Vec<impl FnOnce() -> T + Send>,
) -> Vec<T> {
    let mut results: Vec<Option<T>> = jobs.iter().map(|_| None).collect();
    let waiting = Mutex::new(jobs.into_iter().zip(&mut results));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no job runs under the lock").next();
                    let Some((job, result)) = next else { break };
                    *result = Some(job());
                }
            });
        }
    });
    let results = results.into_iter();
    results
        .map(|result| result.expect("a worker did it"))
        .collect()
}
