//! What is counted of runs: of one chunk of them, and of all.

use blockjob_runtime::trace::Mark;

use super::error::SweepError;
use super::found::Found;
use super::policy::{Promise, Threads};
use super::sketch::Sketch;
use crate::coverage::{StepTable, all_marks, mark_place};
use crate::run::Report;

/// So many kinds of failures are kept; of further ones only the number is.
const MAX_KINDS: usize = 32;

/// Failures of one rule and place.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureKind {
    /// How many runs failed so.
    pub runs: u64,
    /// The first of them.
    pub first: Found,
}

/// See the module. Tallies of neighbours are added up in their order.
#[derive(Clone)]
pub(super) struct Tally {
    pub(super) seeds: u64,
    pub(super) decisions: u64,
    pub(super) steps: u64,
    pub(super) events: u64,
    pub(super) virtual_ns: u64,
    /// A sum over all runs, so that it does not depend on how they were cut into chunks.
    pub(super) digest: u64,
    pub(super) failures: u64,
    pub(super) kinds: Vec<FailureKind>,
    /// For each mark of the engine how often it was hit, and in how many runs.
    pub(super) marks: Vec<(u64, u64)>,
    pub(super) table: StepTable,
    pub(super) traces: Sketch,
    /// The most of any run.
    pub(super) threads: Threads,
    pub(super) promise: Promise,
    /// Why the sweep cannot go on.
    pub(super) error: Option<SweepError>,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            seeds: 0,
            decisions: 0,
            steps: 0,
            events: 0,
            virtual_ns: 0,
            digest: 0,
            failures: 0,
            kinds: Vec::new(),
            marks: vec![(0, 0); all_marks().count()],
            table: StepTable::default(),
            traces: Sketch::default(),
            threads: Threads::default(),
            promise: Promise::default(),
            error: None,
        }
    }
}

impl Tally {
    /// Counts the run of `seed`.
    pub(super) fn add_run(&mut self, seed: u64, report: &Report, threads: Threads) {
        self.seeds += 1;
        self.decisions += report.decisions;
        self.steps += report.steps;
        self.events += report.events;
        self.virtual_ns += report.virtual_ns;
        let trace = scramble(report.digest);
        self.digest = self.digest.wrapping_add(scramble(seed ^ trace));
        self.traces.add(trace);
        self.threads = self.threads.max(threads);
        for (mark, hits) in &report.marks {
            self.add_mark(mark, *hits);
        }
    }

    fn add_mark(&mut self, mark: &'static Mark, hits: u64) {
        if let Some(place) = mark_place(mark) {
            let (all, runs) = &mut self.marks[place];
            *all += hits;
            *runs += 1;
        }
    }

    /// Takes note of a run that is not as it should be.
    pub(super) fn add_failure(&mut self, found: Found) {
        self.add_kind(FailureKind {
            runs: 1,
            first: found,
        });
    }

    fn add_kind(&mut self, kind: FailureKind) {
        self.failures += kind.runs;
        let mut kinds = self.kinds.iter();
        let known = kinds.position(|known| known.first.fault.is_same_as(&kind.first.fault));
        match known {
            Some(place) => self.kinds[place].runs += kind.runs,
            None if self.kinds.len() < MAX_KINDS => self.kinds.push(kind),
            None => {}
        }
    }

    /// Adds what came next.
    pub(super) fn add(&mut self, next: &mut Tally) {
        self.seeds += next.seeds;
        self.decisions += next.decisions;
        self.steps += next.steps;
        self.events += next.events;
        self.virtual_ns += next.virtual_ns;
        self.digest = self.digest.wrapping_add(next.digest);
        // Those of kinds that the chunk had no room for.
        self.failures += next.failures - next.kinds.iter().map(|kind| kind.runs).sum::<u64>();
        for kind in next.kinds.drain(..) {
            self.add_kind(kind);
        }
        for (mine, theirs) in self.marks.iter_mut().zip(&next.marks) {
            *mine = (mine.0 + theirs.0, mine.1 + theirs.1);
        }
        self.table.add(&next.table);
        self.traces.merge(&next.traces);
        self.threads = self.threads.max(next.threads);
        self.promise.add(&next.promise);
        if self.error.is_none() {
            self.error = next.error.take();
        }
    }

    pub(super) fn marks_hit(&self) -> usize {
        self.marks.iter().filter(|(hits, _)| *hits > 0).count()
    }
}

/// A number each bit of which depends on all bits of `word`: the last step of SplitMix64.
fn scramble(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
