//! Building a learner's lab and running it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, Command, ExitStatus, Stdio};

use blockjob::runtime::AioContext;
use blockjob_labs::Lab;
use blockjob_sim::lab::{Attempt, read_json};
use futures_lite::FutureExt;
use serde_json::Value;

use crate::failure::Failure;
use crate::say;

/// After so long a learner is told that it is still being built.
const BUILDING_NS: u64 = 3_000_000_000;

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
    Endless(Option<Attempt>),
    /// It ended without a word: it was ended by a signal or an abort.
    Died(String, Option<Attempt>),
    /// What its program says.
    Ran(Value),
}

/// Builds a lab in `dir`, and returns where its program is; none if the compiler does not like it, which it
/// has said on the terminal.
fn build(dir: &Path, lab: &Lab) -> Result<Option<PathBuf>, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(dir).stdin(Stdio::null());
    cargo.args(["build", "--quiet", "--offline", "--bin", &bin(lab)]);
    cargo.arg("--message-format=json-render-diagnostics");
    let child = cargo.stdout(Stdio::piped()).spawn();
    let child = child.map_err(|error| cannot("cargo", &error))?;
    let words =
        "Building. The first time it is the whole engine, which takes a minute or two.".to_owned();
    let ended = output(child, (BUILDING_NS, words), u64::MAX)?;
    let (text, status) = (ended.text, ended.status);
    if !status.success() {
        return Ok(None);
    }
    let program = text.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let ours =
            message["reason"] == "compiler-artifact" && message["target"]["name"] == bin(lab);
        let program = ours.then(|| message["executable"].as_str())??;
        Some(PathBuf::from(program))
    });
    match program {
        Some(program) => Ok(Some(program)),
        None => Err(Failure::failed(format!(
            "cargo has built {} and did not say where it is",
            bin(lab)
        ))),
    }
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
    let Some(program) = build(dir, lab)? else {
        return Ok(Tried::NotBuilt);
    };
    let page = page(dir, lab);
    if let Some(parent) = page.parent() {
        std::fs::create_dir_all(parent).map_err(|error| cannot("the folder of runs", &error))?;
    }
    let mut program = Command::new(program);
    program.current_dir(dir).stdin(Stdio::null());
    program.args(["--json", "--seeds"]);
    program.arg(format!("{}..{}", seeds.start, seeds.end));
    program.arg("--page").arg(&page);
    let child = program.stdout(Stdio::piped()).spawn();
    let child = child.map_err(|error| cannot("the lab", &error))?;
    let words = format!(
        "It still runs after {} s. After {} s it is given up.",
        QUIET_NS / 1_000_000_000,
        PATIENCE_NS / 1_000_000_000
    );
    let Ended { text, late, status } = output(child, (QUIET_NS, words), PATIENCE_NS)?;
    for line in text.lines() {
        // What is no JSON is passed on: learners may print what they want to see.
        if !line.starts_with('{') || serde_json::from_str::<Value>(line).is_err() {
            say::out(line);
        }
    }
    let attempt = Attempt::last_of(&text);
    Ok(match read_json(&text) {
        _ if late => Tried::Endless(attempt),
        Some(object) => Tried::Ran(object),
        None => Tried::Died(format!("{status}"), attempt),
    })
}

/// A program that has ended.
struct Ended {
    /// What it has printed.
    text: String,
    /// It took too long, and was ended.
    late: bool,
    status: ExitStatus,
}

/// Waits until `child` ends, for `patience_ns` at most, upon which it is killed. After the time of `still` its
/// words are said.
fn output(mut child: Child, still: (u64, String), patience_ns: u64) -> Result<Ended, Failure> {
    let mut output = child.stdout.take().expect("it was asked for");
    let context = AioContext::new();
    let ended = context.run("lab", {
        let context = context.clone();
        async move {
            let mut reading = pin!(context.spawn_blocking(move || {
                let mut text = Vec::new();
                let result = output.read_to_end(&mut text);
                result.map(|_| String::from_utf8_lossy(&text).into_owned())
            }));
            let late = async {
                let (still_ns, words) = still;
                context.sleep(still_ns).await;
                say::err(&words);
                context.sleep(patience_ns.saturating_sub(still_ns)).await;
                None
            };
            let read = async { Some(reading.as_mut().await) }.or(late).await;
            let (read, late) = match read {
                Some(read) => (read, false),
                None => {
                    // It may just have ended by itself. What it had printed until then is read in any case.
                    let _ = child.kill();
                    (reading.await, true)
                }
            };
            let text = read.map_err(io::Error::other)??;
            let status = child.wait()?;
            io::Result::Ok(Ended { text, late, status })
        }
    });
    ended.map_err(|error| cannot("the lab", &error))
}

fn bin(lab: &Lab) -> String {
    format!("lab{:02}", lab.number)
}

fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot run {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).stdout(Stdio::piped());
        shell.spawn().expect("there is a shell")
    }

    #[test]
    fn what_does_not_end_is_ended() {
        let child = shell("exec sleep 1000");
        let ended = output(child, (0, "late".to_owned()), 0).expect("it is ended");
        assert!(ended.late);
        assert!(!ended.status.success(), "{}", ended.status);
    }

    #[test]
    fn what_ends_is_read_whole() {
        let ended = output(
            shell("echo all; exit 3"),
            (u64::MAX, String::new()),
            u64::MAX,
        );
        let ended = ended.expect("it runs");
        assert_eq!((ended.text.as_str(), ended.late), ("all\n", false));
        assert_eq!(ended.status.code(), Some(3));
    }
}
