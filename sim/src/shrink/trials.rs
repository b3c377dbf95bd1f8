//! Runs that are made to see whether they fail.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;

use blockjob_runtime::trace::Wants;

use super::measure::{Measure, Size};
use super::{Budget, Phase, Progress};
use crate::check::{Checker, Interest, Scene, Seen};
use crate::config::Config;
use crate::decide::{Lenient, Log, Policy};
use crate::event::GuestWhat;
use crate::failure::{Failure, Rule};
use crate::run::Runner;

/// After so many runs whoever waits is told how far it is.
const TELL_EACH: u64 = 64;

/// Makes runs as long as there is budget.
pub(super) struct Trials<'a> {
    runner: &'a mut Runner,
    wanted: Failure,
    budget: Budget,
    progress: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
    phase: Phase,
    tries: u64,
    steps: u64,
    broken_off: bool,
}

impl<'a> Trials<'a> {
    pub(super) fn new(
        runner: &'a mut Runner,
        wanted: Failure,
        budget: Budget,
        progress: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Self {
        Trials {
            runner,
            wanted,
            budget,
            progress,
            phase: Phase::Freely,
            tries: 0,
            steps: 0,
            broken_off: false,
        }
    }

    pub(super) fn tries(&self) -> u64 {
        self.tries
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn enter(&mut self, phase: Phase, measure: Measure) {
        self.phase = phase;
        self.tell(measure);
    }

    fn tell(&mut self, measure: Measure) {
        let told = (self.progress)(&Progress {
            phase: self.phase,
            tries: self.tries,
            measure,
        });
        self.broken_off |= told.is_break();
    }

    /// So many runs may still be made.
    pub(super) fn left(&self) -> u64 {
        if self.broken_off || self.steps >= self.budget.steps {
            return 0;
        }
        self.budget.runs.saturating_sub(self.tries)
    }

    /// Makes a run; its log if it fails as wanted. Nothing if there is no budget left. `best` is the
    /// smallest run so far, for whoever waits.
    pub(super) fn fails(
        &mut self,
        config: &Config,
        policy: Box<dyn Policy>,
        best: Measure,
    ) -> Option<Log> {
        if self.left() == 0 {
            return None;
        }
        self.tries += 1;
        if self.tries.is_multiple_of(TELL_EACH) {
            self.tell(best);
        }
        let report = self.runner.run(config, policy);
        self.steps += report.steps;
        let failure = report.failure?;
        let same = failure.is_same_as(&self.wanted);
        same.then(|| self.runner.decider().log())
    }

    /// The size of a run that was made before.
    pub(super) fn size(&mut self, config: &Config, log: &Log) -> Size {
        let requests = Rc::new(Cell::new(0));
        let counter: Box<dyn Checker> = Box::new(CountRequests(requests.clone()));
        let policy = Box::new(Lenient::new(log));
        let report = self
            .runner
            .run_watched(config, policy, vec![counter], Wants::NOTHING);
        Size::of(config, log, requests.get(), report.virtual_ns)
    }
}

struct CountRequests(Rc<Cell<u64>>);

impl Checker for CountRequests {
    fn rule(&self) -> Rule {
        Rule::Count
    }

    fn wants(&self) -> Interest {
        Interest::GUEST
    }

    fn reset(&mut self) {
        self.0.set(0);
    }

    fn see(&mut self, _scene: &Scene<'_>, seen: &Seen<'_>) {
        if let Seen::Guest(event) = seen
            && event.what == GuestWhat::Asks
        {
            self.0.set(self.0.get() + 1);
        }
    }
}
