//! The run that a figure shows.

use std::fs;
use std::path::Path;

use blockjob_sim::case::{Case, switch_on};
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::record::{DEFAULT_LIMIT, Record};
use blockjob_sim::run::Runner;
use blockjob_sim::swarm::Scenario;
use blockjob_sim::sweep::quiet_panics;

use crate::console::RUNS;
use crate::failure::Wrong;

/// Makes the run that `words` name: `SCENARIO@SEED [bug=ID]`, a log, or a file of `docs/book/runs/`.
pub(super) fn record(root: &Path, words: &str) -> Result<Record, Wrong> {
    let (name, bug) = match words.split_once(" bug=") {
        None => (words.trim(), None),
        Some((name, bug)) => (name.trim(), Some(bug.trim())),
    };
    if let Some((scenario, seed)) = seeded(name) {
        return of_config(&config(root, scenario, seed)?, seed, bug);
    }
    let text = match name.starts_with("bj1:") {
        true => name.to_owned(),
        false => fs::read_to_string(root.join(RUNS).join(name)).map_err(|error| {
            format!("'{name}' is no SCENARIO@SEED, no log and no file of {RUNS}: {error}")
        })?,
    };
    if bug.is_some() {
        return Err("the log says itself which exhibit is on: leave bug= out".to_owned());
    }
    let case = Case::find_in(&text).map_err(|error| format!("{name}: {error}"))?;
    let _quiet = quiet_panics();
    let recorded = case.record(&mut Runner::new(), true, DEFAULT_LIMIT);
    let (record, verdict) = recorded.map_err(|error| error.to_string())?;
    match verdict.drift {
        None => Ok(record),
        Some(_) => Err(format!("{name} is not what it was: {verdict}")),
    }
}

/// `SCENARIO@SEED`, taken apart.
pub(super) fn seeded(name: &str) -> Option<(&str, u64)> {
    let (scenario, seed) = name.rsplit_once('@')?;
    Some((scenario, seed.parse().ok()?))
}

/// What a seed makes of a scenario, which is built in or a file of `docs/book/runs/`.
pub(super) fn config(root: &Path, scenario: &str, seed: u64) -> Result<Config, Wrong> {
    let known = Scenario::built_in_names().any(|name| name == scenario);
    let scenario = if known {
        Scenario::built_in(scenario)
    } else {
        let text = fs::read_to_string(root.join(RUNS).join(scenario)).map_err(|error| {
            format!("'{scenario}' is no scenario that is built in and no file of {RUNS}: {error}")
        })?;
        Scenario::parse(&text)
    };
    let scenario = scenario.map_err(|error| error.to_string())?;
    scenario.draw(seed).map_err(|error| error.to_string())
}

/// Runs a configuration with the choices of a seed.
pub(super) fn of_config(config: &Config, seed: u64, bug: Option<&str>) -> Result<Record, Wrong> {
    let _switch = switch_on(bug).map_err(|error| error.to_string())?;
    let _quiet = quiet_panics();
    let policy = Box::new(Random::new(seed));
    let mut record = Record::of(&mut Runner::new(), config, policy, DEFAULT_LIMIT);
    record.bug = bug.map(str::to_owned);
    Ok(record)
}
