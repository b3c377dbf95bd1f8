//! ONCE: what happens once happens once.
//!
//! A job is READY once, its coroutine ends once, what it left for the main context runs once, its
//! driver lets go of the disks once, and it tells its end once. A request of a guest is answered once. A
//! drained section begins, is established and ends, in this order and once each.

use blockjob_block::request::BlockTrace;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::outcome::Outcome;
use blockjob_jobs::mirror::steps::{MirrorEvent, Step};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use super::by_job::ByJob;
use super::{Checker, Interest, Scene, Seen};
use crate::event::{GuestEvent, GuestWhat};
use crate::failure::Rule;

/// What is counted of a job.
#[derive(Default)]
struct Counts {
    ready: u32,
    runs_ended: u32,
    deferred: u32,
    deferred_started: u32,
    ready_steps: u32,
    exit_steps: u32,
    ends_told: u32,
    concluded: u32,
    /// What it had come to when it was concluded.
    outcome: Option<Outcome>,
}

/// A drained section that is open.
struct Open {
    id: u64,
    established: bool,
}

/// Where a request of a guest is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    Unknown,
    Asked,
    Ended,
}

/// The checker; see the module.
#[derive(Default)]
pub struct Once {
    jobs: ByJob<Counts>,
    sections: Vec<Open>,
    /// Of each home, the last one that has begun.
    last_sections: Vec<u64>,
    /// By number.
    requests: Vec<Request>,
}

impl Once {
    /// One that has seen nothing.
    pub fn new() -> Once {
        Once::default()
    }

    fn job(&mut self, scene: &Scene<'_>, trace: &JobTrace) {
        let counts = self.jobs.of(&trace.job);
        let twice = match trace.what {
            JobTraceKind::RunEnd => {
                counts.runs_ended += 1;
                (counts.runs_ended > 1).then_some(("run-end", "its coroutine ended twice"))
            }
            JobTraceKind::Defer => {
                counts.deferred += 1;
                None
            }
            JobTraceKind::DeferredStart => {
                counts.deferred_started += 1;
                let more = counts.deferred_started > counts.deferred;
                more.then_some(("deferred", "what it had deferred once ran twice"))
            }
            JobTraceKind::Status {
                from: JobStatus::Running,
                to: JobStatus::Ready,
            } => {
                counts.ready += 1;
                (counts.ready > 1).then_some(("ready", "it became READY twice"))
            }
            JobTraceKind::Status {
                to: JobStatus::Concluded,
                ..
            } => {
                counts.concluded += 1;
                let pair = scene.cast.pair_of_job(&trace.job);
                counts.outcome = pair.and_then(|pair| pair.mirror()?.outcome());
                if counts.concluded > 1 {
                    Some(("concluded", "it was concluded twice"))
                } else {
                    let untold = counts.ends_told == 0;
                    untold.then_some(("end-untold", "it was concluded and has not told its end"))
                }
            }
            _ => None,
        };
        if let Some((place, text)) = twice {
            fail(scene, place, &trace.job, text);
        }
    }

    fn event(&mut self, scene: &Scene<'_>, event: &JobEvent) {
        let name = event.job_id().as_str();
        let Some(counts) = self.jobs.named(name) else {
            return fail(scene, "unknown-job", name, "it tells of itself and is none");
        };
        if matches!(event, JobEvent::Completed { .. } | JobEvent::Cancelled(_)) {
            counts.ends_told += 1;
            if counts.ends_told > 1 {
                fail(scene, "end-told", name, "it told its end twice");
            }
        }
    }

    fn step_of(&mut self, scene: &Scene<'_>, job: &std::rc::Rc<str>, step: Step) {
        let counts = self.jobs.of(job);
        let (count, place) = match step {
            Step::M13 => (&mut counts.ready_steps, "step-ready"),
            _ => (&mut counts.exit_steps, "step-exit"),
        };
        *count += 1;
        if *count > 1 {
            fail(scene, place, job, "it came to a step twice that comes once");
        }
    }

