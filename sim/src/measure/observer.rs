//! Who looks on and never objects.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::JobTraceKind;

use super::drains::DrainWatch;
use super::guests::GuestWatch;
use super::jobs::JobWatch;
use super::metrics::Metrics;
use crate::cast::{Cast, Pair};
use crate::check::{Checker, Interest, Scene, Seen};
use crate::config::Field;
use crate::failure::Rule;
use crate::guest::Tally;

/// A checker that never fails: it keeps the [`Metrics`] of the last run.
///
/// Its clones share what they have seen, so one can be given to a [`Runner`](crate::run::Runner) and
/// another be asked afterwards.
#[derive(Clone, Default)]
pub struct Observer {
    seen: Rc<RefCell<Collector>>,
}

#[derive(Default)]
struct Collector {
    jobs: Vec<JobWatch>,
    drains: DrainWatch,
    guests: GuestWatch,
    /// A job is READY or over, and so the shares are settled.
    shared: bool,
    calm: bool,
    /// What keeps the storm from ending; see [`Observer::prolong_storm`].
    storm: Option<Rc<Tally>>,
    metrics: Option<Metrics>,
}

impl Observer {
    /// One that has seen nothing.
    pub fn new() -> Observer {
        Observer::default()
    }

    /// What was measured of the last run; none if it did not come to its end. What it returns is
    /// forgotten.
    pub fn take_metrics(&self) -> Option<Metrics> {
        self.seen.borrow_mut().metrics.take()
    }

    /// Has the storm of the run that is about to begin go on until every job is READY or over, or
    /// stands still because a monitor has paused it and does not resume it. To the
    /// world the observer is one more guest, who rests when he has seen that.
    pub(super) fn prolong_storm(&self, cast: &Cast) {
        if cast.config.is(Field::Mirror) {
            let tally = cast.tally.clone();
            tally.running.set(tally.running.get() + 1);
            self.seen.borrow_mut().storm = Some(tally);
        }
    }
}

impl Collector {
    /// Gets to know the cast, the first time it is there.
    fn meet(&mut self, cast: &Cast) {
        if self.jobs.is_empty() {
            self.jobs.resize_with(cast.pairs.len(), JobWatch::default);
        }
    }

    fn see_job(&mut self, scene: &Scene<'_>, job: &str, what: &JobTraceKind) {
        let Some(number) = number(scene.cast, job) else {
            return;
        };
        self.jobs[number].see_job(scene.now_ns, what);
        if let JobTraceKind::Status { to, .. } = what
            && *to == JobStatus::Ready
        {
            let copied = copied_bytes(&scene.cast.pairs[number]);
            self.jobs[number].ready_bytes.get_or_insert(copied);
        }
        let settles = matches!(
            what,
            JobTraceKind::Status {
                to: JobStatus::Ready | JobStatus::Concluded,
                ..
            }
        );
        if settles && !self.shared {
            self.shared = true;
            for (watch, pair) in self.jobs.iter_mut().zip(&scene.cast.pairs) {
                watch.share_bytes = copied_bytes(pair);
            }
        }
    }

    fn see_mirror(&mut self, scene: &Scene<'_>, job: &str, event: &MirrorEvent) {
        if let Some(number) = number(scene.cast, job) {
            self.jobs[number].see_mirror(scene.now_ns, event);
        }
    }

    /// Looks whether the storm may end, or has.
    fn look(&mut self, scene: &Scene<'_>) {
        if scene.cast.world.is_calm() && !self.calm {
            self.calm = true;
            for job in &mut self.jobs {
                job.see_calm(scene.now_ns);
            }
        }
        let Some(tally) = &self.storm else { return };
        // Nobody resumes a job in the storm once the others have done all they do.
        let alone = tally.running.get() == 1;
        let settled = |(job, pair): (&JobWatch, &Pair)| {
            let paused = || pair.job().is_some_and(|job| job.is_user_paused());
            job.is_settled() || pair.is_over() || (alone && paused())
        };
        let mut each = self.jobs.iter().zip(&scene.cast.pairs);
        if self.calm || each.all(settled) {
            self.let_storm_end();
        }
    }

    fn let_storm_end(&mut self) {
        if let Some(tally) = self.storm.take() {
            tally.running.set(tally.running.get() - 1);
        }
    }

    fn sample(&mut self, scene: &Scene<'_>) {
        if self.calm {
            return;
        }
        for (job, pair) in self.jobs.iter_mut().zip(&scene.cast.pairs) {
            if let Some(mirror) = pair.mirror().filter(|_| job.is_working()) {
                job.dirty.set(scene.now_ns, mirror.dirty_bytes());
            } else {
                job.dirty.end(scene.now_ns);
            }
        }
    }

    fn conclude(&mut self, scene: &Scene<'_>) {
        let cast = scene.cast;
        let jobs = self.jobs.iter_mut().zip(&cast.pairs);
        self.metrics = Some(Metrics::new(
            jobs.map(|(watch, pair)| watch.metrics(pair)).collect(),
            self.drains.metrics(),
            self.guests.metrics(cast),
            scene.now_ns,
        ));
    }
}

/// The place of the pair that `job` copies.
fn number(cast: &Cast, job: &str) -> Option<usize> {
    cast.pairs.iter().position(|pair| pair.job_id == job)
}

/// What its job has copied so far.
fn copied_bytes(pair: &Pair) -> u64 {
    let mirror = pair.mirror();
    mirror.map_or(0, |mirror| mirror.stats().copied_bytes)
}

impl Checker for Observer {
    fn rule(&self) -> Rule {
        // It has none, and never reports one.
        Rule::Count
    }

    fn wants(&self) -> Interest {
        Interest::BLOCK
            .or(Interest::JOB)
            .or(Interest::MIRROR)
            .or(Interest::GUEST)
            .or(Interest::STEP)
            .or(Interest::IDLE)
            .or(Interest::END)
    }

    fn reset(&mut self) {
        *self.seen.borrow_mut() = Collector::default();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        let mut collector = self.seen.borrow_mut();
        collector.meet(scene.cast);
        match seen {
            Seen::Block(block) => {
                let calm = scene.cast.world.is_calm();
                collector.drains.see(scene.now_ns, calm, block);
            }
            Seen::Job(job) => collector.see_job(scene, &job.job, &job.what),
            Seen::Mirror(mirror) => collector.see_mirror(scene, &mirror.job, &mirror.event),
            Seen::Guest(guest) => collector.guests.see(scene.now_ns, guest),
            _ => {}
        }
    }

    fn step(&mut self, scene: &Scene<'_>) {
        let mut collector = self.seen.borrow_mut();
        collector.meet(scene.cast);
        collector.look(scene);
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        let mut collector = self.seen.borrow_mut();
        collector.meet(scene.cast);
        collector.sample(scene);
    }

    fn end(&mut self, scene: &Scene<'_>) {
        let mut collector = self.seen.borrow_mut();
        collector.meet(scene.cast);
        collector.conclude(scene);
    }
}
