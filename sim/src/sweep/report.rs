//! What a sweep came to.

use std::fmt;
use std::ops::Range;

use blockjob_jobs::mirror::steps::Step;
use blockjob_runtime::trace::Mark;

use super::exhaustive::Exhausted;
use super::found::Found;
use super::policy::{PolicySpec, Threads};
use super::tally::{FailureKind, Tally};
use super::{Progress, Sweep};
use crate::confidence::Confidence;
use crate::coverage::{StepTable, all_marks};

/// How often a mark was hit in a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkHits {
    /// The mark.
    pub mark: &'static Mark,
    /// How often.
    pub hits: u64,
    /// In how many runs.
    pub runs: u64,
}

/// What a sweep came to. It is a function of what the sweep was told, and of nothing else.
#[derive(Clone)]
pub struct SweepReport {
    /// The scenario's name.
    pub scenario: String,
    /// The seeds that the sweep was told of.
    pub seeds: Range<u64>,
    /// Who made the choices.
    pub policy: PolicySpec,
    /// The bug that was switched on.
    pub bug: Option<String>,
    /// Whether each run was made twice.
    pub checked_determinism: bool,
    /// What came of an exhaustive sweep.
    pub exhausted: Option<Exhausted>,
    tally: Tally,
}

impl SweepReport {
    pub(super) fn new(sweep: &Sweep, tally: Tally, exhausted: Option<Exhausted>) -> Self {
        SweepReport {
            scenario: sweep.scenario.name().to_owned(),
            seeds: sweep.seeds.clone(),
            policy: sweep.policy,
            bug: sweep.bug.clone(),
            checked_determinism: sweep.check_determinism,
            exhausted,
            tally,
        }
    }

    /// Runs that were made; of each seed one, if it was not stopped early.
    pub fn runs(&self) -> u64 {
        self.tally.seeds
    }

    /// A digest of all runs. Two sweeps that were told the same and differ in it are not deterministic.
    pub fn digest(&self) -> u64 {
        self.tally.digest
    }

    /// Runs that failed.
    pub fn failed_runs(&self) -> u64 {
        self.tally.failures
    }

    /// The kinds of failures, in the order of their first seeds; those after the 32nd are only counted.
    pub fn failures(&self) -> &[FailureKind] {
        &self.tally.kinds
    }

    /// The failure of the lowest seed.
    pub fn first(&self) -> Option<&Found> {
        self.tally.kinds.first().map(|kind| &kind.first)
    }

    /// Decisions that were made.
    pub fn decisions(&self) -> u64 {
        self.tally.decisions
    }

    /// Steps that the worlds took.
    pub fn steps(&self) -> u64 {
        self.tally.steps
    }

    /// Events that the checkers were told.
    pub fn events(&self) -> u64 {
        self.tally.events
    }

    /// How long the runs took on their own clocks, together, in nanoseconds.
    pub fn virtual_ns(&self) -> u64 {
        self.tally.virtual_ns
    }

    /// About how many different runs there were; see [`Sketch`](super::Sketch).
    pub fn distinct(&self) -> u64 {
        // An estimate may be above what can be.
        self.tally.traces.count().min(self.tally.seeds)
    }

    /// The most threads and steps of any run, under a policy that goes by them.
    pub fn threads(&self) -> Threads {
        self.tally.threads
    }

    /// The probability that a bug of `depth` that every run could meet was met by none, at most; 1 under a
    /// policy that promises nothing.
    pub fn missed_probability(&self, depth: u32) -> f64 {
        self.tally.promise.missed(depth)
    }

    /// Runs that were longer than their policy expected, and so promise nothing beyond depth 1.
    pub fn too_long_runs(&self) -> u64 {
        self.tally.promise.too_long
    }

    /// All marks of the engine, with how often each was hit.
    pub fn marks(&self) -> Vec<MarkHits> {
        let all = all_marks().zip(&self.tally.marks);
        let hits = all.map(|(mark, (hits, runs))| MarkHits {
            mark,
            hits: *hits,
            runs: *runs,
        });
        hits.collect()
    }

    /// The marks that were never hit: what continuous integration fails on.
    pub fn missed_marks(&self) -> Vec<&'static Mark> {
        let marks = self.marks().into_iter();
        let missed = marks.filter(|mark| mark.hits == 0);
        missed.map(|mark| mark.mark).collect()
    }

    /// How often each step of a mirror was taken in each state of its job.
    pub fn step_table(&self) -> &StepTable {
        &self.tally.table
    }

    /// The steps that were never taken.
    pub fn missed_steps(&self) -> Vec<Step> {
        self.tally.table.missed()
    }

    /// What can be concluded from all this.
    pub fn confidence(&self) -> Confidence {
        Confidence::of(self)
    }

    /// How far the sweep came.
    pub fn progress(&self) -> Progress {
        let seeds = self.seeds.end.saturating_sub(self.seeds.start);
        Progress::of(&self.tally, seeds, 0)
    }
}

impl fmt::Debug for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SweepReport")
            .field("scenario", &self.scenario)
            .field("policy", &self.policy)
            .field("runs", &self.runs())
            .field("digest", &self.digest())
            .field("failures", &self.failures())
            .finish_non_exhaustive()
    }
}

/// Failures first, then where the sweep has been, then what that means.
impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.seeds;
        write!(f, "scenario {}, seeds {start}..{end}", self.scenario)?;
        write!(f, ", policy {}", self.policy)?;
        if let Some(bug) = &self.bug {
            write!(f, ", with the bug {bug}")?;
        }
        writeln!(f, "; digest {:016x}", self.digest())?;
        for kind in self.failures() {
            writeln!(f, "\n{} of {} runs: {}", kind.runs, self.runs(), kind.first)?;
        }
        writeln!(f, "\nmarks: {:>24} {:>9}", "hits", "runs")?;
        for MarkHits { mark, hits, runs } in self.marks() {
            match hits {
                0 => writeln!(
                    f,
                    "  {:22} {:>6} {:>9}  {}",
                    mark.name, "never", "", mark.what
                )?,
                hits => writeln!(f, "  {:19} {hits:>9} {runs:>9}", mark.name)?,
            }
        }
        writeln!(f, "\nsteps of mirrors by the state of the job:")?;
        writeln!(f, "{}", self.step_table())?;
        self.confidence().fmt(f)
    }
}
