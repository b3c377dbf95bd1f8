//! `cargo xtask bench-peer`: `blockjob mirror` beside the tools that people use for the same copy.
//!
//! Every tool of a case runs once a round, and each round begins with another tool, so that a slow
//! minute of the machine falls on all of them. Every time includes an `fsync` of the target, which
//! the harness adds for all, so a tool that leaves its data in the page cache gains nothing by it.

mod case;
mod contender;
mod daemon;
mod disk;
mod guest;
mod iothreads;
mod machine;
mod many;
mod measure;
mod qcow2;
mod qmp;
mod qmp_speed;
mod report;
mod scratch;
mod verify;

use std::path::{Path, PathBuf};

use crate::suites::heading;
use crate::{Failure, size, tree};
use case::{Case, Geometry};
use contender::{Contender, How, Tools};
use measure::Sample;
use report::Row;
use scratch::Scratch;
use verify::Depth;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Bytes of the disk that is full of data; twice as much space is needed.
    #[arg(long, default_value = "1G", value_parser = size::parse)]
    size: u64,
    /// Bytes of the sparse disk, which holds data in one 64th of it.
    #[arg(long, default_value = "64G", value_parser = size::parse)]
    sparse_size: u64,
    /// How often each tool runs.
    #[arg(long, visible_alias = "runs", default_value_t = 5)]
    rounds: usize,
    /// The folder to make the scratch folder in [default: cargo's target folder].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only these cases; may be repeated.
    #[arg(long = "case", value_enum)]
    cases: Vec<Case>,
    /// Compare every byte of each copy, in place of 256 ranges of it.
    #[arg(long)]
    verify: bool,
    /// Measure the other tools alone.
    #[arg(long)]
    without_blockjob: bool,
    /// Measure this program, in place of building the workspace's in release mode.
    #[arg(long, conflicts_with = "without_blockjob")]
    blockjob: Option<PathBuf>,
    /// In place of the cases: qcow2 to qcow2, a full disk of --size and a sparse one of --sparse-size.
    #[arg(long, conflicts_with = "many")]
    qcow2: bool,
    /// In place of the cases: the round trip of a command, a query of 100 jobs, and 1,000 mirrors of
    /// 1 MiB over QMP.
    #[arg(long, conflicts_with_all = ["many", "qcow2"])]
    qmp: bool,
    /// In place of the cases: 250, 500 and 1,000 mirrors of 1 MiB in one process of blockjob.
    #[arg(long)]
    many: bool,
    /// In place of the cases: two guests over NBD, with one I/O thread and with two.
    #[arg(long, conflicts_with_all = ["many", "qcow2", "qmp", "guest", "convergence"])]
    iothreads: bool,
    #[command(flatten)]
    guest: guest::GuestOptions,
}

/// Runs the cases asked for and prints a table for each.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let blockjob = match &options.blockjob {
        Some(program) => Some(program.canonicalize()?),
        None if options.without_blockjob && !options.many => None,
        None => Some(build_blockjob()?),
    };
    let base = match &options.dir {
        Some(dir) => dir.clone(),
        None => tree::target_dir(),
    };
    let scratch = Scratch::new(&base)?;
    scratch.remove_on_signal()?;
    machine::print_header(scratch.path(), blockjob.as_deref());

    if let (true, Some(program)) = (options.many, &blockjob) {
        return many::run(&scratch, program);
    }
    if options.qmp {
        return qmp_speed::run(&scratch, blockjob.as_deref(), options.rounds);
    }
    let tools = Tools::found(blockjob)?;
    if options.iothreads {
        let asked = iothreads::Asked {
            rounds: options.rounds,
            seconds: options.guest.seconds,
        };
        return iothreads::run(&scratch, &tools, &asked);
    }
    if options.guest.is_on() {
        return guest::run(&scratch, &tools, &options.guest, options.rounds);
    }
    if options.qcow2 {
        return qcow2::run(&scratch, &tools, options);
    }
    let cases: &[Case] = match options.cases.as_slice() {
        [] => &[Case::Allocated, Case::Fresh, Case::Sparse],
        chosen => chosen,
    };
    for &case in cases {
        let geometry = Geometry::of(case, options.size, options.sparse_size)?;
        run_case(&scratch, &geometry, &tools, options)?;
    }
    Ok(())
}

/// Builds the program in release mode and returns its path, if it can mirror at all.
fn build_blockjob() -> Result<PathBuf, Failure> {
    heading("cargo build --release --package blockjob");
    let words = ["build", "--release", "--package", "blockjob"];
    if !tree::cargo(words).status()?.success() {
        return Err("the program does not build; --without-blockjob measures the others".into());
    }
    let program = tree::target_dir().join("release/blockjob");
    let help = std::process::Command::new(&program)
        .args(["mirror", "--help"])
        .output()?;
    if !help.status.success() || !String::from_utf8_lossy(&help.stdout).contains("mirror") {
        let shown = program.display();
        return Err(format!(
            "{shown} has no command 'mirror'; --without-blockjob measures the others"
        )
        .into());
    }
    Ok(program)
}

