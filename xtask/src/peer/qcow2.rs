//! `cargo xtask bench-peer --qcow2`: one qcow2 image copied onto a new one.

use std::path::Path;
use std::process::Command;

use super::case::{Case, Geometry};
use super::contender::{Contender, How, Tools, command, peer_daemon};
use super::daemon::{self, Mirror};
use super::measure::{self, Sample};
use super::report::{self, Row};
use super::scratch::Scratch;
use super::{Options, disk, verify};
use crate::Failure;
use crate::suites::heading;

/// Measures a full disk and a sparse one, and prints a table for each.
pub(crate) fn run(scratch: &Scratch, tools: &Tools, options: &Options) -> Result<(), Failure> {
    if !tools.qemu_img || !tools.storage_daemon {
        return Err(
            "qcow2 images are made and judged by the peer's tools, which are missing".into(),
        );
    }
    for case in [Case::Fresh, Case::Sparse] {
        let geometry = Geometry::of(case, options.size, options.sparse_size)?;
        heading(&format!("qcow2, {}", geometry.title()));
        geometry.check_space(disk::free_bytes(scratch.path())?)?;
        run_case(scratch, &geometry, tools, options.rounds)?;
    }
    Ok(())
}

fn run_case(
    scratch: &Scratch,
    geometry: &Geometry,
    tools: &Tools,
    rounds: usize,
) -> Result<(), Failure> {
    let source = scratch.path().join("source.qcow2");
    let target = scratch.path().join("target.qcow2");
    make_source(scratch, geometry, &source)?;
    let contenders = contenders(tools);
    let mut rows: Vec<Row> = contenders.iter().map(Row::new).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let contender = &contenders[index];
            disk::remove(&target)?;
            if contender.needs_a_target() {
                let size = geometry.size_bytes.to_string();
                qemu_img(&["create", "-q", "-f", "qcow2"], &[&target], &[&size])?;
            }
            nix::unistd::sync();
            verify::warm(&source)?;
            let sample = run_one(scratch, contender, &source, &target)?;
            let failed = |failure| format!("{}: {failure}", contender.name);
            let same = ["compare", "-q", "-f", "qcow2", "-F", "qcow2"];
            qemu_img(&same, &[&source, &target], &[]).map_err(failed)?;
            qemu_img(&["check", "-q", "-f", "qcow2"], &[&target], &[]).map_err(failed)?;
            eprintln!(
                "round {} of {rounds}: {:<52} {:.3} s",
                round + 1,
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

/// A raw disk with the data of the case, as a qcow2 image.
fn make_source(scratch: &Scratch, geometry: &Geometry, source: &Path) -> Result<(), Failure> {
    let raw = scratch.path().join("source.raw");
    disk::make(&raw, geometry.layout())?;
    disk::remove(source)?;
    qemu_img(
        &["convert", "-q", "-f", "raw", "-O", "qcow2"],
        &[&raw, source],
        &[],
    )?;
    disk::remove(&raw)?;
    disk::sync(source)
}

fn contenders(tools: &Tools) -> Vec<Contender> {
    let mut list = Vec::new();
    let mirror = |daemon: Vec<String>| {
        How::Mirror(Mirror {
            daemon,
            format: "qcow2",
            granularity_bytes: None,
            unmap: true,
        })
    };
    let program = |line: String| How::Program(line.split(' ').map(String::from).collect());
    if let Some(blockjob) = &tools.blockjob {
        let blockjob = blockjob.display().to_string();
        list.push(Contender {
            name: "blockjob mirror --format qcow2 SRC DST".into(),
            ours: true,
            how: program(format!("{blockjob} mirror --format qcow2 SRC DST")),
        });
        list.push(Contender {
            name: "blockjob serve blockdev-mirror".into(),
            ours: true,
            how: mirror(vec![blockjob, "serve".into()]),
        });
    }
    list.push(Contender {
        name: "qemu-storage-daemon blockdev-mirror".into(),
        ours: false,
        how: mirror(peer_daemon()),
    });
    for line in [
        "qemu-img convert -W -m 16 -f qcow2 -O qcow2 SRC DST",
        "qemu-img convert -m 16 -f qcow2 -O qcow2 SRC DST",
    ] {
        list.push(Contender {
            name: line.into(),
            ours: false,
            how: program(line.into()),
        });
    }
    list
}

fn run_one(
    scratch: &Scratch,
    contender: &Contender,
    source: &Path,
    target: &Path,
) -> Result<Sample, Failure> {
    match &contender.how {
        How::Program(words) => {
            measure::program(scratch, &mut command(words, source, target), target)
        }
        How::Mirror(mirror) => daemon::mirror(scratch, mirror, source, target),
    }
}

pub(crate) fn qemu_img(words: &[&str], paths: &[&Path], more: &[&str]) -> Result<(), Failure> {
    let status = Command::new("qemu-img")
        .args(words)
        .args(paths)
        .args(more)
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("qemu-img {} failed: {status}", words.join(" ")).into()),
    }
}
