//! The runs that a page shows: of a log, of a seed, of a bug, and what is made of those.

use std::ops::ControlFlow;

use blockjob_sim::case::{Case, WhatIf, switch_on};
use blockjob_sim::decide::{Dull, Policy, Random};
use blockjob_sim::record::Record;
use blockjob_sim::run::Runner;
use blockjob_sim::shrink::{self, Budget};
use blockjob_sim::swarm::Scenario;
use blockjob_sim::sweep::{PolicySpec, Sweep};
use blockjob_sim::view::{About, Document, of_record};

use crate::failure::Failure;
use crate::sim_command::{bad_input, case, scenario};

/// The scenario if nobody names one.
pub(super) const SCENARIO: &str = "mirror";
/// The policy if nobody names one.
pub(super) const POLICY: &str = "random";

/// So many events of a run are kept: the last ones.
const MAX_EVENTS: usize = 1_000_000;

/// So many seeds are tried until a bug is found.
const SEEDS: u64 = 10_000;

/// So many runs may it take to shrink one: what is still to be won after those is little, and
/// `blockjob sim shrink` wins it.
const SHRINK_RUNS: u64 = 4_000;

/// A run, and what is known of it.
pub(super) struct Shown {
    /// What happened.
    pub(super) record: Record,
    about: About,
}

/// A run of a seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed<'a> {
    /// The name of a scenario, or of a file with one.
    pub(super) scenario: &'a str,
    /// The seed.
    pub(super) seed: u64,
    /// The policy.
    pub(super) policy: &'a str,
    /// The bug to switch on.
    pub(super) bug: Option<&'a str>,
}

impl Seed<'_> {
    fn command(&self) -> String {
        let Seed { scenario, seed, .. } = self;
        let mut command = format!("blockjob sim run --scenario {scenario} --seed {seed}");
        if self.policy != POLICY {
            command.push_str(&format!(" --policy {}", self.policy));
        }
        if let Some(bug) = self.bug {
            command.push_str(&format!(" --bug {bug}"));
        }
        command
    }
}

/// The run of a log, a file with one, or a seed as in `mirror@17`, which alone can be run with a bug.
pub(super) fn of_text(text: &str, bug: Option<&str>) -> Result<Shown, Failure> {
    if let Some((scenario, seed)) = text.rsplit_once('@')
        && let Ok(seed) = seed.parse()
    {
        return of_seed(&Seed {
            scenario,
            seed,
            policy: POLICY,
            bug,
        });
    }
    if bug.is_some() {
        return Err(Failure::bad_input(
            "a log says itself which bug is on: --bug goes with a seed, as in mirror@17",
        ));
    }
    of_case(&case(text)?)
}

/// The run of a case, which must be the same as it was.
pub(super) fn of_case(case: &Case) -> Result<Shown, Failure> {
    let recorded = case.record(&mut Runner::new(), true, MAX_EVENTS);
    let (record, verdict) = recorded.map_err(|error| bad_input(&error))?;
    match &verdict.drift {
        None => Ok(Shown {
            record,
            about: About::default(),
        }),
        Some(_) => Err(Failure::bad_input(verdict.to_string())),
    }
}

/// The run of a seed.
pub(super) fn of_seed(asked: &Seed<'_>) -> Result<Shown, Failure> {
    of_drawn(&scenario(asked.scenario)?, asked, asked.command())
}

/// The run of a seed of `scenario`, which `command` makes again.
fn of_drawn(scenario: &Scenario, asked: &Seed<'_>, command: String) -> Result<Shown, Failure> {
    let config = scenario
        .draw(asked.seed)
        .map_err(|error| bad_input(&error))?;
    let spec: PolicySpec = asked.policy.parse().map_err(|error| bad_input(&error))?;
    let bug = asked.bug.map(known_bug).transpose()?;
    let _switch = switch_on(bug.as_deref()).map_err(|error| bad_input(&error))?;
    let mut runner = Runner::new();
    let policy = spec.of_seed(asked.seed, &config, &mut runner);
    let policy = policy.ok_or_else(|| {
        Failure::bad_input(format!(
            "'{spec}' has no seeds, so there is no run of seed {}: expected random or pct:D",
            asked.seed
        ))
    })?;
    let mut record = Record::of(&mut runner, &config, policy, MAX_EVENTS);
    record.bug = bug;
    let about = About {
        scenario: Some(asked.scenario.to_owned()),
        seed: Some(asked.seed),
        policy: Some(asked.policy.to_owned()),
        command: Some(command),
        note: None,
    };
    Ok(Shown { record, about })
}

/// The first run that fails with that bug, in its own room of the museum unless a scenario is named.
pub(super) fn of_bug(
    bug: &str,
    named: Option<&str>,
    policy: Option<&str>,
) -> Result<Shown, Failure> {
    let policy = policy.unwrap_or(POLICY);
    let bug = known_bug(bug)?;
    let room = match named {
        Some(name) => scenario(name)?,
        None => room(&bug)?,
    };
    let mut sweep = Sweep::new(room, 0..SEEDS);
    sweep.policy = policy.parse().map_err(|error| bad_input(&error))?;
    sweep.bug = Some(bug.clone());
    sweep.stop_at_first = true;
    let report = sweep.run().map_err(|error| bad_input(&error))?;
    let found = report.first().ok_or_else(|| {
        Failure::failed(format!(
            "none of {SEEDS} runs failed with {bug}: try another --scenario"
        ))
    })?;
    let mut shown = of_case(&found.case)?;
    shown.about.scenario = named.map(str::to_owned);
    shown.about.policy = Some(policy.to_owned());
    if named.is_some() {
        shown.about.seed = Some(found.seed);
        shown.about.command = Some(found.command.clone());
    }
    Ok(shown)
}

