//! Whether a whole copying job of a learner ends as it should.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_jobs::driver::JobResult;
use blockjob_jobs::error::JobError;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::job::Job;
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::JobTraceKind;

use super::bench::Disks;
use super::court::Court;
use crate::check::{Checker, Interest, Scene, Seen};
use crate::event::MonitorEvent;
use crate::failure::Rule;
use crate::monitor::Verb;

/// What a job is to come to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The target is a copy as of the end of `run`.
    Copy,
    /// The job becomes READY once, and ends when it is told to: with a pivot, with a copy, or abandoned.
    Mirror,
}

/// See the module. Clones judge the same job.
#[derive(Clone)]
pub(super) struct Judge(Rc<State>);

struct State {
    court: Court,
    wanted: Wanted,
    /// The job of this run. The run owns it.
    stage: RefCell<(Weak<Disks>, Weak<Job>)>,
    readies: Cell<u32>,
    /// The job was READY when it was asked to cancel softly, and nobody had before.
    soft: Cell<bool>,
    /// It was asked to cancel by force.
    forced: Cell<bool>,
}

impl Judge {
    pub(super) fn new(court: &Court, wanted: Wanted) -> Judge {
        Judge(Rc::new(State {
            court: court.clone(),
            wanted,
            stage: RefCell::default(),
            readies: Cell::new(0),
            soft: Cell::new(false),
            forced: Cell::new(false),
        }))
    }

    /// A run begins, with this job.
    pub(super) fn begin(&self, disks: &Rc<Disks>, job: &Rc<Job>) {
        *self.0.stage.borrow_mut() = (Rc::downgrade(disks), Rc::downgrade(job));
        let (me, disks) = (self.clone(), Rc::downgrade(disks));
        job.on_finished(move |job, result| {
            if let Some(disks) = disks.upgrade() {
                me.0.finished(&disks, job, result);
            }
        });
    }

    pub(super) fn checker(&self) -> Box<dyn Checker> {
        Box::new(self.clone())
    }
}

impl State {
    fn accuse(&self, rule: Rule, place: &'static str, text: impl Into<String>) {
        self.court.accuse(rule, place, text.into());
    }

    /// The job's coroutine has ended.
    fn run_ended(&self, disks: &Disks, job: &Job) {
        if job.is_cancelled() {
            return;
        }
        if disks.in_flight() > 0 {
            let text = format!("run has ended with {} copies in flight.", disks.in_flight());
            return self.accuse(Rule::Quiesce, "lab-left-copies", text);
        }
        let mirrors = self.wanted == Wanted::Mirror;
        if mirrors && disks.source_node().quiesce_counter() == 0 {
            return self.accuse(
                Rule::Drain,
                "lab-not-drained",
                "run has ended and the source is not drained: what the guest writes between here and \
                 the hand-over is on the source alone.",
            );
        }
        if disks.dirty_bytes() > 0 {
            let text = format!(
                "run has ended with {} bytes dirty: what was in flight when the drained section began \
                 has made them dirty, and they were not counted again inside of it.",
                disks.dirty_bytes()
            );
            return self.accuse(Rule::Data, "lab-not-counted", text);
        }
        if disks.source_node().quiesce_counter() > 0 {
            disks.judge_copy();
        }
        if mirrors && disks.unflushed.get() {
            self.accuse(
                Rule::Data,
                "lab-not-flushed",
                "run has ended, and what was written to the target last was not flushed.",
            );
        }
    }

    /// It is being cancelled; `force` is what the driver has made of it.
    fn cancelled(&self, disks: &Disks, job: &Job, force: bool) {
        if force {
            disks.abandoned.set(true);
        } else if !job.is_ready() && self.wanted == Wanted::Mirror {
            self.accuse(
                Rule::Cancel,
                "lab-soft-too-early",
                "The job was cancelled before it was READY, and did not abandon its work: there is no \
                 copy yet that it could leave behind in good order.",
            );
        }
    }

    /// A user has asked something of it, and was not refused.
    fn asked(&self, event: &MonitorEvent) {
        let ready = event.asked.as_ref().is_some_and(|asked| {
            !asked.cancel_requested && matches!(asked.status, JobStatus::Ready | JobStatus::Standby)
        });
        match event.verb {
            Verb::Cancel if ready => self.soft.set(true),
            Verb::ForceCancel => self.forced.set(true),
            _ => {}
        }
    }

