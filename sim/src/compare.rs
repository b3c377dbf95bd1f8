//! Comparisons: the same worlds under other schedules, or with other settings, and how sure one can be
//! that it makes a difference.
//!
//! A [`Comparison`] draws a configuration of a scenario for each seed, runs it once for each alternative,
//! and compares the runs of a seed with each other. So alternatives meet the same disks and the same
//! guests, and what differs between seeds is not in the difference; see
//! [`Streams`](crate::measure::Streams) for how far that goes.
//!
//! ```
//! use blockjob_sim::compare::{Alternative, Comparison};
//! use blockjob_sim::swarm::Scenario;
//!
//! let scenario = Scenario::parse("
//!     name = small
//!     granules = 16..64
//!     guests = 2
//!     depth = 2
//!     requests = 16
//! ").unwrap();
//! let alternatives = Alternative::cross(&[], &["inflight=1|4"]).unwrap();
//! let mut comparison = Comparison::new(scenario, alternatives, 0..20);
//! comparison.resamples = 200;
//! let report = comparison.run(&mut |_| ()).unwrap();
//! println!("{}", report.table());
//! let ready = report.metric("job.ready.last").unwrap();
//! assert!(ready.difference(1).unwrap().is_certain());
//! ```
//!
//! # What the intervals say
//!
//! A seed is one draw of all that the scenario leaves open. The intervals say how much the numbers would
//! differ for other seeds of the *same* scenario, by the percentile bootstrap over seeds, at 95 %. They
//! say nothing about other scenarios, or real disks. Whoever compares many numbers finds differences
//! where there are none: the report says of how many differences it speaks, and that the intervals are not
//! corrected for that. With fewer than 20 seeds they are too narrow, and the report says so.

mod alternative;
mod bootstrap;
mod error;
mod metric;
mod report;
mod summary;
mod svg;
mod table;
mod unit;
mod workers;

use std::ops::Range;
use std::sync::Arc;

pub use alternative::{Alternative, AlternativeError};
pub use bootstrap::{Estimate, Interval};
pub use error::CompareError;
pub use metric::{Better, METRICS, Metric, metric};
pub use report::{ComparisonReport, FailedRun, MetricReport};
pub use summary::{Difference, Summary, Verdict};
pub use unit::Unit;

use crate::measure::Measurer;
use crate::swarm::Scenario;

/// So many resamples are drawn, if nothing else is said.
const RESAMPLES: u32 = 2000;

/// Makes the measurers of a comparison, one in each thread.
type Make = Arc<dyn Fn() -> Measurer + Send + Sync>;

/// What is compared; see the module.
#[derive(Clone)]
pub struct Comparison {
    /// Where the worlds come from.
    pub scenario: Scenario,
    /// What is compared: each one with the first.
    pub alternatives: Vec<Alternative>,
    /// The seeds: each is a world, in which each alternative runs once.
    pub seeds: Range<u64>,
    /// So many threads share the work. It does not change what comes out.
    pub jobs: usize,
    /// What is looked at. To choose it before the runs is more honest than after.
    pub metrics: Vec<&'static Metric>,
    /// How many resamples an interval is read off from.
    pub resamples: u32,
    make: Make,
}

/// How far a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Runs that have ended.
    pub runs: u64,
    /// Runs that there are in all.
    pub of: u64,
}

impl Comparison {
    /// A comparison by all metrics, in one thread.
    pub fn new(
        scenario: Scenario,
        alternatives: Vec<Alternative>,
        seeds: Range<u64>,
    ) -> Comparison {
        Comparison {
            scenario,
            alternatives,
            seeds,
            jobs: 1,
            metrics: METRICS.iter().collect(),
            resamples: RESAMPLES,
            make: Arc::new(Measurer::new),
        }
    }

    /// Has each thread make its measurer so: with checkers, or with what a program adds to each run.
    #[must_use]
    pub fn with_measurer(
        mut self,
        make: impl Fn() -> Measurer + Send + Sync + 'static,
    ) -> Comparison {
        self.make = Arc::new(make);
        self
    }

    /// Makes all runs and compares them. `progress` is told in this thread whenever the runs of a seed
    /// have ended.
    ///
    /// Runs that fail are listed in the report, and their seeds left out.
    ///
    /// # Errors
    ///
    /// Fewer than two alternatives, no seeds, or a configuration that an alternative cannot have.
    ///
    /// # Panics
    ///
    /// If a measurer that was made by the caller does.
    pub fn run(
        &self,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ComparisonReport, CompareError> {
        if self.alternatives.len() < 2 {
            return Err(CompareError::NothingToCompare);
        }
        if self.seeds.is_empty() {
            return Err(CompareError::NoSeeds);
        }
        let seeds = workers::run(self, progress)?;
        Ok(ComparisonReport::new(self, seeds))
    }
}
