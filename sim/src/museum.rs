//! The museum: the checkers are shown to find QEMU's historical bugs.
//!
//! Each exhibit that the simulator is to find has a *room*: a scenario that makes the bug possible, and
//! is not tuned to any seed. A visit switches the bug on and runs seeds until a rule is broken that the
//! exhibit names; then it runs the same seeds, and more, with the bug off, and nothing may be found. What
//! was found is shrunk to the shortest run that still fails like that.

mod rooms;

use std::fmt;
use std::ops::ControlFlow;

use blockjob_runtime::museum::{EXHIBITS, Exhibit, Finder};
use thiserror::Error;

use crate::case::{BugError, Case, switch_on};
use crate::check;
use crate::decide::Random;
use crate::failure::Failure;
use crate::run::Runner;
use crate::shrink::{self, Budget, ShrinkError, Shrunk};
use crate::swarm::{Scenario, ScenarioError};
use crate::sweep::quiet_panics;

/// What a visit may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tour {
    /// So many seeds until the bug must be found; so many must be clean without it.
    pub seeds: u64,
    /// What shrinking may take; none if it is not to be shrunk.
    pub shrink: Option<Budget>,
}

impl Default for Tour {
    fn default() -> Self {
        Tour {
            seeds: 2_000,
            shrink: Some(Budget::default()),
        }
    }
}

/// How a bug was found.
#[derive(Clone, Debug)]
pub struct Find {
    /// The seed.
    pub seed: u64,
    /// How many seeds it took, this one included.
    pub seeds: u64,
    /// How many decisions all of them took.
    pub decisions: u64,
    /// What was found.
    pub failure: Failure,
    /// The run.
    pub case: Case,
    /// The shortest run with the same failure.
    pub shrunk: Option<Shrunk>,
}

/// What a visit came to.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The exhibit.
    pub exhibit: &'static Exhibit,
    /// How it was found, if it was.
    pub find: Option<Find>,
    /// Failures of other rules than the exhibit names, met on the way: how many.
    pub others: u64,
    /// What was found with the bug off, which is a bug of ours or of the checker.
    pub without: Option<(u64, Failure)>,
    /// How many seeds were run with the bug off.
    pub seeds_without: u64,
}

impl Visit {
    /// Whether it is as it should be: found with the bug, and nothing found without.
    pub fn is_good(&self) -> bool {
        self.find.is_some() && self.without.is_none()
    }
}

/// Why there is no visit.
#[derive(Clone, Debug, Error)]
pub enum VisitError {
    /// The simulator has no room for it: somebody else finds it, or nobody yet.
    #[error("{0} has no room in the simulator")]
    NoRoom(&'static str),
    /// Its scenario cannot be drawn.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// It cannot be switched on.
    #[error(transparent)]
    Bug(#[from] BugError),
    /// What was found cannot be made again, so it depends on something that is no decision.
    #[error("{0}")]
    Shrink(#[from] ShrinkError),
}

/// The exhibits that the simulator finds, in the order of the museum: those that it must find, and those of
/// others for which there is a room here, too.
pub fn exhibits() -> impl Iterator<Item = &'static Exhibit> {
    let all = EXHIBITS.iter().copied();
    let here = all.filter(|exhibit| exhibit.state.is_here());
    here.filter(|exhibit| {
        exhibit.found_by == Finder::Simulator || rooms::text(exhibit.id).is_some()
    })
}

/// The scenario of an exhibit.
///
/// # Errors
///
/// If it has no room.
pub fn room(exhibit: &Exhibit) -> Result<Scenario, VisitError> {
    let text = rooms::text(exhibit.id).ok_or(VisitError::NoRoom(exhibit.id))?;
    Ok(Scenario::parse(text)?)
}

/// Visits an exhibit.
///
/// # Errors
///
/// If there is no room for it, or what is found cannot be made again.
pub fn visit(exhibit: &'static Exhibit, tour: Tour) -> Result<Visit, VisitError> {
    let scenario = room(exhibit)?;
    let _quiet = quiet_panics();
    // The checkers that are named for it, so that none of the others comes first.
    let mut checkers = check::all();
    checkers.retain(|checker| exhibit.breaks.contains(&checker.rule().name()));
    let mut runner = Runner::with_checkers(checkers);
    let mut visit = Visit {
        exhibit,
        find: None,
        others: 0,
        without: None,
        seeds_without: 0,
    };
    search(&mut visit, &scenario, &mut runner, tour.seeds)?;
    if let (Some(find), Some(budget)) = (&mut visit.find, tour.shrink) {
        let on = |_: &shrink::Progress| ControlFlow::Continue(());
        let shrunk = shrink::shrink(&find.case, &find.failure, &mut runner, budget, &mut { on })?;
        find.shrunk = Some(shrunk);
    }
    let mut runner = Runner::new();
    for seed in 0..tour.seeds {
        let config = scenario.draw(seed)?;
        let report = runner.run(&config, Box::new(Random::new(seed)));
        visit.seeds_without += 1;
        if let Some(failure) = report.failure {
            visit.without = Some((seed, failure));
            break;
        }
    }
    Ok(visit)
}

/// Runs seeds with the bug on until one breaks a rule that the exhibit names.
fn search(
    visit: &mut Visit,
    scenario: &Scenario,
    runner: &mut Runner,
    seeds: u64,
) -> Result<(), VisitError> {
    let exhibit = visit.exhibit;
    let _switch = switch_on(Some(exhibit.id))?;
    let mut decisions = 0;
    for seed in 0..seeds {
        let config = scenario.draw(seed)?;
        let report = runner.run(&config, Box::new(Random::new(seed)));
        decisions += report.decisions;
        let Some(failure) = report.failure else {
            continue;
        };
        if !exhibit.breaks.contains(&failure.rule.name()) {
            visit.others += 1;
            continue;
        }
        let case = Case::new(&config, &runner.decider().log());
        let case = case.with_bug(exhibit.id);
        visit.find = Some(Find {
            seed,
            seeds: seed + 1,
            decisions,
            failure,
            case: case.expect("ids of exhibits are well formed"),
            shrunk: None,
        });
        break;
    }
    Ok(())
}

impl fmt::Display for Visit {
    /// One line of the table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}", self.exhibit.id)?;
        match &self.find {
            Some(find) => {
                write!(
                    f,
                    "{:<10} {:<20} {:>6} {:>9}",
                    find.failure.rule, find.failure.place, find.seeds, find.decisions
                )?;
                match &find.shrunk {
                    Some(shrunk) => {
                        let after = shrunk.after;
                        write!(f, " {:>6} {:>6}", after.decisions, after.nonzero)?;
                    }
                    None => write!(f, " {:>6} {:>6}", "-", "-")?,
                }
            }
            None => write!(f, "{:<61}", "NOT FOUND")?,
        }
        match &self.without {
            None => write!(f, "   none in {}", self.seeds_without),
            Some((seed, failure)) => {
                write!(f, "   seed {seed}: {} {}", failure.rule, failure.place)
            }
        }
    }
}

/// The head of the table whose lines are [`Visit`]s.
pub const HEAD: &str =
    "bug     found by   as                    seeds decisions shrunk  not 0   without the bug";
