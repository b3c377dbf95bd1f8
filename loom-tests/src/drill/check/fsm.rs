//! FSM: jobs go from state to state as the table says, and come to one outcome, which they tell.

use std::collections::BTreeMap;

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::state::{JobStatus, can_transition};
use blockjob_jobs::trace::JobTraceKind;

use super::{Checker, Scene};
use crate::drill::hub::{Deed, Seen};

struct Known {
    status: JobStatus,
    /// What it told of its end: whether it was cancelled, or why it failed.
    told: Option<Result<Option<String>, ()>>,
    aborted: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Fsm {
    jobs: BTreeMap<String, Known>,
}

impl Fsm {
    fn of(&mut self, name: &str) -> &mut Known {
        self.jobs.entry(name.to_owned()).or_insert(Known {
            status: JobStatus::Undefined,
            told: None,
            aborted: false,
        })
    }

    fn changes(&mut self, name: &str, from: JobStatus, to: JobStatus) -> Option<String> {
        let known = self.of(name);
        let was = std::mem::replace(&mut known.status, to);
        known.aborted |= to == JobStatus::Aborting;
        if was != from {
            return Some(format!("'{name}' leaves '{from}', and was in '{was}'"));
        }
        if !can_transition(from, to) {
            return Some(format!("'{name}' goes from '{from}' to '{to}'"));
        }
        if to == JobStatus::Concluded && known.told.is_none() {
            return Some(format!("'{name}' is concluded, and has not told its end"));
        }
        if known.told.is_some() && !matches!(to, JobStatus::Concluded | JobStatus::Null) {
            return Some(format!("'{name}' has told its end, and is '{to}'"));
        }
        None
    }

    fn ends(&mut self, name: &str, told: Result<Option<String>, ()>) -> Option<String> {
        let known = self.of(name);
        let well = told == Ok(None);
        known.told = Some(told);
        if well == known.aborted {
            let what = if well { "success" } else { "no success" };
            return Some(format!(
                "'{name}' tells {what} when it is '{}'",
                known.status
            ));
        }
        None
    }
}

impl Checker for Fsm {
    fn see(&mut self, scene: &mut Scene<'_>, seen: &Seen<'_>) {
        let broken = match seen {
            Seen::Job(trace) => match trace.what {
                JobTraceKind::Status { from, to } => self.changes(&trace.job, from, to),
                _ => None,
            },
            Seen::Told(JobEvent::Completed { job, error }) => {
                scene.count(match error {
                    None => Deed::Completed,
                    Some(_) => Deed::Failed,
                });
                self.ends(job.device.as_str(), Ok(error.clone()))
            }
            Seen::Told(JobEvent::Cancelled(job)) => {
                scene.count(Deed::Cancelled);
                self.ends(job.device.as_str(), Err(()))
            }
            Seen::Told(JobEvent::StatusChange { id, status }) => {
                let known = self.of(id.as_str()).status;
                (known != *status)
                    .then(|| format!("'{id}' tells that it is '{status}', and is '{known}'"))
            }
            _ => None,
        };
        if let Some(broken) = broken {
            scene.fail("FSM", || broken);
        }
    }

    fn end(&mut self, scene: &mut Scene<'_>) {
        for (name, known) in &self.jobs {
            if known.status != JobStatus::Null {
                let status = known.status;
                scene.fail("FSM", || format!("'{name}' is '{status}' in the end"));
            }
        }
    }

    fn waiting(&self) -> Vec<String> {
        let jobs = self.jobs.iter();
        let jobs = jobs.filter(|(_, known)| known.status != JobStatus::Null);
        let lines = jobs.map(|(name, known)| format!("'{name}' is '{}'", known.status));
        lines.collect()
    }
}
