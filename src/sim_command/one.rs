//! `blockjob sim replay`, `shrink`, `explain` and `trace`: what is done with one run.

use std::ops::ControlFlow;
use std::process::ExitCode;

use blockjob_sim::export;
use blockjob_sim::record::Record;
use blockjob_sim::run::Runner;
use blockjob_sim::shrink::{self, Budget};
use blockjob_sim::story::{Length, Story};
use blockjob_sim::sweep::quiet_panics;

use super::args::{ExplainArgs, ReplayArgs, ShrinkArgs, TraceArgs, TraceFormat};
use super::{FOUND, NOT_THE_SAME, bad_input, case};
use crate::failure::Failure;
use crate::say;

/// So many events of a run are kept, to be told.
const MAX_EVENTS: usize = 1_000_000;

/// So many of the last events are shown of a run that failed.
const LAST_EVENTS: usize = 12;

/// Makes a run again.
pub(super) fn replay(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let case = case(&args.log)?;
    let _quiet = quiet_panics();
    let mut runner = Runner::new();
    let (record, verdict) = case
        .record(&mut runner, true, MAX_EVENTS)
        .map_err(|error| bad_input(&error))?;
    let text = export::text::export(&record);
    if args.trace {
        say::out(text.trim_end());
    } else if record.report.failure.is_some() {
        let lines: Vec<_> = text.trim_end().lines().collect();
        let from = lines.len().saturating_sub(LAST_EVENTS);
        say::out(&lines[from..].join("\n"));
    }
    say::out(&format!("{verdict}"));
    match &record.report.failure {
        _ if verdict.drift.is_some() => Ok(ExitCode::from(NOT_THE_SAME)),
        Some(failure) => {
            say::out(&failure.to_string());
            Ok(ExitCode::from(FOUND))
        }
        None => {
            say::out("no rule was broken");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Makes a failing run as small as it gets.
pub(super) fn shrink(args: &ShrinkArgs) -> Result<ExitCode, Failure> {
    let case = case(&args.log)?;
    let _quiet = quiet_panics();
    let mut runner = Runner::new();
    let replayed = case.replay(&mut runner, true);
    let replayed = replayed.map_err(|error| bad_input(&error))?;
    let Some(failure) = replayed.report.failure.clone() else {
        return Err(Failure::bad_input(format!(
            "only a run that fails can be shrunk: {replayed}"
        )));
    };
    let budget = Budget {
        runs: args.tries,
        ..Budget::default()
    };
    let mut on = |_: &shrink::Progress| ControlFlow::Continue(());
    let shrunk = shrink::shrink(&case, &failure, &mut runner, budget, &mut on);
    let shrunk = shrunk.map_err(|error| bad_input(&error))?;
    say::err(&format!("{}\n{shrunk}", shrunk.failure));
    say::out(&shrunk.case.to_string());
    Ok(ExitCode::SUCCESS)
}

/// Tells a run.
pub(super) fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let record = recorded(&args.log)?;
    let length = if args.long {
        Length::Long
    } else {
        Length::Short
    };
    say::out(Story::of(&record, length).to_string().trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Writes the events of a run.
pub(super) fn trace(args: &TraceArgs) -> Result<ExitCode, Failure> {
    let record = recorded(&args.log)?;
    let text = match args.format {
        TraceFormat::Text => export::text::export(&record),
        TraceFormat::Json => export::json::export(&record),
        TraceFormat::Perfetto => export::chrome::export(&record),
        TraceFormat::Shiviz => export::shiviz::export(&record),
    };
    say::out(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// The run of a log, which must be the same as it was.
fn recorded(log: &str) -> Result<Record, Failure> {
    let case = case(log)?;
    let _quiet = quiet_panics();
    let recorded = case.record(&mut Runner::new(), true, MAX_EVENTS);
    let (record, verdict) = recorded.map_err(|error| bad_input(&error))?;
    match &verdict.drift {
        None => Ok(record),
        Some(_) => Err(Failure::bad_input(verdict.to_string())),
    }
}
