//! PROGRESS: no state is stuck.
//!
//! In the calm, when guests rest and nothing fails, a job comes to something within a bounded time: it
//! is READY in the end, and when it has been told to end it does. A drained section is established
//! within a bounded time, and a job that is asked to stand still for it takes no granules but those of the
//! moment, however fast its disks are. In write-blocking mode a mirror also becomes READY when guests do
//! not rest.
//!
//! That the world turns in place, or stands still, is for the run to say: see [`crate::waits`].

mod busy;
mod drains;

use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace};
use blockjob_jobs::state::JobStatus;

use super::bounds::Bounds;
use super::{Checker, Interest, Scene, Seen};
use crate::config::Field;
use crate::failure::Rule;
use crate::waits::{WaitGraph, held_up};
use busy::Busy;
use drains::Drains;

/// How the jobs were when they last came to something.
#[derive(Default)]
struct Stand {
    /// Since when nothing has changed, or since when something else was to blame.
    since_ns: u64,
    /// What was left to do, at the least, and in which states the jobs were.
    left_bytes: u64,
    states: u64,
    /// When all jobs must have been READY.
    ready_by_ns: Option<u64>,
}

/// The checker; see the module.
#[derive(Default)]
pub struct Progress {
    bounds: Option<Bounds>,
    /// When it looks next.
    next_ns: u64,
    stand: Stand,
    drains: Drains,
    busy: Busy,
}

impl Progress {
    /// One that has seen nothing.
    pub fn new() -> Progress {
        Progress::default()
    }

    fn bounds(&mut self, scene: &Scene<'_>) -> Bounds {
        let config = &scene.cast.config;
        *self.bounds.get_or_insert_with(|| Bounds::of(config))
    }

    fn look(&mut self, scene: &Scene<'_>, bounds: Bounds) {
        if let Some(owner) = self.drains.late(scene, bounds) {
            return fail(scene, "drain-late", &[owner]);
        }
        if let Some(job) = self.busy.late(scene, bounds) {
            return fail(scene, "not-ready-when-busy", &[&job]);
        }
        if !scene.cast.world.is_calm() || !scene.cast.guests_rest() {
            self.stand.since_ns = scene.now_ns;
            return;
        }
        let jobs = scene.cast.all_jobs();
        let mut left_bytes = 0_u64;
        let mut states = 0_u64;
        let mut excused = jobs.is_empty() || scene.cast.is_kept_open();
        for job in &jobs {
            left_bytes += left(scene, job);
            states = states
                .wrapping_mul(31)
                .wrapping_add(job.status() as u64 + 1);
            // A drained section lasts as long as its owner likes, and so does a speed.
            excused |= job.pause_count() > 0 && !job.is_cancelled();
            excused |= job.speed_bytes_per_s() > 0 && !job.is_completed();
        }
        let stand = &mut self.stand;
        if states != stand.states || left_bytes < stand.left_bytes || excused {
            stand.since_ns = scene.now_ns;
            stand.left_bytes = left_bytes;
            stand.states = states;
        }
        let early = |job: &&std::rc::Rc<Job>| {
            matches!(job.status(), JobStatus::Running | JobStatus::Paused)
        };
        let behind = jobs.iter().find(early);
        if scene.now_ns - stand.since_ns > bounds.stall_ns {
            let place = if behind.is_some() {
                "never-ready"
            } else {
                "never-ends"
            };
            return fail(scene, place, &[]);
        }
        if excused {
            stand.ready_by_ns = None;
            return;
        }
        let units = left_bytes / 128 + 1;
        let all_ns = bounds
            .unit_ns
            .saturating_mul(units)
            .saturating_add(bounds.stall_ns);
        let ready_by_ns = *stand
            .ready_by_ns
            .get_or_insert(scene.now_ns.saturating_add(all_ns));
        if behind.is_some() && scene.now_ns > ready_by_ns {
            fail(scene, "never-ready", &[]);
        }
    }

    fn mirror(&mut self, scene: &Scene<'_>, trace: &MirrorTrace) {
        if let MirrorEvent::MirrorIteration { .. } = trace.event
            && let Some(owner) = self.drains.takes(scene, &trace.job)
        {
            fail(scene, "drain-starved", &[&trace.job, owner]);
        }
    }
}

/// What the job has left to copy.
fn left(scene: &Scene<'_>, job: &Job) -> u64 {
    let pair = scene.cast.pair_of_job(job.label());
    let mirror = pair.and_then(|pair| pair.mirror());
    mirror.map_or(0, |mirror| mirror.dirty_bytes() + mirror.bytes_in_flight())
}

/// Who waits for whom is the text, and `first` are the first parties.
fn fail(scene: &Scene<'_>, place: &str, first: &[&str]) {
    let graph = WaitGraph::of(scene.cast);
    let failure = held_up(scene.cast, &graph, Rule::Progress, place);
    let mut parties: Vec<String> = first.iter().map(|party| (*party).to_owned()).collect();
    parties.extend(failure.parties);
    scene.fail(Rule::Progress, place, parties, failure.text);
}

impl Checker for Progress {
    fn rule(&self) -> Rule {
        Rule::Progress
    }

    fn wants(&self) -> Interest {
        Interest::SECTION.or(Interest::MIRROR).or(Interest::IDLE)
    }

    fn reset(&mut self) {
        self.bounds = None;
        self.next_ns = 0;
        self.stand = Stand::default();
        self.drains.clear();
        self.busy.clear();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Block(trace) => {
                let bounds = self.bounds(scene);
                if let Some(owner) = self.drains.section(scene, trace, bounds) {
                    let text = format!("the drained section '{owner}' begins late, or ends before");
                    let parties = vec![owner.to_owned()];
                    scene.fail(Rule::Progress, "drain-late", parties, text);
                }
                // Whoever waits now is looked at before long.
                let soon_ns = scene.now_ns.saturating_add(interval_ns(bounds));
                self.next_ns = self.next_ns.min(soon_ns);
            }
            Seen::Mirror(trace) if self.drains.any_waits() => self.mirror(scene, trace),
            _ => {}
        }
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        if scene.now_ns < self.next_ns {
            return;
        }
        let bounds = self.bounds(scene);
        self.look(scene, bounds);
        self.next_ns = scene.now_ns.saturating_add(interval_ns(bounds));
    }
}

/// How long it does not look.
fn interval_ns(bounds: Bounds) -> u64 {
    bounds.claim_ns / 4
}
