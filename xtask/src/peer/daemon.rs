//! `blockdev-mirror` of two files in a storage daemon: the peer's, or ours.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::disk;
use super::measure::{Gauge, Sample};
use super::qmp::Qmp;
use super::scratch::{Running, Scratch};
use crate::Failure;
use crate::clock::Stopwatch;

/// How the job is asked for.
pub(crate) struct Mirror {
    /// The daemon, with the words that come before its options.
    pub(crate) daemon: Vec<String>,
    /// The format of both images.
    pub(crate) format: &'static str,
    /// Bytes of one granule of the dirty bitmap; none for the daemon's own choice.
    pub(crate) granularity_bytes: Option<u64>,
    /// Whether zeroes may be written as holes (`discard=unmap` on the target).
    pub(crate) unmap: bool,
}

/// Mirrors the source to the target, which must exist with the same length.
///
/// The wall time runs from sending the command to the job's conclusion and an `fsync` of the
/// target: the daemon's start is not in it. CPU time and memory are those of the whole process.
pub(crate) fn mirror(
    scratch: &Scratch,
    mirror: &Mirror,
    source: &Path,
    target: &Path,
) -> Result<Sample, Failure> {
    let mut running = scratch.spawn(&mut command(mirror, source, target))?;
    let gauge = Gauge::start(running.pid());
    let mut qmp = connect(&mut running)?;

    let mut arguments = json!({
        "job-id": "mirror0", "device": "source", "target": "target",
        "sync": "full", "auto-dismiss": false,
    });
    if let Some(granularity_bytes) = mirror.granularity_bytes {
        arguments["granularity"] = granularity_bytes.into();
    }
    let watch = Stopwatch::start();
    qmp.execute("blockdev-mirror", arguments)?;
    wait_for(&mut qmp, "ready")?;
    qmp.execute("job-complete", json!({"id": "mirror0"}))?;
    wait_for(&mut qmp, "concluded")?;
    disk::sync(target)?;
    let wall_s = watch.seconds();

    qmp.execute("job-dismiss", json!({"id": "mirror0"}))?;
    qmp.execute("quit", json!({}))?;
    drop(qmp);
    let status = running.wait()?;
    if !status.success() {
        return Err(format!("{}: {status}", mirror.daemon.join(" ")).into());
    }
    let (cpu_s, max_rss_bytes) = gauge.finish()?;
    Ok(Sample {
        wall_s,
        cpu_s,
        max_rss_bytes,
    })
}

fn command(mirror: &Mirror, source: &Path, target: &Path) -> Command {
    let format = mirror.format;
    let discard = if mirror.unmap { "unmap" } else { "ignore" };
    // A comma in an option's value is written twice.
    let escaped = |path: &Path| path.display().to_string().replace(',', ",,");
    let nodes = [
        format!(
            "driver=file,node-name=source-file,read-only=on,filename={}",
            escaped(source)
        ),
        format!("driver={format},node-name=source,read-only=on,file=source-file"),
        format!(
            "driver=file,node-name=target-file,discard={discard},filename={}",
            escaped(target)
        ),
        format!("driver={format},node-name=target,discard={discard},file=target-file"),
    ];
    let (program, first) = mirror.daemon.split_first().expect("a daemon has a name");
    let mut command = Command::new(program);
    command.args(first);
    for node in nodes {
        command.arg("--blockdev").arg(node);
    }
    // The monitor speaks over the daemon's own input and output, so nothing waits for a socket
    // to appear, and a daemon that dies is seen as the end of its output.
    command
        .args(["--chardev", "stdio,id=qmp,signal=off"])
        .args(["--monitor", "chardev=qmp,mode=control"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn connect(running: &mut Running) -> Result<Qmp, Failure> {
    let (input, output) = running.pipes();
    Qmp::negotiate(output, input)
}

/// Waits for a status of the job; a job that ends with an error fails with it.
pub(crate) fn wait_for(qmp: &mut Qmp, status: &str) -> Result<(), Failure> {
    qmp.wait_event(|event| {
        let data = &event["data"];
        match event["event"].as_str() {
            Some("JOB_STATUS_CHANGE") => Ok(data["status"] == status),
            Some("BLOCK_JOB_ERROR") => Err(format!("the job met an error: {data}").into()),
            Some("BLOCK_JOB_COMPLETED") if data["error"] != Value::Null => {
                Err(format!("the job failed: {}", data["error"]).into())
            }
            _ => Ok(false),
        }
    })
}
