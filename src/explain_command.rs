//! `blockjob explain`: why a job of a daemon is where it is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use blockjob::qapi::json::to_json;
use blockjob::qapi::{Dict, Value};
use blockjob::runtime::AioContext;
use clap::Args;
use futures_lite::FutureExt;

use crate::failure::Failure;
use crate::qmp_client::QmpClient;
use crate::say;

/// After so long without an answer nothing more is waited for.
const PATIENCE_NS: u64 = 3_000_000_000;

/// Says why a job of a daemon is where it is: what it waits for, down to whoever can do something
///
/// One screen of sentences: the state, what was asked of the job, the chain of those who wait for each
/// other, what a person can do about it, the drained sections that are open and the oldest requests.
/// Without JOB, each job is told in one line. The daemon answers also while one of its commands waits
/// for the same thing; then SOCKET must be another one than that command came from.
///
/// Exit status: 0, it was explained. 1, the connection was lost. 2, there is no such job, or no
/// `blockjob serve` with QMP at SOCKET that has no other client.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The unix socket on which the daemon listens for QMP
    #[arg(value_name = "SOCKET")]
    socket: PathBuf,
    /// The job
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// Print what the daemon answers, as JSON in one line: an object, or without JOB an array of them
    #[arg(long)]
    json: bool,
}

/// Asks, and prints the answer.
pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let ctx = AioContext::new();
    let _current = ctx.make_current();
    let (socket, job) = (args.socket.clone(), args.job.clone());
    let patience = ctx.sleep(PATIENCE_NS);
    let answer = ctx.run("explain", async move {
        let silent = async {
            patience.await;
            Err(silence(&socket))
        };
        ask(&socket, job).or(silent).await
    })?;
    match args.json {
        true => say::out(&to_json(&answer)),
        false => show(&answer),
    }
    Ok(ExitCode::SUCCESS)
}

fn silence(socket: &Path) -> Failure {
    let shown = socket.display();
    Failure::bad_input(format!(
        "'{shown}' does not answer: another client may be connected to it, and it takes one at a time"
    ))
}

/// What the daemon behind `socket` says of `job`, or of all jobs.
async fn ask(socket: &Path, job: Option<String>) -> Result<Value, Failure> {
    let mut client = QmpClient::connect_oob(socket).await?;
    let mut args = Dict::new();
    let command = match job {
        Some(job) => {
            args.put("id", job);
            "x-job-explain"
        }
        None => "x-job-explain-all",
    };
    let answer = client.execute_oob(command, args).await?;
    answer.map_err(|error| match error.desc.ends_with("has not been found") {
        true => {
            let shown = socket.display();
            let what = "only a `blockjob serve` explains its jobs";
            Failure::bad_input(format!("'{shown}': {}: {what}", error.desc))
        }
        false => Failure::bad_input(error.desc),
    })
}

/// The lines that the daemon has made.
fn show(answer: &Value) {
    match answer {
        Value::List(jobs) if jobs.is_empty() => say::out("There are no jobs."),
        Value::List(jobs) => jobs.iter().for_each(|job| {
            let summary = job.as_dict().and_then(|job| job.get("summary"));
            say::out(summary.and_then(Value::as_str).unwrap_or_default());
        }),
        job => {
            let lines = job.as_dict().and_then(|job| job.get("sentences"));
            let lines = lines.and_then(Value::as_list).unwrap_or_default();
            for line in lines.iter().filter_map(Value::as_str) {
                say::out(line);
            }
        }
    }
}
