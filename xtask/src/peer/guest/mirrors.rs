//! The guest's random requests during a mirror, by place, mode of copying and daemon.

use std::path::Path;

use super::run::{self, Disks, Job};
use super::runs::{Runs, ratio};
use super::server::Daemon;
use super::{Bench, Place};
use crate::Failure;
use crate::suites::heading;

const DEFAULT_SIZE_BYTES: u64 = 512 << 20;

/// What a row measures.
#[derive(Clone, Copy, PartialEq)]
struct Case {
    rw: &'static str,
    /// None for a guest alone.
    copy_mode: Option<&'static str>,
}

impl Case {
    fn name(self) -> String {
        let mode = self.copy_mode.unwrap_or("no mirror");
        match self.rw {
            "randwrite" => mode.into(),
            "randrw" => format!("{mode}; half of it reads"),
            other => format!("{mode}; {other}"),
        }
    }

    /// What the peer does in its place.
    fn of_the_peer(self) -> Self {
        match self.copy_mode {
            Some("auto") => Self {
                copy_mode: Some("write-blocking"),
                ..self
            },
            _ => self,
        }
    }
}

struct Row<'a> {
    case: Case,
    daemon: &'a Daemon,
    runs: Runs,
}

/// Measures one place and prints its table. False if runs failed.
pub(crate) fn run(bench: &Bench<'_>, place: Place, memory: &Path) -> Result<bool, Failure> {
    let disks = Disks {
        folder: match place {
            Place::Disk => bench.scratch.path(),
            _ => memory,
        },
        size_bytes: bench.size_bytes(DEFAULT_SIZE_BYTES)?,
        direct: place == Place::Disk,
        nbd: place == Place::Nbd,
    };
    heading(&title(place, disks.size_bytes));
    let mut rows = rows(bench, place);
    for round in 0..bench.rounds {
        for turn in 0..rows.len() {
            // Each round begins with another row: none always follows the same one.
            let index = (round + turn) % rows.len();
            let row = &mut rows[index];
            let job = row.case.copy_mode.map(|copy_mode| Job {
                copy_mode,
                speed_bytes: 0,
            });
            let load = bench.load(row.case.rw);
            let outcome = run::one(bench.scratch, row.daemon, disks, load, job, round);
            let what = format!(
                "round {} of {}: {:<20} {:<28}",
                round + 1,
                bench.rounds,
                row.daemon.name,
                row.case.name()
            );
            row.runs.add(&what, outcome);
        }
    }
    print(&rows);
    Ok(rows.iter().all(|row| row.runs.went_well()))
}

fn title(place: Place, size_bytes: u64) -> String {
    let size = crate::size::spell(size_bytes);
    let place = match place {
        Place::Disk => "on disk with direct I/O",
        Place::Nbd => "in memory, the target behind qemu-nbd",
        _ => "in memory",
    };
    format!("guest: random writes of 4 KiB, depth 8, to {size} {place}")
}

fn rows<'a>(bench: &'a Bench<'_>, place: Place) -> Vec<Row<'a>> {
    let mut cases = Vec::new();
    for copy_mode in [
        None,
        Some("background"),
        Some("write-blocking"),
        Some("auto"),
    ] {
        cases.push(Case {
            rw: "randwrite",
            copy_mode,
        });
    }
    if place == Place::Tmpfs {
        cases.push(Case {
            rw: "randrw",
            copy_mode: Some("write-blocking"),
        });
    }
    let mut rows = Vec::new();
    for case in cases {
        for daemon in &bench.daemons {
            if case.copy_mode == Some("auto") && !(daemon.ours && bench.has_auto) {
                continue;
            }
            rows.push(Row {
                case,
                daemon,
                runs: Runs::default(),
            });
        }
    }
    rows
}

/// Prints the rows. Ratios are to the peer in the same mode; to its write-blocking for `auto`.
fn print(rows: &[Row<'_>]) {
    println!(
        "| {:<36} | {:<19} | {:>6} | {:>13} | {:>7} | {:>7} | {:>7} | {:>7} | {:>11} | {:>7} |",
        "mirror",
        "daemon",
        "IOPS",
        "thousands",
        "of idle",
        "p99 us",
        "IOPS to",
        "p99 to",
        "ready",
        "after s"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for row in rows {
        let find = |case: Case, ours: bool| {
            let found = |other: &&Row<'_>| other.case == case && other.daemon.ours == ours;
            rows.iter().find(found)
        };
        let alone = Case {
            copy_mode: None,
            ..row.case
        };
        let idle = find(alone, row.daemon.ours).map_or(f64::NAN, |idle| idle.runs.iops());
        let peer = match row.daemon.ours {
            true => find(row.case.of_the_peer(), false),
            false => None,
        };
        let to_peer = |of: fn(&Runs) -> f64| {
            peer.map_or(String::new(), |peer| ratio(of(&row.runs), of(&peer.runs)))
        };
        println!(
            "| {:<36} | {:<19} | {:>6.0} | {:>13} | {:>7} | {:>7.0} | {:>7} | {:>7} | {:>11} | {:>7} |",
            row.case.name(),
            row.daemon.name,
            row.runs.iops(),
            row.runs.spread(),
            ratio(row.runs.iops(), idle),
            row.runs.p99_us(),
            to_peer(Runs::iops),
            to_peer(Runs::p99_us),
            row.runs.ready(),
            row.runs.ready_s()
        );
    }
}
