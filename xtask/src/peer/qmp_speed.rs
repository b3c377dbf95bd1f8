//! `cargo xtask bench-peer --qmp`: what a command costs, ours and the peer's in turns.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::contender::peer_daemon;
use super::qmp::Qmp;
use super::scratch::{Running, Scratch};
use crate::Failure;
use crate::clock::Stopwatch;
use crate::suites::heading;

/// How many commands are timed together.
const COMMANDS: u32 = 2000;
/// How many jobs a query shows.
const SHOWN_JOBS: u32 = 100;
/// How many mirrors run to their end in one process; the peer takes minutes for a thousand.
const OUR_MIRRORS: u32 = 1000;
const PEER_MIRRORS: u32 = 250;
/// The size of the disk of each of them.
const MIRROR_BYTES: u64 = 1 << 20;

/// A daemon whose monitor speaks over its own input and output.
struct Daemon {
    running: Running,
    qmp: Qmp,
}

impl Daemon {
    fn start(scratch: &Scratch, words: &[String]) -> Result<Self, Failure> {
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(["--chardev", "stdio,id=qmp,signal=off"])
            .args(["--monitor", "chardev=qmp,mode=control"])
            .current_dir(scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut running = scratch.spawn(&mut command)?;
        let (input, output) = running.pipes();
        let qmp = Qmp::negotiate(output, input)?;
        Ok(Daemon { running, qmp })
    }

    fn quit(mut self) -> Result<(), Failure> {
        self.qmp.execute("quit", json!({}))?;
        drop(self.qmp);
        let status = self.running.wait()?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("the daemon ended badly: {status}").into()),
        }
    }
}

/// Measures each of the three with each daemon, `rounds` times in turns, and prints the medians.
pub(crate) fn run(
    scratch: &Scratch,
    blockjob: Option<&Path>,
    rounds: usize,
) -> Result<(), Failure> {
    let mut daemons = Vec::new();
    if let Some(blockjob) = blockjob {
        let words = vec![blockjob.display().to_string(), "serve".into()];
        daemons.push(("blockjob serve", words, OUR_MIRRORS));
    }
    daemons.push(("qemu-storage-daemon", peer_daemon(), PEER_MIRRORS));
    heading("QMP over a pipe");
    println!(
        "| {:<20} | {:>13} | {:>21} | {:>22} |",
        "daemon", "round trip us", "query of 100 jobs us", "mirrors of 1 MiB"
    );
    println!("|---|--:|--:|--:|");
    let mut trips = vec![Vec::new(); daemons.len()];
    let mut queries = vec![Vec::new(); daemons.len()];
    for _ in 0..rounds {
        for (index, (_, words, _)) in daemons.iter().enumerate() {
            trips[index].push(round_trip_us(scratch, words)?);
            queries[index].push(query_us(scratch, words)?);
        }
    }
    for (index, (name, words, mirrors)) in daemons.iter().enumerate() {
        let seconds = mirrors_s(scratch, words, *mirrors)?;
        println!(
            "| {name:<20} | {:>13.1} | {:>21.1} | {:>22} |",
            median(&mut trips[index]),
            median(&mut queries[index]),
            format!("{mirrors} in {seconds:.2} s")
        );
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Microseconds for a command that does nothing.
fn round_trip_us(scratch: &Scratch, words: &[String]) -> Result<f64, Failure> {
    let mut daemon = Daemon::start(scratch, words)?;
    let watch = Stopwatch::start();
    for _ in 0..COMMANDS {
        daemon.qmp.exchange("query-jobs")?;
    }
    let us = watch.seconds() * 1e6 / f64::from(COMMANDS);
    daemon.quit()?;
    Ok(us)
}

/// Microseconds for a query of a hundred mirrors that are ready.
fn query_us(scratch: &Scratch, words: &[String]) -> Result<f64, Failure> {
    let mut daemon = Daemon::start(scratch, words)?;
    for job in 0..SHOWN_JOBS {
        for side in ["source", "target"] {
            let node = json!({"driver": "null-co", "node-name": format!("{side}{job}"),
                              "size": MIRROR_BYTES, "read-zeroes": true});
            daemon.qmp.execute("blockdev-add", node)?;
        }
        start_mirror(&mut daemon.qmp, job)?;
    }
    for _ in 0..SHOWN_JOBS {
        let ready = |event: &Value| Ok(event["event"] == "BLOCK_JOB_READY");
        daemon.qmp.wait_event(ready)?;
    }
    let jobs = daemon.qmp.execute("query-block-jobs", json!({}))?;
    if jobs.as_array().map(Vec::len) != Some(SHOWN_JOBS as usize) {
        return Err(format!("a query showed other jobs: {jobs}").into());
    }
    // The jobs have told all that they had to tell: the next line is the reply.
    let watch = Stopwatch::start();
    let queries = COMMANDS / 10;
    for _ in 0..queries {
        daemon.qmp.exchange("query-block-jobs")?;
    }
    let us = watch.seconds() * 1e6 / f64::from(queries);
    daemon.quit()?;
    Ok(us)
}

fn start_mirror(qmp: &mut Qmp, job: u32) -> Result<(), Failure> {
    let mirror = json!({"job-id": format!("job{job}"), "device": format!("source{job}"),
                        "target": format!("target{job}"), "sync": "full"});
    qmp.execute("blockdev-mirror", mirror).map(|_| ())
}

/// Seconds from the first command to the conclusion of the last of so many mirrors of real files.
fn mirrors_s(scratch: &Scratch, words: &[String], mirrors: u32) -> Result<f64, Failure> {
    let dir = scratch.path().join("many");
    std::fs::create_dir(&dir)?;
    let content = vec![0xa5; MIRROR_BYTES as usize];
    for job in 0..mirrors {
        std::fs::write(dir.join(format!("source{job}")), &content)?;
        std::fs::File::create(dir.join(format!("target{job}")))?.set_len(MIRROR_BYTES)?;
    }
    nix::unistd::sync();
    let mut daemon = Daemon::start(scratch, words)?;
    let watch = Stopwatch::start();
    for job in 0..mirrors {
        for side in ["source", "target"] {
            let name = format!("{side}{job}");
            let node = json!({"driver": "file", "node-name": name, "filename": dir.join(&name)});
            daemon.qmp.execute("blockdev-add", node)?;
        }
        start_mirror(&mut daemon.qmp, job)?;
    }
    let (mut ready, mut done) = (0, 0);
    while done < mirrors {
        let mut which = Value::Null;
        daemon.qmp.wait_event(|event| {
            which = event["data"]["device"].clone();
            match event["event"].as_str() {
                Some("BLOCK_JOB_READY") => {
                    ready += 1;
                    Ok(true)
                }
                Some("BLOCK_JOB_COMPLETED") if event["data"]["error"].is_null() => {
                    done += 1;
                    which = Value::Null;
                    Ok(true)
                }
                Some("BLOCK_JOB_COMPLETED" | "BLOCK_JOB_CANCELLED") => {
                    Err(format!("a mirror failed: {event}").into())
                }
                _ => Ok(false),
            }
        })?;
        if !which.is_null() {
            daemon
                .qmp
                .execute("block-job-complete", json!({"device": which}))?;
        }
    }
    let seconds = watch.seconds();
    daemon.quit()?;
    for job in 0..mirrors {
        if std::fs::read(dir.join(format!("target{job}")))? != content {
            return Err(format!("mirror {job} is no copy").into());
        }
    }
    std::fs::remove_dir_all(&dir)?;
    if ready != mirrors {
        return Err(format!("{ready} of {mirrors} mirrors were ready").into());
    }
    Ok(seconds)
}
