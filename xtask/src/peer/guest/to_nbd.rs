//! A qcow2 image, half full, copied to an NBD server.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::Bench;
use super::fio::uri;
use super::server::{Below, Daemon, Image, QemuNbd, Served};
use crate::Failure;
use crate::clock::Stopwatch;
use crate::peer::contender::Tools;
use crate::peer::daemon::wait_for;
use crate::peer::disk::{self, Layout};
use crate::peer::report::median;
use crate::peer::verify::{self, Depth};
use crate::peer::{measure, qcow2};
use crate::suites::heading;

/// Half of it holds data, in pieces of 1 MiB.
const SIZE_BYTES: u64 = 1 << 30;
/// What one copy may take.
const LIMIT_S: u32 = 120;

enum How<'a> {
    /// A process; `SRC` and `URI` in the words stand for the image and the server's export.
    Program(Vec<String>),
    /// A job inside a running daemon.
    Mirror(&'a Daemon),
}

struct Row<'a> {
    name: String,
    ours: bool,
    how: How<'a>,
    wall_s: Vec<f64>,
}

struct Paths {
    raw: PathBuf,
    qcow2: PathBuf,
    target: PathBuf,
}

/// Measures all tools in turns and prints a table. Each copy is compared with the source.
pub(crate) fn run(bench: &Bench<'_>, memory: &Path, tools: &Tools) -> Result<(), Failure> {
    heading("qcow2 to NBD: 1 GiB, half of it data, to qemu-nbd with a raw file in memory");
    let paths = Paths {
        raw: memory.join("source.raw"),
        qcow2: memory.join("source.qcow2"),
        target: memory.join("target.raw"),
    };
    let layout = Layout {
        size_bytes: SIZE_BYTES,
        piece_bytes: 1 << 20,
        stride_bytes: 2 << 20,
    };
    disk::make(&paths.raw, layout)?;
    let convert = ["convert", "-q", "-f", "raw", "-O", "qcow2"];
    qcow2::qemu_img(&convert, &[&paths.raw, &paths.qcow2], &[])?;
    let mut rows = rows(bench, tools);
    for round in 0..bench.rounds {
        for turn in 0..rows.len() {
            let index = (round + turn) % rows.len();
            let row = &mut rows[index];
            let wall_s =
                one(bench, row, &paths).map_err(|failure| format!("{}: {failure}", row.name))?;
            eprintln!(
                "round {} of {}: {:<48} {wall_s:.3} s",
                round + 1,
                bench.rounds,
                row.name
            );
            row.wall_s.push(wall_s);
        }
    }
    print(&rows);
    for path in [&paths.raw, &paths.qcow2, &paths.target] {
        disk::remove(path)?;
    }
    Ok(())
}

fn rows<'a>(bench: &'a Bench<'_>, tools: &Tools) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let program = |line: &str| How::Program(line.split(' ').map(String::from).collect());
    if let Some(blockjob) = &tools.blockjob {
        let line = "mirror --source-format qcow2 --mode existing SRC URI";
        rows.push(Row {
            name: format!("blockjob {line}"),
            ours: true,
            how: program(&format!("{} {line}", blockjob.display())),
            wall_s: Vec::new(),
        });
    }
    for daemon in &bench.daemons {
        rows.push(Row {
            name: format!("{} blockdev-mirror", daemon.name),
            ours: daemon.ours,
            how: How::Mirror(daemon),
            wall_s: Vec::new(),
        });
    }
    for line in [
        "qemu-img convert -n -W -m 16 -f qcow2 -O raw SRC URI",
        "qemu-img convert -n -m 16 -f qcow2 -O raw SRC URI",
        "nbdcopy --flush -- [ qemu-nbd -f qcow2 SRC ] URI",
    ] {
        rows.push(Row {
            name: line.into(),
            ours: false,
            how: program(line),
            wall_s: Vec::new(),
        });
    }
    rows
}

/// Seconds from the start of the process, or from the job's command, to the end of the copy.
fn one(bench: &Bench<'_>, row: &Row<'_>, paths: &Paths) -> Result<f64, Failure> {
    let _limit = bench.scratch.limit(LIMIT_S);
    disk::make_empty(&paths.target, SIZE_BYTES)?;
    verify::warm(&paths.qcow2)?;
    let server = QemuNbd::start(bench.scratch, "raw", &paths.target)?;
    let wall_s = match &row.how {
        How::Program(words) => {
            let mut filled = words.iter().map(|word| {
                let word = word.replace("URI", &uri(&server.socket, "disk"));
                word.replace("SRC", &paths.qcow2.display().to_string())
            });
            let mut command = Command::new(filled.next().expect("a command has a word"));
            command.args(filled);
            measure::program(bench.scratch, &mut command, &paths.target)?.wall_s
        }
        How::Mirror(daemon) => mirror(bench, daemon, paths, &server)?,
    };
    drop(server);
    verify::same(&paths.raw, &paths.target, &[], Depth::Full)?;
    Ok(wall_s)
}

fn mirror(
    bench: &Bench<'_>,
    daemon: &Daemon,
    paths: &Paths,
    server: &QemuNbd,
) -> Result<f64, Failure> {
    let source = Image {
        format: "qcow2",
        below: Below::File {
            path: &paths.qcow2,
            direct: false,
        },
    };
    let target = Image {
        format: "raw",
        below: Below::Nbd {
            socket: &server.socket,
        },
    };
    let mut served = Served::start(bench.scratch, daemon, source, Some(target))?;
    let arguments = json!({
        "job-id": "mirror0", "device": "source", "target": "target", "sync": "full",
        "auto-dismiss": false,
    });
    let watch = Stopwatch::start();
    served.qmp.execute("blockdev-mirror", arguments)?;
    wait_for(&mut served.qmp, "ready")?;
    served
        .qmp
        .execute("job-complete", json!({"id": "mirror0"}))?;
    wait_for(&mut served.qmp, "concluded")?;
    let wall_s = watch.seconds();
    served
        .qmp
        .execute("job-dismiss", json!({"id": "mirror0"}))?;
    served.quit()?;
    Ok(wall_s)
}

/// Prints the rows. The last column is the median time over that of the fastest tool that is not ours.
fn print(rows: &[Row<'_>]) {
    let best_other_s = rows
        .iter()
        .filter(|row| !row.ours)
        .map(|row| median(row.wall_s.clone()))
        .min_by(f64::total_cmp)
        .unwrap_or(f64::NAN);
    println!(
        "| {:<62} | {:>8} | {:>8} | {:>8} | {:>10} |",
        "tool", "median s", "fastest", "slowest", "best other"
    );
    println!("|---|--:|--:|--:|--:|");
    for row in rows {
        let middle_s = median(row.wall_s.clone());
        let fastest_s = row.wall_s.iter().copied().fold(f64::INFINITY, f64::min);
        let slowest_s = row.wall_s.iter().copied().fold(0.0, f64::max);
        println!(
            "| {:<62} | {middle_s:>8.3} | {fastest_s:>8.3} | {slowest_s:>8.3} | {:>10.2} |",
            row.name,
            middle_s / best_other_s
        );
    }
}