    /// It sleeps: what it says of its progress stands for a while.
    fn sleeps(&self, disks: &Disks, job: &Job) {
        let (left, dirty) = (job.progress().remaining(), disks.dirty_bytes());
        if self.wanted == Wanted::Mirror && left != dirty {
            let text = format!(
                "The job sleeps, {dirty} bytes are dirty, and its progress says that {left} are left."
            );
            self.accuse(Rule::Count, "lab-progress", text);
        }
    }

    fn ready(&self, disks: &Disks) {
        self.readies.set(self.readies.get() + 1);
        if self.readies.get() > 1 {
            self.accuse(Rule::Once, "lab-ready-twice", "The job became READY twice.");
        } else if disks.dirty_bytes() > 0 || disks.in_flight() > 0 {
            let text = format!(
                "The job became READY with {} bytes dirty and {} copies in flight: READY is an instant \
                 at which both sides are the same.",
                disks.dirty_bytes(),
                disks.in_flight()
            );
            self.accuse(Rule::Fsm, "lab-ready-early", text);
        } else if disks.unflushed.get() {
            self.accuse(
                Rule::Data,
                "lab-ready-unflushed",
                "The job became READY, and what it wrote to the target last was not flushed.",
            );
        }
    }

    /// Everything is over, but for the job's last event.
    fn finished(&self, disks: &Disks, job: &Job, result: &JobResult) {
        if self.wanted == Wanted::Copy {
            if let Err(error) = result
                && !job.is_cancelled()
            {
                let text = format!("The job failed on disks without faults: {error}.");
                self.accuse(Rule::Fsm, "lab-failed", text);
            }
            return;
        }
        let device = disks.cast.pairs[0].device().node();
        let on_target = device.is_some_and(|node| Rc::ptr_eq(&node, &disks.target_node()));
        let completed = disks.should_complete.get() && !job.cancel_requested();
        match result {
            Err(JobError::Cancelled) if on_target => self.accuse(
                Rule::Cancel,
                "lab-cancelled-on-target",
                "The job was cancelled, and the guest is on the target.",
            ),
            Err(JobError::Cancelled) if self.soft.get() && !self.forced.get() => self.accuse(
                Rule::Cancel,
                "lab-soft-abandoned",
                "A READY job was cancelled without force, and abandoned its work: it should have \
                 ended in good order, with a copy as of that moment.",
            ),
            Err(JobError::Cancelled) => {}
            Err(error) => {
                let text = format!("The job failed on disks without faults: {error}.");
                self.accuse(Rule::Fsm, "lab-failed", text);
            }
            Ok(()) if completed && !on_target => self.accuse(
                Rule::Data,
                "lab-no-pivot",
                "The job was told to complete and ended well, and the guest is still on the source.",
            ),
            Ok(()) if !disks.should_complete.get() && on_target => self.accuse(
                Rule::Cancel,
                "lab-pivot-unasked",
                "Nobody told the job to complete, and the guest is on the target.",
            ),
            Ok(()) if !disks.should_complete.get() && !job.cancel_requested() => self.accuse(
                Rule::Fsm,
                "lab-ended-unasked",
                "The job ended well and nobody had told it to: a mirror that is READY goes on until \
                 it is completed or cancelled.",
            ),
            Ok(()) => {}
        }
    }
}

impl Checker for Judge {
    fn rule(&self) -> Rule {
        Rule::Data
    }

    fn wants(&self) -> Interest {
        Interest::JOB.or(Interest::JOB_EVENT).or(Interest::MONITOR)
    }

    fn reset(&mut self) {
        self.0.readies.set(0);
        self.0.soft.set(false);
        self.0.forced.set(false);
    }

    fn see(&mut self, _: &Scene<'_>, seen: &Seen<'_>) {
        let stage = self.0.stage.borrow();
        let (Some(disks), Some(job)) = (stage.0.upgrade(), stage.1.upgrade()) else {
            return;
        };
        match seen {
            Seen::Job(trace) => match trace.what {
                JobTraceKind::RunEnd => self.0.run_ended(&disks, &job),
                JobTraceKind::Cancel { force } => self.0.cancelled(&disks, &job, force),
                JobTraceKind::Sleep { .. } => self.0.sleeps(&disks, &job),
                _ => {}
            },
            Seen::Monitor(event) if event.refused.is_none() => self.0.asked(event),
            Seen::JobEvent(JobEvent::Ready(_)) if self.0.wanted == Wanted::Mirror => {
                self.0.ready(&disks);
            }
            _ => {}
        }
    }
}
