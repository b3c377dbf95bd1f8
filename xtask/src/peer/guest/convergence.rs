//! Guests from a tenth to twice the rate of the copy: is the mirror ready while they are at work?
//!
//! The mirror's rate is set by its `speed`, and the guest's by fio, so that the table depends on the
//! machine as little as can be.

use std::path::Path;

use super::Bench;
use super::fio::Load;
use super::run::{self, Disks, Job};
use super::runs::{Runs, ratio};
use super::server::Daemon;
use crate::suites::heading;
use crate::{Failure, size};

const DEFAULT_SIZE_BYTES: u64 = 128 << 20;
const DEFAULT_SECONDS: u32 = 10;
/// The guests' rates, in hundredths of the copy's.
const PERCENTS: [u64; 6] = [10, 50, 90, 110, 150, 200];
/// What the guest writes at a time: a granule, and a multiple of it.
const BLOCK_BYTES: u64 = 64 << 10;

struct Row<'a> {
    daemon: &'a Daemon,
    copy_mode: &'static str,
    percent: u64,
    runs: Runs,
}

/// Measures them all and prints a table. False if runs failed.
pub(crate) fn run(bench: &Bench<'_>, memory: &Path) -> Result<bool, Failure> {
    let speed_bytes = bench.options.speed;
    let disks = Disks {
        folder: memory,
        size_bytes: bench.size_bytes(DEFAULT_SIZE_BYTES)?,
        direct: false,
        nbd: false,
    };
    let seconds = bench.options.seconds.unwrap_or(DEFAULT_SECONDS);
    heading(&format!(
        "convergence: a mirror of {} at {} a second in memory, random writes of 64 KiB, {seconds} s",
        size::spell(disks.size_bytes),
        size::spell(speed_bytes)
    ));
    let mut rows = rows(bench);
    for round in 0..bench.rounds {
        for turn in 0..rows.len() {
            let index = (round + turn) % rows.len();
            let row = &mut rows[index];
            let load = Load {
                rw: "randwrite",
                block_bytes: BLOCK_BYTES,
                depth: 8,
                rate_bytes: Some(speed_bytes * row.percent / 100),
                seconds,
            };
            let job = Job {
                copy_mode: row.copy_mode,
                speed_bytes,
            };
            let outcome = run::one(bench.scratch, row.daemon, disks, load, Some(job), round);
            let what = format!(
                "round {} of {}: {:<20} {:<15} {:>3} %",
                round + 1,
                bench.rounds,
                row.daemon.name,
                row.copy_mode,
                row.percent
            );
            row.runs.add(&what, outcome);
        }
    }
    print(&rows, speed_bytes);
    Ok(rows.iter().all(|row| row.runs.went_well()))
}

fn rows<'a>(bench: &'a Bench<'_>) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for copy_mode in ["background", "write-blocking", "auto"] {
        for percent in PERCENTS {
            for daemon in &bench.daemons {
                if copy_mode == "auto" && !(daemon.ours && bench.has_auto) {
                    continue;
                }
                rows.push(Row {
                    daemon,
                    copy_mode,
                    percent,
                    runs: Runs::default(),
                });
            }
        }
    }
    rows
}

/// Prints the rows: what the guest asked for, what it got of that, and what became of the mirror.
fn print(rows: &[Row<'_>], speed_bytes: u64) {
    println!(
        "| {:<14} | {:>5} | {:<19} | {:>11} | {:>7} | {:>6} | {:>8} | {:>7} | {:>9} |",
        "copy-mode",
        "guest",
        "daemon",
        "ready",
        "after s",
        "IOPS",
        "of asked",
        "p99 us",
        "again MiB"
    );
    println!("|---|--:|---|--:|--:|--:|--:|--:|--:|");
    for row in rows {
        let asked = (speed_bytes * row.percent / 100) as f64 / BLOCK_BYTES as f64;
        println!(
            "| {:<14} | {:>3} % | {:<19} | {:>11} | {:>7} | {:>6.0} | {:>8} | {:>7.0} | {:>9.0} |",
            row.copy_mode,
            row.percent,
            row.daemon.name,
            row.runs.ready(),
            row.runs.ready_s(),
            row.runs.iops(),
            ratio(row.runs.iops(), asked),
            row.runs.p99_us(),
            row.runs.again_mib()
        );
    }
}
