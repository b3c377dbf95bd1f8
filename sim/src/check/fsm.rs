//! FSM: states, events and outcome follow the table.
//!
//! Every change of state is legal, by the engine's table and by one that is written down here. Every
//! change is told at once, and what else is told follows in the order that users of the reference
//! daemon see. What a job comes to is decided when its coroutine ends: after that a forced cancel
//! undoes it, and the failure of its last step, and nothing else. And the monitor is refused what the
//! table of verbs refuses, in the words for it.

mod tables;

use std::rc::Rc;

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::job::Job;
use blockjob_jobs::state::{JobStatus, can_transition};
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use super::by_job::ByJob;
use super::{Checker, Interest, Scene, Seen};
use crate::event::MonitorEvent;
use crate::failure::Rule;

/// What a job had come to when its coroutine ended.
struct RunEnd {
    cancelled: bool,
    error: Option<String>,
}

/// What is known of a job.
struct Known {
    status: JobStatus,
    /// The change that is still to be told.
    owed: Option<JobStatus>,
    /// It must tell next that it is READY, or pending.
    owes_ready: bool,
    owes_pending: bool,
    run_ended: bool,
    run_end: Option<RunEnd>,
    /// It was cancelled by force after its coroutine had ended.
    forced_late: bool,
    /// It aborts because its last step has failed.
    prepare_failed: bool,
    /// What it told in the end: cancelled, or the error.
    told: Option<Result<Option<String>, ()>>,
}

impl Default for Known {
    fn default() -> Self {
        Known {
            status: JobStatus::Undefined,
            owed: None,
            owes_ready: false,
            owes_pending: false,
            run_ended: false,
            run_end: None,
            forced_late: false,
            prepare_failed: false,
            told: None,
        }
    }
}

/// The checker; see the module.
#[derive(Default)]
pub struct Fsm {
    jobs: ByJob<Known>,
}

