//! TXN: the jobs of a transaction end together.
//!
//! Either all of them succeed, or none does: the first that fails or is cancelled takes the others
//! along, and no disk is switched. And nobody's success takes effect before all are done.

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::MirrorEnd;
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use super::by_job::ByJob;
use super::{Checker, Interest, Scene, Seen};
use crate::config::Field;
use crate::failure::Rule;

/// Where a job of the transaction is.
struct Member {
    status: JobStatus,
    /// Whether it has told success, once it has told its end.
    succeeded: Option<bool>,
}

impl Default for Member {
    fn default() -> Self {
        Member {
            status: JobStatus::Undefined,
            succeeded: None,
        }
    }
}

/// The checker; see the module.
#[derive(Default)]
pub struct Txn {
    /// Those of the one transaction of the run.
    members: ByJob<Member>,
}

impl Txn {
    /// One that has seen nothing.
    pub fn new() -> Txn {
        Txn::default()
    }

    fn job(&mut self, scene: &Scene<'_>, trace: &JobTrace, to: JobStatus) {
        self.members.of(&trace.job).status = to;
        if to != JobStatus::Pending {
            return;
        }
        let done = |member: &Member| member.status.is_completed();
        if let Some((other, member)) = self.members.iter().find(|(_, it)| !done(it)) {
            let text = format!(
                "{} is pending, and {other}, which is of the same transaction, is {}",
                trace.job, member.status
            );
            fail(scene, "pending-too-early", &[&trace.job, other], text);
        }
    }

    fn ends(&mut self, scene: &Scene<'_>, name: &str, succeeds: bool) {
        let Some(member) = self.members.named(name) else {
            return;
        };
        member.succeeded = Some(succeeds);
        for (other, member) in self.members.iter() {
            let early = succeeds && !member.status.is_completed();
            let differs = member.succeeded.is_some_and(|other| other != succeeds);
            if early || differs {
                let (place, text) = match early {
                    true => ("commits-too-early", "has not ended"),
                    false if succeeds => ("ends-differ", "has failed or was cancelled"),
                    false => ("ends-differ", "has succeeded"),
                };
                let how = if succeeds {
                    "succeeds"
                } else {
                    "does not succeed"
                };
                let text = format!("{name} {how}, and {other} {text}");
                return fail(scene, place, &[name, other], text);
            }
        }
    }
}

fn fail(scene: &Scene<'_>, place: &str, jobs: &[&str], text: String) {
    let parties = jobs.iter().map(|job| (*job).to_owned()).collect();
    scene.fail(Rule::Txn, place, parties, text);
}

impl Checker for Txn {
    fn rule(&self) -> Rule {
        Rule::Txn
    }

    fn wants(&self) -> Interest {
        Interest::JOB.or(Interest::JOB_EVENT).or(Interest::END)
    }

    fn reset(&mut self) {
        self.members.clear();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Job(trace) => {
                if let JobTraceKind::Status { to, .. } = trace.what
                    && scene.cast.config.is(Field::Txn)
                    && scene.cast.pair_of_job(&trace.job).is_some()
                {
                    self.job(scene, trace, to);
                }
            }
            Seen::JobEvent(JobEvent::Completed { job, error }) => {
                self.ends(scene, job.device.as_str(), error.is_none());
            }
            Seen::JobEvent(JobEvent::Cancelled(job)) => {
                self.ends(scene, job.device.as_str(), false);
            }
            _ => {}
        }
    }

    fn end(&mut self, scene: &Scene<'_>) {
        let failed = self
            .members
            .iter()
            .find(|(_, it)| it.succeeded == Some(false));
        let Some((failed, _)) = failed else { return };
        for (name, _) in self.members.iter() {
            let pair = scene.cast.pair_of_job(name);
            let outcome = pair.and_then(|pair| pair.mirror()?.outcome());
            if outcome.is_some_and(|outcome| outcome.end == MirrorEnd::Pivoted) {
                let text = format!("{name} has switched its disk, and {failed} did not succeed");
                return fail(scene, "pivots-alone", &[name, failed], text);
            }
        }
    }
}
