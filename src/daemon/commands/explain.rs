//! `x-job-explain`.

use std::rc::Rc;

use crate::command;
use crate::daemon::{Daemon, explain};
use crate::qapi::types::explain::{XJobExplainArgument, XJobExplanation};
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("x-job-explain", "Says why a job is where it is: its state, what was asked of it, and \
        what it waits for, down to whoever can do something about it. QEMU does not have it.",
        XJobExplainArgument => XJobExplanation, x_job_explain, oob),
    command!("x-job-explain-all", "Says the same of all jobs, the newest first.",
        () => Vec<XJobExplanation>, x_job_explain_all, oob),
];

/// Out of band, for a command that drains polls, and may be what the job waits for.
fn x_job_explain(daemon: &Rc<Daemon>, args: XJobExplainArgument) -> QmpResult<XJobExplanation> {
    match daemon.jobs().get(&args.id) {
        Some(job) => Ok(explain::explain(daemon, &job)),
        None => Err(QmpError::generic(not_found(daemon, &args.id))),
    }
}

fn x_job_explain_all(daemon: &Rc<Daemon>, (): ()) -> QmpResult<Vec<XJobExplanation>> {
    let jobs = daemon.jobs().jobs();
    // Nobody can ask for one without a name.
    let named = jobs.iter().filter(|job| job.id().is_some());
    Ok(named.map(|job| explain::explain(daemon, job)).collect())
}

fn not_found(daemon: &Daemon, id: &str) -> String {
    // Also those of other contexts.
    let jobs = daemon.common().names.lock().jobs();
    let names: Vec<String> = jobs.iter().map(|id| format!("'{id}'")).collect();
    match &*names {
        [] => format!("Job '{id}' not found: there are no jobs"),
        [only] => format!("Job '{id}' not found: there is only {only}"),
        names => format!("Job '{id}' not found: there are {}", names.join(", ")),
    }
}