    fn guest(&mut self, scene: &Scene<'_>, event: &GuestEvent) {
        let number = event.request as usize;
        if number >= self.requests.len() {
            self.requests.resize(number + 1, Request::Unknown);
        }
        let before = &mut self.requests[number];
        let (expected, after) = match event.what {
            GuestWhat::Asks => (Request::Unknown, Request::Asked),
            _ => (Request::Asked, Request::Ended),
        };
        if *before != expected {
            let text = format!("request {number} of a guest was {:?} twice", event.what);
            let parties = vec![format!("guest {}", event.guest)];
            scene.fail(Rule::Once, "guest-request", parties, text);
        }
        *before = after;
    }

    fn section(&mut self, scene: &Scene<'_>, trace: &BlockTrace) {
        let fail = |place: &str, owner: &str, text: &str| {
            scene.fail(Rule::Once, place, vec![owner.to_owned()], text.to_owned());
        };
        match trace {
            BlockTrace::DrainBegin { section, owner, .. } => {
                let home = scene.cast.home_called(scene.context);
                if home >= self.last_sections.len() {
                    self.last_sections.resize(home + 1, 0);
                }
                let last = &mut self.last_sections[home];
                if *section <= *last {
                    fail("section-begin", owner, "a drained section began twice");
                }
                *last = (*last).max(*section);
                self.sections.push(Open {
                    id: scene.section(*section),
                    established: false,
                });
            }
            BlockTrace::Drained { section, owner, .. } => {
                let id = scene.section(*section);
                match self.sections.iter_mut().find(|open| open.id == id) {
                    Some(open) if !open.established => open.established = true,
                    Some(_) => fail("section-established", owner, "it was established twice"),
                    None => fail(
                        "section-established",
                        owner,
                        "it is established, and not open",
                    ),
                }
            }
            BlockTrace::DrainEnd { section, owner, .. } => {
                let id = scene.section(*section);
                let place = self.sections.iter().position(|open| open.id == id);
                match place.map(|place| self.sections.swap_remove(place)) {
                    Some(open) if open.established => {}
                    Some(_) => fail("section-end", owner, "it ends, and was not established"),
                    None => fail(
                        "section-end",
                        owner,
                        "a drained section ends, and is not open",
                    ),
                }
            }
            _ => {}
        }
    }

    fn job_at_end(&self, scene: &Scene<'_>, name: &str, counts: &Counts) {
        if counts.deferred != counts.deferred_started {
            let text = "what it left for the main context has not run";
            fail(scene, "deferred-lost", name, text);
        }
        let pair = scene.cast.pair_of_job(name);
        let outcome = pair.and_then(|pair| pair.mirror()?.outcome());
        if counts.concluded > 0 && outcome != counts.outcome {
            fail(scene, "outcome", name, "it came to something else later");
        }
    }
}

fn fail(scene: &Scene<'_>, place: &str, job: &str, text: &str) {
    let text = format!("{job}: {text}");
    scene.fail(Rule::Once, place, vec![job.to_owned()], text);
}

impl Checker for Once {
    fn rule(&self) -> Rule {
        Rule::Once
    }

    fn wants(&self) -> Interest {
        Interest::JOB
            .or(Interest::JOB_EVENT)
            .or(Interest::MIRROR)
            .or(Interest::GUEST)
            .or(Interest::SECTION)
            .or(Interest::END)
    }

    fn reset(&mut self) {
        self.jobs.clear();
        self.sections.clear();
        self.last_sections.clear();
        self.requests.clear();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Block(trace) => self.section(scene, trace),
            Seen::Guest(event) => self.guest(scene, event),
            Seen::Mirror(trace) => {
                if let MirrorEvent::Step(step @ (Step::M13 | Step::M17)) = trace.event {
                    self.step_of(scene, &trace.job, step);
                }
            }
            Seen::Job(trace) => self.job(scene, trace),
            Seen::JobEvent(event) => self.event(scene, event),
            _ => {}
        }
    }

    fn end(&mut self, scene: &Scene<'_>) {
        for (name, counts) in self.jobs.iter() {
            self.job_at_end(scene, name, counts);
        }
        if let Some(open) = self.sections.first() {
            let text = format!("drained section {} has not ended", open.id);
            scene.fail(Rule::Once, "section-open", Vec::new(), text);
        }
        if let Some(number) = self.requests.iter().position(|it| *it == Request::Asked) {
            let text = format!("request {number} of a guest has not ended");
            scene.fail(Rule::Once, "guest-request-lost", Vec::new(), text);
        }
    }
}