/// Makes the source, runs all rounds, prints the table, and removes both disks.
fn run_case(
    scratch: &Scratch,
    geometry: &Geometry,
    tools: &Tools,
    options: &Options,
) -> Result<(), Failure> {
    let free_bytes = disk::free_bytes(scratch.path())?;
    let contenders = contender::list(geometry, tools, free_bytes);
    heading(&geometry.title());
    geometry.check_space(free_bytes)?;
    let source = scratch.path().join("source.raw");
    let target = scratch.path().join("target.raw");
    disk::make(&source, geometry.layout())?;
    let probes = verify::probes(&source)?;
    let depth = match options.verify {
        true => Depth::Full,
        false => Depth::Sampled,
    };

    let mut rows: Vec<Row> = contenders.iter().map(Row::new).collect();
    for round in 0..options.rounds {
        for turn in 0..contenders.len() {
            // Each round begins with another tool: no tool always follows the same one.
            let index = (round + turn) % contenders.len();
            let contender = &contenders[index];
            prepare_target(geometry, contender, &target, &probes)?;
            verify::warm(&source)?;
            let sample = run_one(scratch, contender, &source, &target)?;
            verify::same(&source, &target, &probes, depth)
                .map_err(|failure| format!("{}: {failure}", contender.name))?;
            eprintln!(
                "round {} of {}: {:<52} {:.3} s",
                round + 1,
                options.rounds,
                contender.name,
                sample.wall_s
            );
            rows[index].add(sample, disk::allocated_bytes(&target)?);
        }
    }
    report::print(&rows);
    disk::remove(&target)?;
    disk::remove(&source)
}

/// Brings the target to the state the case asks for, and everything dirty to the disk.
fn prepare_target(
    geometry: &Geometry,
    contender: &Contender,
    target: &Path,
    probes: &[u64],
) -> Result<(), Failure> {
    match geometry.case {
        Case::Allocated => {
            if !target.exists() {
                disk::make(target, geometry.layout())?;
            }
            // The copy of the tool before is still there. Noise where the check looks, so that
            // a tool that copies nothing is found out.
            disk::write_noise(target, probes)?;
        }
        Case::Fresh | Case::Sparse => {
            disk::remove(target)?;
            if contender.needs_a_target() {
                disk::make_empty(target, geometry.size_bytes)?;
            }
        }
    }
    nix::unistd::sync();
    Ok(())
}

/// One timed copy.
fn run_one(
    scratch: &Scratch,
    contender: &Contender,
    source: &Path,
    target: &Path,
) -> Result<Sample, Failure> {
    match &contender.how {
        How::Program(words) => {
            let mut command = contender::command(words, source, target);
            measure::program(scratch, &mut command, target)
        }
        How::Mirror(mirror) => daemon::mirror(scratch, mirror, source, target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole harness on small disks, with every tool that is installed here.
    #[test]
    fn every_tool_makes_a_copy_that_passes_the_check() {
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        let tools = Tools::found(None).unwrap();
        let options = Options {
            size: 4 << 20,
            sparse_size: 256 << 20,
            rounds: 1,
            dir: None,
            cases: Vec::new(),
            verify: true,
            without_blockjob: true,
            blockjob: None,
            qcow2: false,
            qmp: false,
            many: false,
            iothreads: false,
            guest: guest::GuestOptions::default(),
        };
        for case in [Case::Allocated, Case::Fresh, Case::Sparse] {
            let geometry = Geometry::of(case, options.size, options.sparse_size).unwrap();
            run_case(&scratch, &geometry, &tools, &options).unwrap();
        }
    }

    #[test]
    fn a_tool_that_copies_nothing_is_found_out_on_every_kind_of_target() {
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        let source = scratch.path().join("source.raw");
        let target = scratch.path().join("target.raw");
        let idle = Contender {
            name: "does nothing".into(),
            ours: false,
            how: How::Mirror(daemon::Mirror {
                daemon: contender::peer_daemon(),
                format: "raw",
                granularity_bytes: None,
                unmap: false,
            }),
        };
        for case in [Case::Allocated, Case::Fresh, Case::Sparse] {
            let geometry = Geometry::of(case, 4 << 20, 256 << 20).unwrap();
            disk::make(&source, geometry.layout()).unwrap();
            let probes = verify::probes(&source).unwrap();
            prepare_target(&geometry, &idle, &target, &probes).unwrap();
            let verdict = verify::same(&source, &target, &probes, Depth::Sampled);
            assert!(verdict.is_err(), "{case:?}: nothing was copied, and passed");
            disk::remove(&target).unwrap();
        }
    }
}
