//! CANCEL: a cancel that is in force takes effect.
//!
//! A job whose work is abandoned begins no copy any more, is not asleep, comes past the head of its
//! loop once at most, and its coroutine ends as soon as what it has under way has ended. A soft cancel
//! is for jobs that are READY, and they end in good order; before that it is as good as a forced one.
//!
//! Guests are free at once: none waits any more for its turn to write to both sides, nor for the target.

use std::ops::Range;
use std::rc::Rc;

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::MirrorEnd;
use blockjob_jobs::mirror::conflicts::OperationKind;
use blockjob_jobs::mirror::steps::{MirrorEvent, Step};
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use super::bounds::Bounds;
use super::by_job::ByJob;
use super::{Checker, Interest, Scene, Seen};
use crate::config::Field;
use crate::event::MonitorEvent;
use crate::failure::Rule;
use crate::monitor::Verb;

const LINGERS: &str = "was cancelled, and runs when all that it had under way must have ended";

/// What is known of a job.
#[derive(Default)]
struct Known {
    /// Since when its work is abandoned and its coroutine has not ended.
    abandoned: Option<Abandoned>,
    run_ended: bool,
    /// It was cancelled softly when it was READY, and its coroutine had not ended.
    softly: bool,
    /// It was cancelled by force, ever.
    by_force: bool,
    /// It was told to complete.
    completes: bool,
}

struct Abandoned {
    since_ns: u64,
    /// Bytes that it had begun to copy, with those that have ended well.
    begun_bytes: u64,
    /// How often it has come past a step that looks for a cancel.
    heads: u32,
}

/// The checker; see the module.
#[derive(Default)]
pub struct Cancel {
    jobs: ByJob<Known>,
    /// How many are abandoned and have not ended.
    abandoned: usize,
    bounds: Option<Bounds>,
    /// Whether this has looked since it is calm.
    in_calm: bool,
}

impl Cancel {
    /// One that has seen nothing.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    fn job(&mut self, scene: &Scene<'_>, trace: &JobTrace) {
        match trace.what {
            JobTraceKind::Cancel { force } => {
                let Some(job) = scene.cast.job(&trace.job) else {
                    return;
                };
                let begun_bytes = begun_bytes(scene, &job);
                let known = self.jobs.of(&trace.job);
                known.by_force |= force;
                if known.run_ended {
                    return;
                }
                if !force && !job.is_ready() {
                    let text = "is cancelled softly, and was not READY";
                    return fail(scene, "soft-too-early", &trace.job, text);
                }
                known.softly |= !force;
                if force && known.abandoned.is_none() && job.is_started() {
                    known.abandoned = Some(Abandoned {
                        since_ns: scene.now_ns,
                        begun_bytes,
                        heads: 0,
                    });
                    self.abandoned += 1;
                }
            }
            JobTraceKind::RunEnd => {
                let late_ns = self.late_ns(scene);
                let known = self.jobs.of(&trace.job);
                known.run_ended = true;
                if let Some(abandoned) = known.abandoned.take() {
                    self.abandoned -= 1;
                    // Without looks in between nobody knows how long what it waited for was held.
                    let held = scene.cast.config.get(Field::Hold) > 0;
                    if !held && scene.now_ns - abandoned.since_ns > late_ns {
                        fail(scene, "lingers", &trace.job, LINGERS);
                    }
                }
            }
            _ => {}
        }
    }

    fn mirror(&mut self, scene: &Scene<'_>, job: &Rc<str>, event: &MirrorEvent) {
        let Some(abandoned) = &mut self.jobs.of(job).abandoned else {
            return;
        };
        match event {
            MirrorEvent::MirrorIteration { .. } => {
                fail(scene, "copies-on", job, "takes granules, and was cancelled");
            }
            MirrorEvent::Step(Step::M6 | Step::M7) => {
                abandoned.heads += 1;
                // Once before the loop and once in it, where the cancel is seen.
                if abandoned.heads > 2 {
                    fail(
                        scene,
                        "goes-on",
                        job,
                        "goes on with its loop, and was cancelled",
                    );
                }
            }
            _ => {}
        }
    }

    /// When a job that was cancelled has been so for too long.
    fn late_ns(&mut self, scene: &Scene<'_>) -> u64 {
        let config = &scene.cast.config;
        let bounds = *self.bounds.get_or_insert_with(|| Bounds::of(config));
        bounds.claim_ns.saturating_add(bounds.outstanding_ns)
    }

    /// Whatever the abandoned jobs wait for now, it is not themselves.
    fn look(&mut self, scene: &Scene<'_>) {
        // Also when it has just become calm: what was held until now is under way only now.
        let was_in_calm = std::mem::replace(&mut self.in_calm, scene.cast.world.is_calm());
        let holds = scene.cast.config.get(Field::Hold) > 0 && !was_in_calm;
        let late_ns = self.late_ns(scene);
        for (name, known) in self.jobs.iter_mut() {
            let Some(abandoned) = &mut known.abandoned else {
                continue;
            };
            let Some(job) = scene.cast.job(name) else {
                continue;
            };
            if let Some(text) = keeps_a_guest(scene, &job) {
                return fail(scene, "keeps-a-guest", name, &text);
            }
            if begun_bytes(scene, &job) > abandoned.begun_bytes {
                return fail(
                    scene,
                    "copies-on",
                    name,
                    "begins to copy, and was cancelled",
                );
            }
            if holds {
                abandoned.since_ns = scene.now_ns;
            }
            if waits_its_turn(&job) {
                abandoned.since_ns = scene.now_ns;
            } else if !job.is_busy() {
                return fail(
                    scene,
                    "asleep",
                    name,
                    "was cancelled, and nobody has woken it",
                );
            }
            if scene.now_ns - abandoned.since_ns > late_ns {
                return fail(scene, "lingers", name, LINGERS);
            }
        }
    }

    fn monitor(&mut self, event: &MonitorEvent) {
        if let (Verb::Complete, None, Some(asked)) = (event.verb, &event.refused, &event.asked) {
            self.jobs.of(&asked.job).completes = true;
        }
    }

    fn event(&mut self, scene: &Scene<'_>, event: &JobEvent) {
        let name = event.job_id().as_str();
        let Some(known) = self.jobs.named(name) else {
            return;
        };
        if !known.softly || known.by_force {
            return;
        }
        if let JobEvent::Cancelled(_) = event {
            let text = "was READY and is cancelled softly, and tells that its work was abandoned";
            fail(scene, "soft-abandons", name, text);
        }
    }
}

