//! `blockjob sim`: block jobs in simulated worlds.

pub(crate) mod args;
mod compare;
mod museum;
mod one;
mod scenarios;
mod sweep;
mod view;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use blockjob_sim::case::Case;
use blockjob_sim::decide::Random;
use blockjob_sim::run::Runner;
use blockjob_sim::swarm::Scenario;
use blockjob_sim::sweep::quiet_panics;

use crate::failure::{BAD_INPUT, FAILED, Failure};
use crate::say;
use args::SimCommand;

/// The status of a command that has found a broken rule.
const FOUND: u8 = FAILED;
/// The status of a command whose run was not the same twice.
const NOT_THE_SAME: u8 = 3;

/// Does what is asked.
pub(crate) fn run(command: &SimCommand) -> Result<ExitCode, Failure> {
    match command {
        SimCommand::Run(args) => sweep::run(args),
        SimCommand::Replay(args) => one::replay(args),
        SimCommand::Shrink(args) => one::shrink(args),
        SimCommand::Explain(args) => one::explain(args),
        SimCommand::Trace(args) => one::trace(args),
        SimCommand::View(args) => view::run(args),
        SimCommand::Compare(args) => compare::run(args),
        SimCommand::Museum(args) => museum::run(args),
        SimCommand::Scenarios(args) => scenarios::run(args),
    }
}

/// The scenario that is called so, or is in the file of that name.
fn scenario(name: &str) -> Result<Scenario, Failure> {
    if Scenario::built_in_names().any(|known| known == name) {
        return Scenario::built_in(name).map_err(|error| Failure::bad_input(error.to_string()));
    }
    let text = fs::read_to_string(name).map_err(|error| {
        let known: Vec<_> = Scenario::built_in_names().collect();
        Failure::bad_input(format!(
            "'{name}' is no scenario: {} are built in, and there is no file that can be read ({error})",
            known.join(", ")
        ))
    })?;
    Scenario::parse(&text).map_err(|error| Failure::bad_input(error.in_file(name).to_string()))
}

/// The case whose text this is, or that of `SCENARIO@SEED`, or the first one in the file of that name.
fn case(text: &str) -> Result<Case, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::bad_input(error.to_string());
    if let Some((name, seed)) = text.rsplit_once('@')
        && let Ok(seed) = seed.parse()
    {
        return case_of_seed(name, seed);
    }
    if text.starts_with("bj") && text.contains(':') && !Path::new(text).exists() {
        return text.parse().map_err(|error| wrong(&error));
    }
    let content = fs::read_to_string(text)
        .map_err(|error| Failure::bad_input(format!("there is no log in '{text}': {error}")))?;
    Case::find_in(&content).map_err(|error| Failure::bad_input(format!("{text}: {error}")))
}

/// Runs a seed of a scenario at random, to have its log.
fn case_of_seed(name: &str, seed: u64) -> Result<Case, Failure> {
    let config = scenario(name)?
        .draw(seed)
        .map_err(|error| bad_input(&error))?;
    let _quiet = quiet_panics();
    let mut runner = Runner::new();
    runner.run(&config, Box::new(Random::new(seed)));
    Ok(Case::new(&config, &runner.decider().log()))
}

/// Writes what was asked for as JSON, where it was asked for.
fn write_json(path: &Path, json: &serde_json::Value) -> Result<(), Failure> {
    if path == Path::new("-") {
        say::out(&json.to_string());
        return Ok(());
    }
    write_file(path, &format!("{json}\n"))
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .map_err(|error| Failure::failed(format!("cannot write '{}': {error}", path.display())))
}

/// Status 2 with this line.
fn bad_input(error: &dyn std::fmt::Display) -> Failure {
    debug_assert_eq!(BAD_INPUT, 2);
    Failure::bad_input(error.to_string())
}