/// A rule that a job has broken: the place, and how.
type Broken = (&'static str, String);

impl Fsm {
    /// One that has seen nothing.
    pub fn new() -> Fsm {
        Fsm::default()
    }
}

impl Known {
    fn trace(&mut self, job: Option<&Rc<Job>>, trace: &JobTrace) -> Option<Broken> {
        match trace.what {
            JobTraceKind::Status { from, to } => self.changes(job, from, to),
            JobTraceKind::RunEnd => {
                self.run_ended = true;
                None
            }
            // The first thing after `run` has ended: now the outcome is set.
            JobTraceKind::Defer if self.run_ended && self.run_end.is_none() => {
                let job = job?;
                self.run_end = Some(RunEnd {
                    cancelled: job.is_cancelled(),
                    error: job.error_text(),
                });
                None
            }
            JobTraceKind::Cancel { force: true } => {
                self.forced_late |= self.run_ended;
                None
            }
            _ => None,
        }
    }

    fn changes(&mut self, job: Option<&Rc<Job>>, from: JobStatus, to: JobStatus) -> Option<Broken> {
        let before = std::mem::replace(&mut self.status, to);
        if before != from {
            let text = format!("it leaves '{from}', and was in '{before}'");
            return Some(("lost-state", text));
        }
        if !can_transition(from, to) {
            return Some(("illegal-change", format!("it goes from '{from}' to '{to}'")));
        }
        if !tables::legal(from, to) {
            let text = format!("the engine has it go from '{from}' to '{to}'");
            return Some(("broken-table", text));
        }
        if let Some(owed) = self.owed {
            let text = format!("it was '{owed}' and is '{to}', and has not told the former");
            return Some(("change-untold", text));
        }
        if self.owes_ready || self.owes_pending {
            let what = if self.owes_ready { "READY" } else { "pending" };
            let text = format!("it has become {what}, is '{to}' now, and has not told");
            return Some(("event-untold", text));
        }
        if self.told.is_some() && !matches!(to, JobStatus::Concluded | JobStatus::Null) {
            return Some((
                "after-the-end",
                format!("it has told its end, and is '{to}'"),
            ));
        }
        self.owed = (from != to).then_some(to);
        self.owes_ready = (from, to) == (JobStatus::Running, JobStatus::Ready);
        self.owes_pending = to == JobStatus::Pending && job.is_some_and(|job| !job.auto_finalize());
        self.prepare_failed |= (from, to) == (JobStatus::Pending, JobStatus::Aborting);
        match (to, job) {
            (JobStatus::Concluded, Some(job)) => self.is_true(job),
            _ => None,
        }
    }

    /// What the job says of itself in the end is what it has told.
    fn is_true(&self, job: &Job) -> Option<Broken> {
        let told = self.told.as_ref()?;
        let error = job.error_text();
        let same = match told {
            Ok(told) => *told == error,
            Err(()) => error.is_some(),
        };
        (!same).then(|| {
            let text = format!("it told {told:?}, and came to {error:?}");
            ("outcome-untrue", text)
        })
    }

    fn event(&mut self, event: &JobEvent) -> Option<Broken> {
        let out_of_order = |text: &str| Some(("event-order", text.to_owned()));
        if let JobEvent::StatusChange { status, .. } = event {
            if self.owed.take() != Some(*status) {
                let text = format!("it tells that it is '{status}', and is '{}'", self.status);
                return Some(("event-order", text));
            }
            return None;
        }
        if let Some(owed) = self.owed {
            let text = format!(
                "it tells {} before it tells that it is '{owed}'",
                event.name()
            );
            return Some(("event-order", text));
        }
        match event {
            JobEvent::Ready(_) if std::mem::take(&mut self.owes_ready) => None,
            JobEvent::Ready(_) => {
                out_of_order("it tells that it is READY, and has just not become so")
            }
            JobEvent::Pending { .. } if std::mem::take(&mut self.owes_pending) => None,
            JobEvent::Pending { .. } => out_of_order("it tells that it is pending, and need not"),
            JobEvent::Completed { error, .. } => self.ends(Ok(error.clone())),
            JobEvent::Cancelled(_) => self.ends(Err(())),
            _ => None,
        }
    }

    /// It tells its end: an error or none, or that it was cancelled.
    fn ends(&mut self, told: Result<Option<String>, ()>) -> Option<Broken> {
        let expected = match told {
            Ok(None) => JobStatus::Pending,
            Ok(Some(_)) | Err(()) => JobStatus::Aborting,
        };
        let Some(run_end) = &self.run_end else {
            let text = format!("it tells its end, {told:?}, and its coroutine has not ended");
            return Some(("end-too-early", text));
        };
        let before = self.told.replace(told.clone());
        if self.status != expected || before.is_some() {
            let text = format!("it tells its end, {told:?}, when it is '{}'", self.status);
            return Some(("event-order", text));
        }
        let stands = match &told {
            Err(()) => run_end.cancelled || self.forced_late,
            Ok(error) if *error == run_end.error => !run_end.cancelled,
            Ok(_) => run_end.error.is_none() && self.prepare_failed,
        };
        (!stands).then(|| {
            let came_to = match run_end {
                RunEnd {
                    cancelled: true, ..
                } => "to be cancelled".to_owned(),
                RunEnd { error: None, .. } => "to success".to_owned(),
                RunEnd {
                    error: Some(error), ..
                } => format!("to '{error}'"),
            };
            let tells = match told {
                Err(()) => "it was cancelled".to_owned(),
                Ok(None) => "success".to_owned(),
                Ok(Some(error)) => format!("'{error}'"),
            };
            let text = format!("its coroutine had come {came_to}, and in the end it tells {tells}");
            ("outcome-changed", text)
        })
    }
}

fn refusal(event: &MonitorEvent) -> Option<Broken> {
    let verb = tables::verb_name(event.verb)?;
    let expected = tables::refusal(event.verb, event.asked.as_ref());
    let status = event.asked.as_ref().map(|asked| asked.status);
    match (&event.refused, expected) {
        (None, None) => None,
        (Some(refused), Some(expected)) if refused.contains(&*expected) => None,
        (refused, expected) => {
            let text = format!(
                "'{verb}' of a job that is {status:?} is answered {refused:?}, and not {expected:?}"
            );
            Some(("verb-answer", text))
        }
    }
}

impl Checker for Fsm {
    fn rule(&self) -> Rule {
        Rule::Fsm
    }

    fn wants(&self) -> Interest {
        Interest::JOB.or(Interest::JOB_EVENT).or(Interest::MONITOR)
    }

    fn reset(&mut self) {
        self.jobs.clear();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        let (broken, job) = match seen {
            Seen::Job(trace) => {
                let asks = matches!(
                    trace.what,
                    JobTraceKind::Status { .. } | JobTraceKind::Defer
                );
                let job = asks.then(|| scene.cast.job(&trace.job)).flatten();
                let known = self.jobs.of(&trace.job);
                (known.trace(job.as_ref(), trace), &*trace.job)
            }
            Seen::JobEvent(event) => {
                let name = event.job_id().as_str();
                let known = self.jobs.named(name);
                (known.and_then(|known| known.event(event)), name)
            }
            Seen::Monitor(event) => {
                let asked = event.asked.as_ref();
                (refusal(event), asked.map_or("no job", |asked| &*asked.job))
            }
            _ => return,
        };
        if let Some((place, text)) = broken {
            let parties = vec![job.to_owned()];
            scene.fail(Rule::Fsm, place, parties, format!("{job}: {text}"));
        }
    }
}