/// The id of a bug, however it was written.
#[cfg(feature = "museum")]
fn known_bug(bug: &str) -> Result<String, Failure> {
    if let Some(exhibit) = blockjob::runtime::museum::find(bug) {
        return Ok(exhibit.id.to_owned());
    }
    let known: Vec<_> = blockjob_sim::museum::exhibits().map(|it| it.id).collect();
    Err(Failure::bad_input(format!(
        "'{bug}' is no bug: expected {}",
        known.join(", ")
    )))
}

/// Without the museum there are no bugs, whatever they are called.
#[cfg(not(feature = "museum"))]
fn known_bug(bug: &str) -> Result<String, Failure> {
    Err(Failure::bad_input(format!(
        "this program has no bugs, and so not '{bug}': build it with the feature 'museum' to have them"
    )))
}

/// The scenario in which the museum shows a bug.
#[cfg(feature = "museum")]
fn room(bug: &str) -> Result<Scenario, Failure> {
    let exhibit = blockjob::runtime::museum::find(bug);
    let exhibit = exhibit.expect("whoever asks has asked whether it is known");
    blockjob_sim::museum::room(exhibit).map_err(|error| bad_input(&error))
}

/// Without the museum there are no bugs, which was said already.
#[cfg(not(feature = "museum"))]
fn room(_bug: &str) -> Result<Scenario, Failure> {
    scenario(SCENARIO)
}

impl Shown {
    /// The run as a page reads it.
    pub(super) fn document(&self) -> Document {
        of_record(&self.record, &self.about)
    }

    /// The run as it can be made again.
    pub(super) fn case(&self) -> Result<Case, Failure> {
        let case = Case::new(&self.record.config, &self.record.log);
        match &self.record.bug {
            None => Ok(case),
            Some(bug) => case.with_bug(bug).map_err(|error| bad_input(&error)),
        }
    }

    fn noted(mut self, note: &str) -> Shown {
        self.about.note = Some(note.to_owned());
        self
    }

    /// The same failure in a run as short as it gets.
    pub(super) fn shrunk(&self) -> Result<Shown, Failure> {
        let Some(failure) = &self.record.report.failure else {
            return Err(Failure::bad_input(
                "no rule was broken in this run, and only one that fails can be shrunk",
            ));
        };
        let budget = Budget {
            runs: SHRINK_RUNS,
            ..Budget::default()
        };
        let mut on = |_: &shrink::Progress| ControlFlow::Continue(());
        let mut runner = Runner::new();
        let shrunk = shrink::shrink(&self.case()?, failure, &mut runner, budget, &mut on);
        let shrunk = shrunk.map_err(|error| bad_input(&error))?;
        Ok(of_case(&shrunk.case)?.noted("shrunk"))
    }

    /// The same run without its bug: from where that matters, with the decisions of the same seed, or else
    /// with the same answers as long as there are any.
    pub(super) fn clean(&self) -> Result<Shown, Failure> {
        let Some(bug) = &self.record.bug else {
            return Err(Failure::bad_input(
                "this run has no bug to be switched off: give it one with --bug",
            ));
        };
        let note = format!("without {bug}");
        let About {
            scenario: Some(scenario),
            seed: Some(seed),
            policy: Some(policy),
            ..
        } = &self.about
        else {
            let case = Case::new(&self.record.config, &self.record.log);
            let recorded = case.record(&mut Runner::new(), false, MAX_EVENTS);
            let (record, _) = recorded.map_err(|error| bad_input(&error))?;
            let about = About::default();
            return Ok(Shown { record, about }.noted(&note));
        };
        let seed = Seed {
            scenario,
            seed: *seed,
            policy,
            bug: None,
        };
        Ok(of_seed(&seed)?.noted(&note))
    }

    /// The run of another seed, in all else the same.
    pub(super) fn of_other_seed(&self, seed: u64) -> Result<Shown, Failure> {
        of_seed(&Seed {
            scenario: self.about.scenario.as_deref().unwrap_or(SCENARIO),
            seed,
            policy: self.about.policy.as_deref().unwrap_or(POLICY),
            bug: self.record.bug.as_deref(),
        })
    }
}

/// Who makes the decisions after one that was made another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The dullest options.
    Dull,
    /// Random ones.
    Random(u64),
}

impl std::str::FromStr for Then {
    type Err = String;

    fn from_str(text: &str) -> Result<Then, String> {
        let seed = text.strip_prefix("random:").and_then(|it| it.parse().ok());
        match (text, seed) {
            ("dull", _) => Ok(Then::Dull),
            (_, Some(seed)) => Ok(Then::Random(seed)),
            _ => Err(format!(
                "'{text}' says not who goes on: expected dull, or random:SEED with a number"
            )),
        }
    }
}

/// What would have come of `case`, had one decision been another.
pub(super) fn what_if(case: &Case, what_if: WhatIf, then: Then) -> Result<Shown, Failure> {
    let then: Box<dyn Policy> = match then {
        Then::Dull => Box::new(Dull),
        Then::Random(seed) => Box::new(Random::new(seed)),
    };
    let record = case.what_if(&mut Runner::new(), what_if, then, MAX_EVENTS);
    let record = record.map_err(|error| bad_input(&error))?;
    let WhatIf { decision, chosen } = what_if;
    let about = About::default();
    Ok(Shown { record, about }.noted(&format!("decision {decision} taken as {chosen}")))
}
