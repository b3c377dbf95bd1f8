//! One run that is not as it should be, with all that is needed to make it again.

use std::fmt;

use super::policy::PolicySpec;
use crate::case::Case;
use crate::config::Config;
use crate::decide::{Drift, Log};
use crate::determinism::Mismatch;
use crate::failure::Failure;

/// What is wrong with a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A rule was broken.
    Broken(Failure),
    /// The same seed made two different runs.
    Nondeterministic(Mismatch),
    /// A schedule that was answered as an earlier one asked something else.
    Drifted(Drift),
}

impl Fault {
    /// Whether this is the same kind of fault as `other`.
    pub fn is_same_as(&self, other: &Fault) -> bool {
        match (self, other) {
            (Fault::Broken(one), Fault::Broken(other)) => one.is_same_as(other),
            (Fault::Broken(_), _) | (_, Fault::Broken(_)) => false,
            // In whichever way it was seen.
            (Fault::Nondeterministic(_) | Fault::Drifted(_), _) => true,
        }
    }

    /// The rule and the place, as one word each.
    pub fn kind(&self) -> String {
        match self {
            Fault::Broken(failure) => format!("{} at {}", failure.rule, failure.place),
            Fault::Nondeterministic(_) | Fault::Drifted(_) => "not deterministic".to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Broken(failure) => failure.fmt(f),
            Fault::Nondeterministic(mismatch) => mismatch.fmt(f),
            Fault::Drifted(drift) => write!(f, "not deterministic: {drift}"),
        }
    }
}

/// A run that is not as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its seed.
    pub seed: u64,
    /// What its seed drew.
    pub config: Config,
    /// Who made its choices.
    pub policy: PolicySpec,
    /// What is wrong.
    pub fault: Fault,
    /// The run, with all its decisions: a line of text that begins with `bj1:`.
    pub case: Case,
    /// The one command that makes the run again.
    pub command: String,
}

/// What the command that repeats a run begins with, for this scenario, policy and bug.
#[derive(Clone, Debug)]
pub(super) struct Repeat {
    pub(super) scenario: String,
    pub(super) policy: PolicySpec,
    pub(super) bug: Option<String>,
}

impl Repeat {
    pub(super) fn found(&self, seed: u64, config: &Config, fault: Fault, log: &Log) -> Found {
        let mut case = Case::new(config, log);
        if let Some(bug) = &self.bug {
            let with_bug = case.with_bug(bug);
            case = with_bug.expect("it has been switched on by that id");
        }
        Found {
            command: self.command(seed, &case),
            seed,
            config: config.clone(),
            policy: self.policy,
            fault,
            case,
        }
    }

    fn command(&self, seed: u64, case: &Case) -> String {
        let mut command = match self.policy {
            // Its schedules have no seeds.
            PolicySpec::Exhaustive { .. } => return format!("blockjob sim replay {case}"),
            _ => format!(
                "blockjob sim run --scenario {} --seed {seed}",
                self.scenario
            ),
        };
        if let PolicySpec::Pct { .. } = self.policy {
            command.push_str(&format!(" --policy {}", self.policy));
        }
        if let Some(bug) = &self.bug {
            command.push_str(&format!(" --bug {bug}"));
        }
        command
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.fault)?;
        writeln!(f, "  seed    {}, policy {}", self.seed, self.policy)?;
        writeln!(f, "  config  {}", self.config)?;
        writeln!(f, "  log     {}", self.case)?;
        write!(f, "  again   {}", self.command)
    }
}
