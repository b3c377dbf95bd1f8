//! `blockjob sim compare`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use blockjob_sim::compare::{Alternative, Comparison, Progress};
use blockjob_sim::measure::Schedule;
use blockjob_sim::sweep::quiet_panics;

use super::args::CompareArgs;
use super::{bad_input, scenario, write_file, write_json};
use crate::failure::Failure;
use crate::say;

/// Measures the alternatives, and says how they differ.
pub(super) fn run(args: &CompareArgs) -> Result<ExitCode, Failure> {
    let schedules = args.policy.iter().map(|text| Schedule::parse(text));
    let schedules: Result<Vec<Schedule>, _> = schedules.collect();
    let schedules = schedules.map_err(|error| bad_input(&error))?;
    // A bar means something to a shell; a comma does not.
    let fields: Vec<String> = args
        .vary
        .iter()
        .map(|text| text.replace(',', "|"))
        .collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let alternatives = Alternative::cross(&schedules, &fields);
    let alternatives = alternatives.map_err(|error| bad_input(&error))?;
    let mut comparison = Comparison::new(scenario(&args.scenario)?, alternatives, 0..args.seeds);
    comparison.jobs = usize::from(args.jobs);
    let shows = io::stderr().is_terminal();
    let _quiet = quiet_panics();
    let mut progress = |progress: Progress| {
        if shows {
            let Progress { runs, of } = progress;
            let _nobody_looks = write!(io::stderr(), "\r\x1b[K{runs} of {of} runs");
        }
    };
    let report = comparison.run(&mut progress);
    if shows {
        let _nobody_looks = write!(io::stderr(), "\r\x1b[K");
    }
    let report = report.map_err(|error| bad_input(&error))?;
    if let Some(path) = &args.svg {
        write_file(path, &report.svg())?;
    }
    if let Some(path) = &args.json {
        write_json(path, &report.json())?;
    }
    say::out(report.table().trim_end());
    Ok(ExitCode::SUCCESS)
}
