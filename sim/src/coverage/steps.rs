//! Which steps of mirrors were taken in which states of their jobs.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace, Step};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use crate::check::{Checker, Interest, Scene, Seen};
use crate::failure::Rule;

const STEPS: usize = Step::ALL.len();
const STATES: usize = JobStatus::ALL.len();

/// How often each step was taken in each state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTable {
    /// By step, then by state, each in the order of its `ALL`.
    counts: [[u64; STATES]; STEPS],
}

impl Default for StepTable {
    fn default() -> Self {
        StepTable {
            counts: [[0; STATES]; STEPS],
        }
    }
}

impl StepTable {
    fn count(&mut self, step: Step, status: JobStatus) {
        self.counts[step as usize][status as usize] += 1;
    }

    /// How often `step` was taken by jobs in the state `status`.
    pub fn hits(&self, step: Step, status: JobStatus) -> u64 {
        self.counts[step as usize][status as usize]
    }

    /// Steps that were never taken, in no state.
    pub fn missed(&self) -> Vec<Step> {
        let all = Step::ALL.into_iter();
        all.filter(|step| self.counts[*step as usize].iter().all(|hits| *hits == 0))
            .collect()
    }

    /// Adds what another table has counted.
    pub fn add(&mut self, other: &StepTable) {
        let sums = self.counts.iter_mut().flatten();
        for (sum, hits) in sums.zip(other.counts.iter().flatten()) {
            *sum += hits;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts = [[0; STATES]; STEPS];
    }
}

/// A line for each step, and a column for each state in which any step was taken.
impl fmt::Display for StepTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken_in = |status: &JobStatus| {
            let mut rows = self.counts.iter();
            rows.any(|row| row[*status as usize] > 0)
        };
        let states: Vec<_> = JobStatus::ALL.into_iter().filter(taken_in).collect();
        write!(f, "{:4}", "")?;
        for status in &states {
            write!(f, " {:>12}", status.as_str())?;
        }
        writeln!(f)?;
        for step in Step::ALL {
            write!(f, "{:4}", step.to_string())?;
            for status in &states {
                match self.hits(step, *status) {
                    0 => write!(f, " {:>12}", "-")?,
                    hits => write!(f, " {hits:>12}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Counts into a [`StepTable`] that its maker keeps, over all runs in which it looks on. It looks on as a
/// checker does, and never fails.
pub struct StepWatch {
    table: Rc<RefCell<StepTable>>,
    /// The jobs of this run, by their labels, and the state that each is in.
    jobs: Vec<(Rc<str>, JobStatus)>,
}

impl StepWatch {
    /// A watch that counts into `table`.
    pub fn new(table: &Rc<RefCell<StepTable>>) -> Self {
        StepWatch {
            table: table.clone(),
            jobs: Vec::new(),
        }
    }

    /// The state of the job that has this label. A job shares its label with its traces, so to compare
    /// the addresses is nearly always enough; names are used again by later jobs.
    fn status_of(&mut self, job: &Rc<str>) -> &mut JobStatus {
        let known = self
            .jobs
            .iter()
            .position(|(label, _)| Rc::ptr_eq(label, job));
        let place = known.unwrap_or_else(|| {
            self.jobs.push((job.clone(), JobStatus::Undefined));
            self.jobs.len() - 1
        });
        &mut self.jobs[place].1
    }
}

impl Checker for StepWatch {
    /// The rule that it would hold if it held one.
    fn rule(&self) -> Rule {
        Rule::Fsm
    }

    fn wants(&self) -> Interest {
        Interest::MIRROR.or(Interest::JOB)
    }

    fn reset(&mut self) {
        self.jobs.clear();
    }

    fn see(&mut self, _scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Mirror(MirrorTrace {
                job,
                event: MirrorEvent::Step(step),
            }) => {
                let status = *self.status_of(job);
                self.table.borrow_mut().count(*step, status);
            }
            Seen::Job(JobTrace {
                job,
                what: JobTraceKind::Status { to, .. },
            }) => *self.status_of(job) = *to,
            _ => {}
        }
    }
}
