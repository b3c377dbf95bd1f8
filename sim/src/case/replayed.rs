//! A case made again.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use blockjob_runtime::trace::Wants;

use super::{BugError, Case, switch_on};
use crate::check::{Checker, Interest, Scene};
use crate::decide::{Drift, Log, Policy, Replay, Verdict};
use crate::failure::Rule;
use crate::record::Record;
use crate::run::{Report, Runner};

/// What came of making a case again.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What the run came to. Without a failure if it drifted and was broken off: what happened then is
    /// no part of the case.
    pub report: Report,
    /// What was decided this time.
    pub log: Log,
    /// Whether it was another build that made the case, and where the run was another one than the
    /// recorded, if it was.
    pub verdict: Verdict,
}

impl Replayed {
    /// Whether it was the same run, as far as its decisions show.
    pub fn is_exact(&self) -> bool {
        self.verdict.drift.is_none()
    }

    /// Where the run was another one than the recorded, if it was.
    pub fn drift(&self) -> Option<&Drift> {
        self.verdict.drift.as_ref()
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.verdict)?;
        match (&self.report.failure, self.is_exact()) {
            (Some(failure), _) => failure.fmt(f),
            (None, true) => f.write_str("no failure"),
            (None, false) => f.write_str("nothing can be said of the case"),
        }
    }
}

impl Case {
    /// Makes the run again. If it is `strict`, the run is broken off as soon as it asks something else
    /// than the log has answers for; else it goes on with the dullest answers, and may or may not come
    /// to the same end.
    ///
    /// # Errors
    ///
    /// If the exhibit that the case asks for cannot be switched on.
    pub fn replay(&self, runner: &mut Runner, strict: bool) -> Result<Replayed, BugError> {
        let (mut report, verdict) = self.play(strict, |policy, watchers| {
            runner.run_watched(self.config(), policy, watchers, Wants::NOTHING)
        })?;
        forget_what_came_after(&mut report, strict, &verdict);
        Ok(Replayed {
            report,
            log: runner.decider().log(),
            verdict,
        })
    }

    /// Makes the run again, and keeps the last `limit` of its events.
    ///
    /// # Errors
    ///
    /// As [`replay`](Self::replay).
    pub fn record(
        &self,
        runner: &mut Runner,
        strict: bool,
        limit: usize,
    ) -> Result<(Record, Verdict), BugError> {
        let (mut record, verdict) = self.play(strict, |policy, watchers| {
            Record::watched(runner, self.config(), policy, limit, watchers)
        })?;
        record.bug = self.bug().map(str::to_owned);
        forget_what_came_after(&mut record.report, strict, &verdict);
        Ok((record, verdict))
    }

    fn play<T>(
        &self,
        strict: bool,
        run: impl FnOnce(Box<dyn Policy>, Vec<Box<dyn Checker>>) -> T,
    ) -> Result<(T, Verdict), BugError> {
        let _switch = switch_on(self.bug())?;
        let replay = Rc::new(RefCell::new(Replay::new(self.recording().clone())));
        let mut watchers: Vec<Box<dyn Checker>> = Vec::new();
        if strict {
            watchers.push(Box::new(StopAtDrift(replay.clone())));
        }
        let run = run(Box::new(replay.clone()), watchers);
        let verdict = replay.borrow_mut().finish();
        Ok((run, verdict))
    }
}

/// A failure after the drift of a strict replay is none of the case's: nobody recorded that.
fn forget_what_came_after(report: &mut Report, strict: bool, verdict: &Verdict) {
    if strict && let Some(Drift::Question { at, .. } | Drift::Longer { at, .. }) = verdict.drift {
        let failure = report.failure.take();
        report.failure = failure.filter(|failure| failure.decisions <= at);
    }
}

/// Ends a run that has asked what its log has no answer for.
struct StopAtDrift(Rc<RefCell<Replay>>);

impl Checker for StopAtDrift {
    fn rule(&self) -> Rule {
        Rule::Panic
    }

    fn wants(&self) -> Interest {
        Interest::STEP
    }

    fn reset(&mut self) {}

    fn step(&mut self, scene: &Scene<'_>) {
        if let Some(drift) = self.0.borrow().drift() {
            scene.fail(Rule::Panic, "drift", Vec::new(), drift.to_string());
        }
    }
}
