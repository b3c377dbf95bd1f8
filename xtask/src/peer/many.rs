//! Many small mirrors in one process: does time grow with their number, or with its square?

use std::path::Path;
use std::process::{Command, Stdio};

use super::measure::Gauge;
use super::scratch::Scratch;
use crate::Failure;
use crate::clock::Stopwatch;
use crate::suites::heading;

/// How many jobs there are in each run.
const JOB_COUNTS: [u32; 3] = [250, 500, 1000];

struct Point {
    jobs: u32,
    seconds: f64,
    rss_bytes: f64,
}

/// Runs `blockjob bench many --jobs N` for each count and prints seconds, memory and growth.
pub(crate) fn run(scratch: &Scratch, blockjob: &Path) -> Result<(), Failure> {
    heading("many: mirrors of 1 MiB in one process");
    println!("| {:>5} | {:>9} | {:>11} |", "jobs", "seconds", "KiB a job");
    println!("|--:|--:|--:|");
    let mut points = Vec::new();
    for jobs in JOB_COUNTS {
        let point = measure(scratch, blockjob, jobs)?;
        println!(
            "| {jobs:>5} | {:>9.3} | {:>11.1} |",
            point.seconds,
            point.rss_bytes / f64::from(jobs) / 1024.0
        );
        points.push(point);
    }
    let (first, last) = (&points[0], &points[points.len() - 1]);
    let added_kib = (last.rss_bytes - first.rss_bytes) / 1024.0;
    println!(
        "memory of one job more: {:.1} KiB; seconds grow as jobs to the power of {:.2}",
        added_kib / f64::from(last.jobs - first.jobs),
        growth_exponent(&points)
    );
    Ok(())
}

fn measure(scratch: &Scratch, blockjob: &Path, jobs: u32) -> Result<Point, Failure> {
    let mut command = Command::new(blockjob);
    command
        .args(["bench", "many", "--jobs", &jobs.to_string()])
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let watch = Stopwatch::start();
    let running = scratch.spawn(&mut command)?;
    let gauge = Gauge::start(running.pid());
    let status = running.wait()?;
    let seconds = watch.seconds();
    if !status.success() {
        return Err(format!("blockjob bench many --jobs {jobs}: {status}").into());
    }
    let (_cpu_s, rss_bytes) = gauge.finish()?;
    let rss_bytes = rss_bytes.ok_or("the process ended before its memory could be seen")?;
    Ok(Point {
        jobs,
        seconds,
        rss_bytes: rss_bytes as f64,
    })
}

/// The slope of the line through the logarithms, by least squares.
fn growth_exponent(points: &[Point]) -> f64 {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (f64::from(point.jobs).ln(), point.seconds.ln()))
        .collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let rise: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let run: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    rise / run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_growth_exponent_of_a_square_is_two() {
        let points = JOB_COUNTS.map(|jobs| Point {
            jobs,
            seconds: f64::from(jobs).powi(2) * 3e-6,
            rss_bytes: 0.0,
        });
        let exponent = growth_exponent(&points);
        assert!((exponent - 2.0).abs() < 1e-9, "{exponent}");
    }
}
