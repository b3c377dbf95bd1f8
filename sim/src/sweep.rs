//! Sweeps: a scenario, many seeds, every checker, on as many threads as there are.
//!
//! A sweep is a function of what it was told: its report says the same whether one thread made it or
//! eight, and whether a run took long or not. So the seeds are handed out in small chunks, each chunk is
//! counted by itself, and the counts are added up in the order of the chunks. It needs no more memory for
//! more seeds: what grows is only numbers, and failures are kept by kind.
//!
//! ```
//! use blockjob_sim::sweep::Sweep;
//! use blockjob_sim::swarm::Scenario;
//!
//! let scenario = Scenario::built_in("tiny").unwrap();
//! let report = Sweep::new(scenario, 0..20).run().unwrap();
//! assert!(report.first().is_none(), "{report}");
//! ```

mod chunks;
mod error;
mod exhaustive;
mod found;
mod policy;
mod quiet;
mod report;
mod seed;
mod sketch;
mod tally;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use crate::case::switch_on;
use crate::run::Runner;
use crate::swarm::Scenario;

pub use error::SweepError;
pub use exhaustive::Exhausted;
pub use found::{Fault, Found};
pub use policy::{PolicySpec, PolicySpecError};
pub(crate) use quiet::place_of_last_panic;
pub use quiet::{Quiet, quiet_panics};
pub use report::{MarkHits, SweepReport};
pub use sketch::Sketch;
pub use tally::FailureKind;

use tally::Tally;

/// Makes the runners of a sweep, one in each thread.
pub type MakeRunner = Arc<dyn Fn() -> Runner + Send + Sync>;

/// What a sweep is told.
#[derive(Clone)]
pub struct Sweep {
    /// Where the configurations come from.
    pub scenario: Scenario,
    /// The seeds: each makes one configuration and one schedule. Under [`PolicySpec::Exhaustive`] the
    /// first one makes the configuration, and there are as many schedules as seeds, at most.
    pub seeds: Range<u64>,
    /// Who makes the choices.
    pub policy: PolicySpec,
    /// Threads; the report does not depend on it.
    pub jobs: usize,
    /// Nothing after the first seed that fails is reported, or counted.
    pub stop_at_first: bool,
    /// A historical bug to be switched on in each run, by its id: `MIR-02`.
    pub bug: Option<String>,
    /// Each seed is run twice, and the runs are compared.
    pub check_determinism: bool,
    make_runner: MakeRunner,
}

/// How far a sweep is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Seeds that were run.
    pub seeds_done: u64,
    /// Seeds that there are.
    pub seeds: u64,
    /// How many were run in a second, on average, by the clock that the sweep was given.
    pub seeds_per_s: f64,
    /// Runs that failed.
    pub failures: u64,
    /// Marks that were hit.
    pub marks_hit: usize,
    /// Marks that there are.
    pub marks: usize,
}

impl Progress {
    fn of(tally: &Tally, seeds: u64, took_ns: u64) -> Progress {
        let took_s = took_ns as f64 / 1e9;
        Progress {
            seeds_done: tally.seeds,
            seeds,
            seeds_per_s: match took_ns {
                0 => 0.0,
                _ => tally.seeds as f64 / took_s,
            },
            failures: tally.failures,
            marks_hit: tally.marks_hit(),
            marks: tally.marks.len(),
        }
    }
}

/// Who looks on while a sweep goes on. What it does changes no report, but for stopping early.
pub trait Watch: Sync {
    /// The time, in nanoseconds of any clock.
    fn now_ns(&self) -> u64;

    /// Some more seeds were run. Called by one thread at a time; the others wait for it, so it should be
    /// quick. [`ControlFlow::Break`] ends the sweep: the report is then about fewer seeds, the first
    /// ones.
    fn progress(&self, progress: &Progress) -> ControlFlow<()>;
}

/// Nobody looks on.
struct Nobody;

impl Watch for Nobody {
    fn now_ns(&self) -> u64 {
        0
    }

    fn progress(&self, _progress: &Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl Sweep {
    /// A sweep by random schedules in one thread, through all seeds.
    pub fn new(scenario: Scenario, seeds: Range<u64>) -> Sweep {
        Sweep {
            scenario,
            seeds,
            policy: PolicySpec::Random,
            jobs: 1,
            stop_at_first: false,
            bug: None,
            check_determinism: false,
            make_runner: Arc::new(Runner::new),
        }
    }

    /// Has each thread make its runner so, with checkers and prologues of the caller's.
    #[must_use]
    pub fn with_runner(mut self, make: impl Fn() -> Runner + Send + Sync + 'static) -> Sweep {
        self.make_runner = Arc::new(make);
        self
    }

    /// Runs all seeds.
    ///
    /// # Errors
    ///
    /// A seed whose configuration cannot be drawn, or a bug that there is not.
    pub fn run(&self) -> Result<SweepReport, SweepError> {
        self.run_watched(&Nobody)
    }

    /// Runs all seeds, while `watch` looks on.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_watched(&self, watch: &dyn Watch) -> Result<SweepReport, SweepError> {
        // Each thread switches it on for itself. Whether it can is said before there are threads.
        drop(switch_on(self.bug.as_deref())?);
        if let PolicySpec::Exhaustive { bound } = self.policy {
            return exhaustive::run(self, bound, watch);
        }
        let total = chunks::run(self, watch)?;
        Ok(SweepReport::new(self, total, None))
    }

    fn runner(&self) -> Runner {
        (self.make_runner)()
    }
}

impl std::fmt::Debug for Sweep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sweep")
            .field("scenario", &self.scenario.name())
            .field("seeds", &self.seeds)
            .field("policy", &self.policy)
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}
