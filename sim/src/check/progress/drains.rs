//! Drained sections that wait to be established.

use std::rc::Rc;

use blockjob_block::request::BlockTrace;

use super::{Bounds, Field};
use crate::check::Scene;
use crate::check::by_job::ByJob;

/// So many times may a job take granules that was asked to stand still.
const MAX_TAKES: u32 = 2;

/// A section that waits.
struct Waiting {
    id: u64,
    owner: &'static str,
    since_ns: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Drains {
    waiting: Vec<Waiting>,
    /// How often each job has taken granules since it was asked to stand still.
    takes: ByJob<u32>,
    /// Whether this has looked since it is calm.
    in_calm: bool,
}

impl Drains {
    pub(super) fn clear(&mut self) {
        self.in_calm = false;
        self.waiting.clear();
        self.takes.clear();
    }

    pub(super) fn any_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A section begins, or waits no longer: then its owner, if it has waited for too long.
    pub(super) fn section(
        &mut self,
        scene: &Scene<'_>,
        trace: &BlockTrace,
        bounds: Bounds,
    ) -> Option<&'static str> {
        match trace {
            BlockTrace::DrainBegin { section, owner, .. } => {
                if self.waiting.is_empty() {
                    self.takes.clear();
                }
                self.waiting.push(Waiting {
                    id: scene.section(*section),
                    owner,
                    since_ns: scene.now_ns,
                });
            }
            BlockTrace::Drained { section, .. } | BlockTrace::DrainEnd { section, .. } => {
                let id = scene.section(*section);
                let place = self.waiting.iter().position(|it| it.id == id);
                let waiting = self.waiting.swap_remove(place?);
                // Nobody may have looked while it waited: a world in which nothing happens is not idle
                // again and again.
                let held = scene.cast.config.get(Field::Hold) > 0;
                let late = !held && scene.now_ns - waiting.since_ns > bounds.claim_ns;
                return late.then_some(waiting.owner);
            }
            _ => {}
        }
        None
    }

    /// `job` takes granules while a section waits. The owner of that section, if the job was asked to
    /// stand still and does not.
    pub(super) fn takes(&mut self, scene: &Scene<'_>, job: &Rc<str>) -> Option<&'static str> {
        let pausing = scene.cast.job(job);
        let pausing = pausing.is_some_and(|job| job.pause_count() > 0 && !job.is_cancelled());
        let takes = self.takes.of(job);
        *takes = if pausing { *takes + 1 } else { 0 };
        let starves = *takes > MAX_TAKES;
        starves.then(|| self.waiting.first().map(|waiting| waiting.owner))?
    }

    /// The owner of a section that has waited for too long.
    pub(super) fn late(&mut self, scene: &Scene<'_>, bounds: Bounds) -> Option<&'static str> {
        // Also when it has just become calm: what was held until now is under way only now.
        let was_in_calm = std::mem::replace(&mut self.in_calm, scene.cast.world.is_calm());
        let held = scene.cast.config.get(Field::Hold) > 0 && !was_in_calm;
        let now_ns = scene.now_ns;
        for waiting in &mut self.waiting {
            if held {
                // What it waits for may be held until the faults end.
                waiting.since_ns = now_ns;
            }
            if now_ns - waiting.since_ns > bounds.claim_ns {
                return Some(waiting.owner);
            }
        }
        None
    }
}
