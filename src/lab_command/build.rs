//! Building a learner's lab and running it.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use blockjob::runtime::AioContext;
use blockjob_labs::Lab;
use blockjob_sim::lab::read_json;
use futures_lite::FutureExt;
use serde_json::Value;

use crate::failure::Failure;
use crate::say;

/// After so long a learner is told that the lab still runs.
const QUIET_NS: u64 = 10_000_000_000;

/// A lab that takes longer than this does not end. The longest takes seconds, also on a slow machine.
const PATIENCE_NS: u64 = 120_000_000_000;

/// What came of a try.
#[derive(Debug)]
pub(super) enum Tried {
    /// It was not built; the compiler has said why.
    NotBuilt,
    /// It does not end.
    Endless,
    /// It ended without a word: it was ended by a signal or an abort.
    Died(String),
    /// What its program says.
    Ran(Value),
}

/// Builds a lab in `dir`. False if the compiler does not like it, which it has said on the terminal.
pub(super) fn build(dir: &Path, lab: &Lab) -> Result<bool, Failure> {
    let mut cargo = cargo(dir);
    cargo.args(["build", "--quiet", "--offline", "--bin", &bin(lab)]);
    let status = cargo.status().map_err(|error| cannot("cargo", &error))?;
    Ok(status.success())
}

/// Where the failing run of a lab is written to.
fn page(dir: &Path, lab: &Lab) -> PathBuf {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    dir.join(format!("runs/{}.html", bin(lab)))
}

/// Builds a lab and tries those seeds.
pub(super) fn attempt(
    dir: &Path,
    lab: &Lab,
    seeds: &std::ops::Range<u64>,
) -> Result<Tried, Failure> {
    if !build(dir, lab)? {
        return Ok(Tried::NotBuilt);
    }
    let page = page(dir, lab);
    if let Some(parent) = page.parent() {
        std::fs::create_dir_all(parent).map_err(|error| cannot("the folder of runs", &error))?;
    }
    let mut program = cargo(dir);
    program.args(["run", "--quiet", "--offline", "--bin", &bin(lab), "--"]);
    program.args(["--json", "--seeds"]);
    program.arg(format!("{}..{}", seeds.start, seeds.end));
    program.arg("--page").arg(&page);
    let child = program.stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| cannot("cargo", &error))?;
    match output_in_time(&mut child)? {
        None => Ok(Tried::Endless),
        Some(text) => {
            let status = child.wait().map_err(|error| cannot("the lab", &error))?;
            Ok(match read_json(&text) {
                Some(object) => Tried::Ran(object),
                None => Tried::Died(format!("{status}")),
            })
        }
    }
}

/// What `child` prints, or none if it does not end in time, upon which it is ended. What is no JSON is passed
/// on: a learner may print what he wants to see.
fn output_in_time(child: &mut Child) -> Result<Option<String>, Failure> {
    let mut output = child.stdout.take().expect("it was asked for");
    let context = AioContext::new();
    let reading = context.run("lab", {
        let context = context.clone();
        async move {
            let read = async {
                let reading = context.spawn_blocking(move || {
                    let mut text = String::new();
                    let result = output.read_to_string(&mut text);
                    result.map(|_| text)
                });
                Some(reading.await)
            };
            let late = async {
                context.sleep(QUIET_NS).await;
                say::err(&format!(
                    "It still runs after {} s. After {} s it is given up.",
                    QUIET_NS / 1_000_000_000,
                    PATIENCE_NS / 1_000_000_000
                ));
                context.sleep(PATIENCE_NS - QUIET_NS).await;
                None
            };
            read.or(late).await
        }
    });
    let Some(read) = reading else {
        child.kill().map_err(|error| cannot("the lab", &error))?;
        child.wait().map_err(|error| cannot("the lab", &error))?;
        return Ok(None);
    };
    let text = match read {
        Ok(read) => read.map_err(|error| cannot("the lab", &error))?,
        Err(cancelled) => return Err(Failure::failed(format!("{cancelled:?}"))),
    };
    for line in BufReader::new(text.as_bytes()).lines() {
        let line = line.unwrap_or_default();
        if read_json(&line).is_none() {
            say::out(&line);
        }
    }
    Ok(Some(text))
}

fn bin(lab: &Lab) -> String {
    format!("lab{:02}", lab.number)
}

/// Cargo in `dir`, as whoever started this program has it.
fn cargo(dir: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(dir).stdin(Stdio::null());
    cargo
}

fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot run {what}: {error}"))
}
