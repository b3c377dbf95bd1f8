//! Smaller runs with the same failure: fewer decisions, fewer faults, fewer guests, less time.
//!
//! The shrinker of [`decide`](crate::decide) makes a log smaller and leaves the world as it is; a smaller
//! world leaves most of a log without meaning. So both are done in turns, until neither finds anything:
//!
//! 1. *Freely*: each simpler configuration is tried with the log at hand, as far as that goes, with no
//!    decision but dull ones, and with a few random ones. Whatever fails in the same way is taken, however
//!    many decisions that needs: the log is thrown away next anyway.
//! 2. *The log* is shrunk.
//! 3. *Strictly*: the same again, but a simpler configuration is only taken if the run is smaller then by
//!    its [`Measure`], after a short attempt to shrink its log. If any was taken, back to 2.
//!
//! Each try is a run, and the result is the log of a run that was made. The same case shrinks to the same
//! result each time.

mod leap;
mod measure;
mod mutant;
mod rounds;
mod trials;

use std::fmt;
use std::ops::ControlFlow;

use thiserror::Error;

use crate::case::{BugError, Case, Replayed};
use crate::failure::Failure;
use crate::run::Runner;
pub use measure::{Complexity, Measure, Size};
use rounds::Rounds;
use trials::Trials;

/// How much may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// So many runs.
    pub runs: u64,
    /// So many steps of worlds in all these runs together, which says better how long it takes: a million
    /// of them take half a second or less.
    pub steps: u64,
}

impl Default for Budget {
    /// Some ten seconds.
    fn default() -> Self {
        Budget {
            runs: 40_000,
            steps: 25_000_000,
        }
    }
}

/// What is done at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Any simpler configuration that fails.
    Freely,
    /// The decisions.
    Log,
    /// Simpler configurations, but no larger runs.
    Strictly,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is done at present.
    pub phase: Phase,
    /// Runs so far.
    pub tries: u64,
    /// How large the smallest run is.
    pub measure: Measure,
}

/// What shrinking came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest run.
    pub case: Case,
    /// How it fails.
    pub failure: Failure,
    /// How large the run was.
    pub before: Size,
    /// How large it is.
    pub after: Size,
    /// How many runs it took.
    pub tries: u64,
    /// How many steps of worlds they took.
    pub steps: u64,
    /// Whether no try makes it any smaller. False if the budget was used up first.
    pub fixed_point: bool,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "before: {}", self.before)?;
        writeln!(f, "after:  {}", self.after)?;
        let why = match self.fixed_point {
            true => "nothing simpler fails like this",
            false => "the budget was used up",
        };
        write!(f, "{} runs, {why}", self.tries)
    }
}

/// Why a case cannot be shrunk.
#[derive(Clone, Debug, Error)]
pub enum ShrinkError {
    /// Made again, it does not fail as it should.
    #[error("the case does not fail as it should: {0}")]
    Other(Box<Replayed>),
    /// Its exhibit cannot be switched on.
    #[error(transparent)]
    Bug(#[from] BugError),
}

/// Makes `case`, which fails like `failure`, as small as `budget` allows.
///
/// `progress` is called now and then, and may break it off: then the smallest run so far is the result.
///
/// # Errors
///
/// If the case does not fail like that in this build.
pub fn shrink(
    case: &Case,
    failure: &Failure,
    runner: &mut Runner,
    budget: Budget,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Shrunk, ShrinkError> {
    let replayed = case.replay(runner, true)?;
    let fails = |report: &crate::run::Report| {
        let found = report.failure.as_ref();
        found.is_some_and(|found| found.is_same_as(failure))
    };
    if !fails(&replayed.report) {
        return Err(ShrinkError::Other(Box::new(replayed)));
    }
    let switch = crate::case::switch_on(case.bug())?;
    let mut trials = Trials::new(runner, failure.clone(), budget, progress);
    let before = trials.size(case.config(), &replayed.log);
    let mut rounds = Rounds::new(&mut trials, case.config().clone(), replayed.log);
    let fixed_point = rounds.run();
    let (config, log) = rounds.best();
    let after = trials.size(&config, &log);
    let (tries, steps) = (trials.tries(), trials.steps());
    drop(switch);
    let case = case.sibling(&config, &log);
    let last = case.replay(runner, true)?;
    debug_assert!(fails(&last.report), "the smallest run was made before");
    Ok(Shrunk {
        failure: last.report.failure.unwrap_or_else(|| failure.clone()),
        case,
        before,
        after,
        tries,
        steps,
        fixed_point,
    })
}
