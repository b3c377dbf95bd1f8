//! The numbers of a run that are compared.

use serde::Serialize;

use super::unit::Unit;
use crate::measure::{JobMetrics, Metrics, Quantiles, jain};

/// Which way one would have a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less is better.
    Less,
    /// More is better.
    More,
    /// It is only what it is.
    Neither,
}

/// One number of a run.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in JSON and on command lines.
    pub key: &'static str,
    /// Its name in tables and plots.
    pub title: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Which way one would have it.
    pub better: Better,
    /// The number of a run; none if the run has none of what it is about.
    pub of: fn(&Metrics) -> Option<f64>,
}

macro_rules! metrics {
    ($($key:literal $title:literal $unit:ident $better:ident $of:expr;)*) => {
        /// All metrics, in the order of tables.
        pub const METRICS: &[Metric] = &[$(Metric {
            key: $key,
            title: $title,
            unit: Unit::$unit,
            better: Better::$better,
            of: $of,
        }),*];
    };
}

metrics! {
    "job.ready.mean" "time to READY, mean of jobs" Nanoseconds Less |run| mean(ready(run)?).filter(|_| run.jobs.len() > 1);
    "job.ready.last" "time to READY, last job" Nanoseconds Less |run| greatest(ready(run)?);
    "job.end.last" "time to the end, last job" Nanoseconds Less |run| greatest(each(run, ended)?);
    "job.rate" "bytes copied per second, all jobs" BytesPerSecond More |run| sum(each(run, JobMetrics::rate_bytes_per_s)?);
    "job.fairness" "fairness of jobs, Jain's index" Index More |run| run.fairness.filter(|_| run.jobs.len() > 1);
    "job.copied" "bytes copied" Bytes Less |run| sum(each(run, |job| Some(job.copied_bytes as f64))?);
    "job.recopied" "bytes copied again" Bytes Less |run| sum(each(run, |job| Some(job.recopied_bytes as f64))?);
    "job.zeroed" "bytes zeroed" Bytes Neither |run| sum(each(run, |job| Some(job.zeroed_bytes as f64))?);
    "job.skipped" "bytes left alone" Bytes Neither |run| sum(each(run, |job| Some(job.skipped_bytes as f64))?);
    "job.unpausable" "longest without a pause point" Nanoseconds Less |run| greatest(each(run, |job| Some(job.longest_unpausable_ns as f64))?);
    "job.busy" "longest without a sleep" Nanoseconds Less |run| greatest(each(run, |job| Some(job.longest_busy_ns as f64))?);
    "job.dirty.mean" "dirty bytes, mean over time" Bytes Less |run| sum(each(run, |job| job.dirty_bytes.mean())?);
    "job.dirty.max" "dirty bytes, greatest" Bytes Less |run| sum(each(run, |job| Some(job.dirty_bytes.max as f64))?);
    "drain.p50" "drain latency, median" Nanoseconds Less |run| drain(run, 1, |times| times.p50);
    "drain.p95" "drain latency, p95" Nanoseconds Less |run| drain(run, 20, |times| times.p95);
    "drain.p99" "drain latency, p99" Nanoseconds Less |run| drain(run, 100, |times| times.p99);
    "drain.max" "drain latency, longest" Nanoseconds Less |run| drain(run, 1, |times| times.max);
    "guest.p50" "guest latency, median" Nanoseconds Less |run| guest(run, 1, |times| times.p50);
    "guest.p95" "guest latency, p95" Nanoseconds Less |run| guest(run, 20, |times| times.p95);
    "guest.p99" "guest latency, p99" Nanoseconds Less |run| guest(run, 100, |times| times.p99);
    "guest.max" "guest latency, longest" Nanoseconds Less |run| guest(run, 1, |times| times.max);
    "guest.worst.p95" "guest latency, p95 of the worst" Nanoseconds Less |run| greatest(guests_p95(run)?);
    "guest.best.p95" "guest latency, p95 of the best" Nanoseconds Less |run| guests_p95(run)?.into_iter().reduce(f64::min);
    "guest.requests" "guest requests" RequestsPerSecond More |run| run.all_guests.requests_per_s();
    "guest.bytes" "guest throughput" BytesPerSecond More |run| run.all_guests.bytes_per_s();
    "guest.fairness" "fairness of guests, Jain's index" Index More guest_fairness;
}

/// The metric of that key.
pub fn metric(key: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == key)
}

/// What each job has; none if one has nothing, because a mean over some jobs is not one over all.
fn each(run: &Metrics, of: fn(&JobMetrics) -> Option<f64>) -> Option<Vec<f64>> {
    run.jobs.iter().map(of).collect()
}

fn ready(run: &Metrics) -> Option<Vec<f64>> {
    each(run, |job| job.ready_after_ns.map(|time| time as f64))
}

fn ended(job: &JobMetrics) -> Option<f64> {
    job.ended_after_ns.map(|time| time as f64)
}

fn sum(values: Vec<f64>) -> Option<f64> {
    values.into_iter().reduce(|sum, value| sum + value)
}

fn mean(values: Vec<f64>) -> Option<f64> {
    let count = values.len() as f64;
    sum(values).map(|sum| sum / count)
}

fn greatest(values: Vec<f64>) -> Option<f64> {
    values.into_iter().reduce(f64::max)
}

/// A percentile of at least so many; of fewer it would only be another name for the greatest.
fn of_many(times: Option<&Quantiles>, least: u64, of: fn(&Quantiles) -> u64) -> Option<f64> {
    let times = times.filter(|times| times.count >= least)?;
    Some(of(times) as f64)
}

fn drain(run: &Metrics, least: u64, of: fn(&Quantiles) -> u64) -> Option<f64> {
    of_many(run.drains.latency_ns.as_ref(), least, of)
}

fn guest(run: &Metrics, least: u64, of: fn(&Quantiles) -> u64) -> Option<f64> {
    of_many(run.all_guests.latency_ns.as_ref(), least, of)
}

/// Of each guest; none if one has too few requests.
fn guests_p95(run: &Metrics) -> Option<Vec<f64>> {
    let times = run.guests.iter().map(|guest| guest.latency_ns.as_ref());
    times
        .map(|times| of_many(times, 20, |times| times.p95))
        .collect()
}

fn guest_fairness(run: &Metrics) -> Option<f64> {
    let rates = run.guests.iter().map(|guest| guest.requests_per_s());
    let rates: Vec<_> = rates.collect::<Option<_>>()?;
    jain(&rates).filter(|_| rates.len() > 1)
}
