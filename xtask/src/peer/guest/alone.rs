//! The NBD servers without a mirror: ours, the peer's daemon and `qemu-nbd`.

use std::path::Path;

use super::Bench;
use super::fio::{Guest, Load};
use super::run::Outcome;
use super::runs::{Runs, ratio};
use super::server::{Below, Daemon, Image, QemuNbd, Served};
use crate::Failure;
use crate::peer::disk::{self, Layout};
use crate::suites::heading;

const DEFAULT_SIZE_BYTES: u64 = 512 << 20;
/// What a run may take besides the time that is measured.
const LIMIT_S: u32 = 30;
/// What the guest does, and how many requests it has under way.
const LOADS: [(&str, u32); 4] = [
    ("randwrite", 8),
    ("randread", 8),
    ("randwrite", 1),
    ("randread", 1),
];

struct Row<'a> {
    load: Load,
    /// None for `qemu-nbd`.
    daemon: Option<&'a Daemon>,
    runs: Runs,
}

impl Row<'_> {
    fn server(&self) -> &'static str {
        self.daemon.map_or("qemu-nbd", |daemon| daemon.name)
    }
}

/// Measures them all and prints a table. False if runs failed.
pub(crate) fn run(bench: &Bench<'_>, memory: &Path) -> Result<bool, Failure> {
    let size_bytes = bench.size_bytes(DEFAULT_SIZE_BYTES)?;
    heading(&format!(
        "NBD server alone: random requests of 4 KiB, one connection, {} in memory",
        crate::size::spell(size_bytes)
    ));
    let path = memory.join("source.raw");
    let layout = Layout {
        size_bytes,
        piece_bytes: 1 << 20,
        stride_bytes: 1 << 20,
    };
    disk::make(&path, layout)?;
    let mut rows = Vec::new();
    for (rw, depth) in LOADS {
        let load = Load {
            depth,
            ..bench.load(rw)
        };
        let daemons = bench.daemons.iter().map(Some);
        for daemon in daemons.chain([None]) {
            rows.push(Row {
                load,
                daemon,
                runs: Runs::default(),
            });
        }
    }
    for round in 0..bench.rounds {
        for turn in 0..rows.len() {
            let index = (round + turn) % rows.len();
            let row = &mut rows[index];
            let outcome = one(bench, row, &path, size_bytes, round);
            let what = format!(
                "round {} of {}: {:<20} {:<9} depth {}",
                round + 1,
                bench.rounds,
                row.server(),
                row.load.rw,
                row.load.depth
            );
            row.runs.add(&what, outcome);
        }
    }
    disk::remove(&path)?;
    print(&rows);
    Ok(rows.iter().all(|row| row.runs.went_well()))
}

fn one(
    bench: &Bench<'_>,
    row: &Row<'_>,
    path: &Path,
    size_bytes: u64,
    seed: usize,
) -> Result<Outcome, Failure> {
    let scratch = bench.scratch;
    let _limit = scratch.limit(row.load.seconds + LIMIT_S);
    let guest = |socket: &Path| Guest::start(scratch, socket, size_bytes, row.load, seed)?.finish();
    let felt = match row.daemon {
        None => {
            let server = QemuNbd::start(scratch, "raw", path)?;
            guest(&server.socket)?
        }
        Some(daemon) => {
            let below = Below::File {
                path,
                direct: false,
            };
            let image = Image {
                format: "raw",
                below,
            };
            let served = Served::start(scratch, daemon, image, None)?;
            let felt = guest(&served.socket)?;
            served.quit()?;
            felt
        }
    };
    Ok(Outcome { felt, copied: None })
}

/// Prints the rows. The ratios are to `qemu-nbd` with the same guest.
fn print(rows: &[Row<'_>]) {
    println!(
        "| {:<18} | {:<19} | {:>6} | {:>13} | {:>6} | {:>16} | {:>15} |",
        "guest", "server", "IOPS", "thousands", "p99 us", "IOPS to qemu-nbd", "p99 to qemu-nbd"
    );
    println!("|---|---|--:|--:|--:|--:|--:|");
    for row in rows {
        let other = rows.iter().find(|other| {
            other.daemon.is_none()
                && (other.load.rw, other.load.depth) == (row.load.rw, row.load.depth)
        });
        let to_other = |of: fn(&Runs) -> f64| match other {
            Some(other) if row.daemon.is_some() => ratio(of(&row.runs), of(&other.runs)),
            _ => String::new(),
        };
        println!(
            "| {:<18} | {:<19} | {:>6.0} | {:>13} | {:>6.0} | {:>16} | {:>15} |",
            format!("{}, depth {}", row.load.rw, row.load.depth),
            row.server(),
            row.runs.iops(),
            row.runs.spread(),
            row.runs.p99_us(),
            to_other(Runs::iops),
            to_other(Runs::p99_us)
        );
    }
}