fn fail(scene: &Scene<'_>, place: &str, job: &str, text: &str) {
    scene.fail(
        Rule::Cancel,
        place,
        vec![job.to_owned()],
        format!("{job} {text}"),
    );
}

/// What the job has begun to copy, as far as it has not failed.
fn begun_bytes(scene: &Scene<'_>, job: &Job) -> u64 {
    let pair = scene.cast.pair_of_job(job.label());
    let mirror = pair.and_then(|pair| pair.mirror());
    mirror.map_or(0, |mirror| {
        job.progress().current() + mirror.bytes_in_flight()
    })
}

/// Which write of a guest waits for the job, or for its target, although the job was cancelled.
fn keeps_a_guest(scene: &Scene<'_>, job: &Job) -> Option<String> {
    let pair = scene.cast.pair_of_job(job.label())?;
    let operations = pair.mirror()?.operations();
    let active = operations
        .iter()
        .filter(|operation| operation.kind == OperationKind::ActiveWrite);
    let is_at_source = |range: &Range<u64>| {
        let requests = pair.source_node().requests();
        let mut requests = requests.iter();
        requests.any(|it| it.offset < range.end && range.start < it.offset + it.bytes)
    };
    for write in active {
        let Range { start, end } = write.range;
        if write.waits_for.is_some() {
            return Some(format!(
                "was cancelled, and a guest's write of {start}..{end} waits for its turn"
            ));
        }
        if !write.let_go && !is_at_source(&write.range) {
            return Some(format!(
                "was cancelled, and a guest's write of {start}..{end} waits for the target"
            ));
        }
    }
    None
}

/// A transaction that aborts has its jobs end one by one: only then are they woken.
fn waits_its_turn(job: &Job) -> bool {
    let txn = job.txn().map(|txn| txn.jobs()).unwrap_or_default();
    let running = txn.iter().filter(|other| !other.is_completed());
    running.filter(|other| other.is_cancelled()).count() > 1
}

impl Checker for Cancel {
    fn rule(&self) -> Rule {
        Rule::Cancel
    }

    fn wants(&self) -> Interest {
        Interest::JOB
            .or(Interest::JOB_EVENT)
            .or(Interest::MIRROR)
            .or(Interest::MONITOR)
            .or(Interest::IDLE)
            .or(Interest::END)
    }

    fn reset(&mut self) {
        self.jobs.clear();
        self.abandoned = 0;
        self.bounds = None;
        self.in_calm = false;
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Mirror(trace) if self.abandoned > 0 => {
                self.mirror(scene, &trace.job, &trace.event);
            }
            Seen::Job(trace) => self.job(scene, trace),
            Seen::Monitor(event) => self.monitor(event),
            Seen::JobEvent(event) => self.event(scene, event),
            _ => {}
        }
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        if self.abandoned > 0 {
            self.look(scene);
        }
    }

    /// A job that was only cancelled softly has not switched its disk.
    fn end(&mut self, scene: &Scene<'_>) {
        for (name, known) in self.jobs.iter() {
            let pair = scene.cast.pair_of_job(name);
            let outcome = pair.and_then(|pair| pair.mirror()?.outcome());
            let pivoted = outcome.is_some_and(|outcome| outcome.end == MirrorEnd::Pivoted);
            // In the calm nobody completes a job that was cancelled.
            if known.softly && !known.completes && pivoted {
                let text = "was only cancelled, and has switched its disk";
                fail(scene, "soft-pivots", name, text);
            }
        }
    }
}
