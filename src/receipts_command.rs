//! `blockjob receipts`: what has become of the jobs of a daemon that are over.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use blockjob::qapi::json::to_json;
use blockjob::qapi::{Dict, Number, QmpError, Value};
use blockjob::runtime::AioContext;
use clap::Args;

use crate::failure::Failure;
use crate::qmp_client::QmpClient;
use crate::{say, size};

/// Says what has become of the jobs of a daemon that are over, the oldest first
///
/// The daemon keeps the last 1,000 receipts for as long as it runs. Only jobs that copy leave one.
///
/// Exit status: 0, there was an answer. 1, the connection was lost. 2, there is no such receipt, or no
/// `blockjob serve` with QMP at SOCKET.
#[derive(Debug, Args)]
pub(crate) struct ReceiptsArgs {
    /// The unix socket on which the daemon listens for QMP
    #[arg(value_name = "SOCKET")]
    socket: PathBuf,
    /// Only jobs of this name; there may have been several, one after the other
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// Print what the daemon answers, as a JSON array in one line
    #[arg(long)]
    json: bool,
}

/// Asks, and prints the answer.
pub(crate) fn run(args: &ReceiptsArgs) -> Result<ExitCode, Failure> {
    let ctx = AioContext::new();
    let _current = ctx.make_current();
    let (socket, job) = (args.socket.clone(), args.job.clone());
    let answer = ctx.run("receipts", async move {
        let mut client = QmpClient::connect(&socket).await?;
        let answer = query(&mut client, job.as_deref()).await?;
        answer.map_err(|error| refused(&socket, &error))
    })?;
    let receipts = answer.as_list().unwrap_or_default();
    if let (Some(job), true) = (&args.job, receipts.is_empty()) {
        return Err(Failure::bad_input(format!(
            "no job '{job}' has ended in this daemon"
        )));
    }
    if args.json {
        say::out(&to_json(&answer));
        return Ok(ExitCode::SUCCESS);
    }
    if receipts.is_empty() {
        say::out("No job has ended.");
    }
    for receipt in receipts.iter().filter_map(Value::as_dict) {
        say::out(&head(receipt));
        for line in sentences(receipt) {
            say::out(&format!("  {line}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The receipts of jobs named `job`, or of all.
pub(crate) async fn query(
    client: &mut QmpClient,
    job: Option<&str>,
) -> Result<Result<Value, QmpError>, Failure> {
    let mut args = Dict::new();
    if let Some(job) = job {
        args.put("id", job.to_owned());
    }
    client.execute("x-query-job-receipts", args).await
}

fn refused(socket: &Path, error: &QmpError) -> Failure {
    Failure::bad_input(format!(
        "'{}': {}: only a `blockjob serve` keeps receipts",
        socket.display(),
        error.desc
    ))
}

fn text<'a>(dict: &'a Dict, name: &str) -> &'a str {
    dict.get(name).and_then(Value::as_str).unwrap_or("?")
}

/// A whole number of an object; none if it is not there.
pub(crate) fn number(dict: &Dict, name: &str) -> Option<u64> {
    match dict.get(name) {
        Some(Value::Num(Number::Int(number))) => u64::try_from(*number).ok(),
        Some(Value::Num(Number::UInt(number))) => Some(*number),
        _ => None,
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

fn head(receipt: &Dict) -> String {
    let error = receipt.get("error").and_then(Value::as_str);
    let error = error.map(|error| format!(": {error}")).unwrap_or_default();
    format!(
        "{}. Job '{}' ({}): {} after {}{error}",
        number(receipt, "number").unwrap_or(0),
        text(receipt, "id"),
        text(receipt, "type"),
        text(receipt, "outcome"),
        seconds(number(receipt, "duration-ms").unwrap_or(0)),
    )
}

/// What a receipt says, but for how the job ended, as sentences.
pub(crate) fn sentences(receipt: &Dict) -> Vec<String> {
    let mut lines = vec![disks(receipt), work(receipt), times(receipt)];
    lines.extend(writes(receipt));
    lines.extend(verified(receipt));
    lines
}

fn disks(receipt: &Dict) -> String {
    let disk = |name: &str| {
        let disk = receipt.get(name).and_then(Value::as_dict);
        disk.map_or_else(String::new, |disk| {
            let (node, file) = (text(disk, "node-name"), text(disk, "filename"));
            format!("node '{node}' ({file})")
        })
    };
    format!(
        "{} from {} to {}, sync {}, copy mode {}.",
        size::show(number(receipt, "len").unwrap_or(0)),
        disk("source"),
        disk("target"),
        text(receipt, "sync"),
        text(receipt, "copy-mode"),
    )
}

fn work(receipt: &Dict) -> String {
    let bytes = |name: &str| number(receipt, name).unwrap_or(0);
    let mut parts = vec![format!("{} copied", size::show(bytes("copied-bytes")))];
    for (name, what) in [
        ("recopied-bytes", "of them again"),
        ("zeroed-bytes", "zeroed"),
        ("skipped-bytes", "left as zeroes"),
        ("active-bytes", "written by the guest to both sides"),
    ] {
        if bytes(name) > 0 {
            parts.push(format!("{} {what}", size::show(bytes(name))));
        }
    }
    let flushes = match number(receipt, "flushes").unwrap_or(0) {
        1 => "1 flush".to_owned(),
        flushes => format!("{flushes} flushes"),
    };
    let flushed = match receipt.get("flushed") {
        Some(Value::Bool(true)) => "nothing was written after the last one",
        _ => "not all that was written is flushed",
    };
    format!("{}; {flushes}, {flushed}.", parts.join(", "))
}

fn times(receipt: &Dict) -> String {
    let Some(ready_ms) = number(receipt, "ready-ms") else {
        return "It was never ready.".to_owned();
    };
    let caught_up = match number(receipt, "caught-up") {
        None | Some(1) => String::new(),
        Some(times) => format!(", caught up {times} times"),
    };
    let drained = seconds(number(receipt, "drained-ms").unwrap_or(0));
    format!(
        "Ready after {}{caught_up}; at the end the guest waited {drained}.",
        seconds(ready_ms)
    )
}

fn writes(receipt: &Dict) -> Option<String> {
    let last = number(receipt, "last-guest-write")?;
    Some(match last {
        0 => "The guest wrote nothing meanwhile.".to_owned(),
        1 => "The copy contains the guest's only write.".to_owned(),
        last => format!("The copy contains the guest's writes 1 to {last}."),
    })
}

fn verified(receipt: &Dict) -> Option<String> {
    let difference = receipt.get("difference").and_then(Value::as_dict);
    match (text(receipt, "verified"), difference) {
        ("passed", _) => Some("Both sides were read back, and are the same.".to_owned()),
        ("unfinished", _) => Some("Both sides were not read back to the end.".to_owned()),
        ("failed", Some(difference)) => {
            let of = |name| number(difference, name).unwrap_or(0);
            Some(format!(
                "Both sides were read back, and differ from byte {} on.",
                of("offset")
            ))
        }
        _ => None,
    }
}
