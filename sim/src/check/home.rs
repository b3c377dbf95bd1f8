//! HOME: a job is entered by one at a time, and never after its end; coroutines lie on the stack as they
//! were put there.
//!
//! Who enters a job takes it from those who wait; only the job gives itself back, when it yields. The
//! engine asserts much of this itself: [`rule_of_panic`] tells those assertions from others.

use std::rc::Rc;

use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::{JobTrace, JobTraceKind};
use blockjob_runtime::trace::{CoroutineId, Event};

use super::{Checker, Interest, Scene, Seen};
use crate::failure::Rule;

/// Where the coroutine of a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It runs, is about to, or waits for something of its own.
    Busy,
    /// It waits to be entered.
    Idle,
    Ended,
}

/// See the module.
#[derive(Default)]
pub struct Home {
    jobs: Vec<(Rc<str>, Stage)>,
    /// The coroutines that run, the innermost last, with their contexts.
    stack: Vec<(String, CoroutineId)>,
}

impl Home {
    /// The checker.
    pub fn new() -> Home {
        Home::default()
    }

    fn job(&mut self, scene: &Scene<'_>, trace: &JobTrace) {
        let mut jobs = self.jobs.iter();
        let known = jobs.position(|(job, _)| scene.same_job(job, &trace.job));
        let stage = match (known, &trace.what) {
            (Some(index), _) => &mut self.jobs[index].1,
            (None, JobTraceKind::Status { to, .. }) if *to == JobStatus::Running => {
                self.jobs.push((trace.job.clone(), Stage::Busy));
                return;
            }
            (None, _) => return,
        };
        let before = *stage;
        let (expected, after) = match trace.what {
            JobTraceKind::Enter => (Stage::Idle, Stage::Busy),
            JobTraceKind::Yield | JobTraceKind::Sleep { .. } => (Stage::Busy, Stage::Idle),
            JobTraceKind::RunEnd => (Stage::Busy, Stage::Ended),
            _ => return,
        };
        *stage = after;
        if before == expected {
            return;
        }
        let place = match (&trace.what, before) {
            (_, Stage::Ended) => "runs-after-its-end",
            (JobTraceKind::Enter, _) => "entered-twice",
            _ => "runs-unentered",
        };
        let text = format!(
            "{:?} comes to '{}', which is {before:?}",
            trace.what, trace.job
        );
        scene.fail(Rule::Home, place, vec![trace.job.to_string()], text);
    }

    fn runs(&self, scene: &Scene<'_>, coroutine: CoroutineId) -> bool {
        let mut stack = self.stack.iter();
        stack.any(|(context, id)| *id == coroutine && context == scene.context)
    }

    fn coroutine(&mut self, scene: &Scene<'_>, event: &Event<'_>) {
        match event {
            Event::Enter { coroutine, .. } => {
                let runs = |(context, id): &(String, CoroutineId)| {
                    id == coroutine && context == scene.context
                };
                if self.stack.iter().any(runs) {
                    let text = format!("{coroutine} is entered while it runs");
                    scene.fail(Rule::Home, "coroutine-entered-twice", Vec::new(), text);
                }
                self.stack.push((scene.context.to_owned(), *coroutine));
            }
            // What has moved away leaves its coroutine behind, which ends where it stood still.
            Event::End { coroutine }
                if scene.cast.homes.len() > 1 && !self.runs(scene, *coroutine) => {}
            Event::Yield { coroutine } | Event::End { coroutine } => {
                let top = self.stack.pop();
                let is_it = |(context, id): &(String, CoroutineId)| {
                    id == coroutine && context == scene.context
                };
                if !top.as_ref().is_some_and(is_it) {
                    let text = format!("{coroutine} leaves the stack, on top of which is {top:?}");
                    scene.fail(Rule::Home, "not-on-top", Vec::new(), text);
                }
            }
            _ => {}
        }
    }
}

/// What assertions of the engine say when a coroutine, or a job by it, runs where it must not.
const ASSERTED: [&str; 9] = [
    "which runs already",
    "after it had ended",
    "outside of its home",
    "yields twice",
    "by somebody who did not enter it",
    "polled its own event loop",
    "closed its own context",
    "runs inside of a coroutine",
    "inside of a coroutine: it must await",
];

/// The rule that a panic of the engine breaks, as far as it can be told from what it says.
pub fn rule_of_panic(text: &str) -> Option<Rule> {
    let known = ASSERTED.iter().any(|asserted| text.contains(asserted));
    let known = known || (text.contains(" yields for Job(") && text.contains("Coroutine("));
    known.then_some(Rule::Home)
}

impl Checker for Home {
    fn rule(&self) -> Rule {
        Rule::Home
    }

    fn wants(&self) -> Interest {
        Interest::JOB.or(Interest::RUNTIME)
    }

    fn reset(&mut self) {
        self.jobs.clear();
        self.stack.clear();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Job(trace) => self.job(scene, trace),
            Seen::Runtime(event) => self.coroutine(scene, event),
            _ => {}
        }
    }
}
