//! WAITGRAPH: nobody waits for himself, around however many corners.
//!
//! To look is not cheap, so that is done when it matters: when the calm begins, and when no job has come
//! to anything for a while. Only then can there be a ring.

use super::bounds::Bounds;
use super::{Checker, Interest, Scene};
use crate::failure::Rule;
use crate::waits::{WaitGraph, ring};

/// So often is looked while nothing changes, at most.
const MAX_LOOKS: u32 = 8;

/// The checker; see the module.
#[derive(Default)]
pub struct Waits {
    /// When it looks next.
    next_ns: u64,
    interval_ns: u64,
    /// How far the jobs were.
    before: u64,
    looks: u32,
    calm: bool,
}

impl Waits {
    /// One that has seen nothing.
    pub fn new() -> Waits {
        Waits::default()
    }

    fn look(&mut self, scene: &Scene<'_>) {
        let graph = WaitGraph::of(scene.cast);
        if let Some(cycle) = graph.cycle() {
            let failure = ring(scene.cast, &graph, &cycle);
            scene.fail(Rule::WaitGraph, "cycle", failure.parties, failure.text);
        }
    }
}

/// A number that changes when a job comes to something.
fn progress(scene: &Scene<'_>) -> u64 {
    let mut sum = 0_u64;
    for pair in &scene.cast.pairs {
        if let Some(job) = pair.job() {
            let part = job.progress().current() ^ (job.status() as u64) << 48;
            sum = sum.rotate_left(7).wrapping_add(part);
        }
    }
    sum
}

impl Checker for Waits {
    fn rule(&self) -> Rule {
        Rule::WaitGraph
    }

    fn wants(&self) -> Interest {
        Interest::IDLE
    }

    fn reset(&mut self) {
        *self = Waits::default();
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        let calms = !self.calm && scene.cast.world.is_calm();
        if scene.now_ns < self.next_ns && !calms {
            return;
        }
        if self.interval_ns == 0 {
            let bounds = Bounds::of(&scene.cast.config);
            self.interval_ns = bounds.outstanding_ns.clamp(1_000_000, 1_000_000_000);
        }
        let now = progress(scene);
        let stands = now == self.before && self.looks < MAX_LOOKS;
        if calms || stands {
            self.looks += u32::from(stands);
            self.look(scene);
        } else if now != self.before {
            self.looks = 0;
        }
        self.calm |= calms;
        self.before = now;
        self.next_ns = scene
            .now_ns
            .saturating_add(self.interval_ns << self.looks.min(20));
    }
}
