//! ACTIVE: while a mirror says that it is actively synced, the target holds every write that a guest was
//! told is done.
//!
//! That is more than DIRTY asks for: nothing may be left for later, and what differs must be the very
//! bytes that a request under way is about, and not only in a granule with them. Whatever has changed on
//! either side since the last look is compared, by units; that grows while the mirror is not synced, to
//! the whole disk at most.

use std::rc::Rc;

use blockjob_block::request::RequestKind;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace, Step};

use super::bits::Bits;
use super::sides::Sides;
use super::{Checker, Interest, Scene, Seen};
use crate::disk::UNIT_BYTES;
use crate::event::DiskEvent;
use crate::failure::Rule;

/// One mirror.
#[derive(Default)]
struct Watched {
    sides: Option<Sides>,
    /// The names of its disks.
    disks: [&'static str; 2],
    /// Granules that are to be compared, each once.
    open: Vec<usize>,
    is_open: Bits,
}

impl Watched {
    fn changed(&mut self, granules: std::ops::Range<usize>) {
        for granule in granules {
            if self.is_open.insert(granule) {
                self.open.push(granule);
            }
        }
    }

    fn look(&mut self, scene: &Scene<'_>) {
        let Some(sides) = &self.sides else { return };
        if !mirror_of(scene, sides).is_some_and(|mirror| mirror.is_actively_synced()) {
            return;
        }
        let mut kept = 0;
        for index in 0..self.open.len() {
            let granule = self.open[index];
            if !sides.granule_differs(granule) {
                self.is_open.remove(granule);
                continue;
            }
            if let Some(offset) = stale(scene, sides, granule) {
                let text = format!(
                    "{} says that both sides are the same, and they differ at {offset}, where no write \
                     is under way",
                    sides.job
                );
                let disk = sides.target.disk.name().to_owned();
                let parties = vec![sides.job.to_string(), disk];
                return scene.fail(Rule::Active, "synced-but-different", parties, text);
            }
            self.open[kept] = granule;
            kept += 1;
        }
        self.open.truncate(kept);
    }
}

/// The first unit of a granule that differs without a write to it being under way.
fn stale(scene: &Scene<'_>, sides: &Sides, granule: usize) -> Option<u64> {
    let start = granule as u64 * sides.granularity;
    let end = (start + sides.granularity).min(sides.len_bytes);
    let nodes = [sides.source.node(scene), sides.filter.get(scene)];
    let [direct, active] = nodes.map(|node| node.map_or_else(Vec::new, |node| node.requests()));
    let is_written = |at: u64, past: u64| {
        direct.iter().chain(&active).any(|request| {
            let writes = !matches!(request.kind, RequestKind::Read);
            writes && request.offset < past && at < request.offset + request.bytes
        })
    };
    let mut units = (start..end).step_by(UNIT_BYTES as usize);
    units.find(|at| {
        let past = (at + UNIT_BYTES).min(end);
        sides.differs(*at, past - at) && !is_written(*at, past)
    })
}

fn mirror_of(scene: &Scene<'_>, sides: &Sides) -> Option<Rc<MirrorJob>> {
    scene.cast.pair_of_job(&sides.job)?.mirror()
}

/// The checker; see the module.
#[derive(Default)]
pub struct Active {
    /// The first so many are of this run; the others wait to be used.
    watched: Vec<Watched>,
    used: usize,
}

impl Active {
    /// One that has seen nothing.
    pub fn new() -> Active {
        Active::default()
    }

    fn start(&mut self, sides: Sides) {
        if self.used == self.watched.len() {
            self.watched.push(Watched::default());
        }
        let watched = &mut self.watched[self.used];
        self.used += 1;
        watched.open.clear();
        watched.is_open.reset(sides.granules());
        watched.changed(0..sides.granules());
        watched.disks = [sides.source.disk.name(), sides.target.disk.name()];
        watched.sides = Some(sides);
    }

    fn mirror(&mut self, scene: &Scene<'_>, trace: &MirrorTrace) {
        match trace.event {
            MirrorEvent::MirrorStart => {
                if let Some(sides) = Sides::of(scene, &trace.job) {
                    self.start(sides);
                }
            }
            MirrorEvent::Step(Step::M17) => {
                for watched in &mut self.watched[..self.used] {
                    let sides = watched.sides.as_ref();
                    if sides.is_some_and(|sides| scene.same_job(&sides.job, &trace.job)) {
                        watched.sides = None;
                    }
                }
            }
            _ => {}
        }
    }

    fn disk(&mut self, event: &DiskEvent) {
        for watched in &mut self.watched[..self.used] {
            let [source, target] = watched.disks;
            let ours = std::ptr::eq(event.disk, source) || std::ptr::eq(event.disk, target);
            if let (true, Some(sides)) = (ours, &watched.sides) {
                let granules = sides.granules_of(event.offset, event.bytes);
                watched.changed(granules);
            }
        }
    }
}

impl Checker for Active {
    fn rule(&self) -> Rule {
        Rule::Active
    }

    fn wants(&self) -> Interest {
        Interest::MIRROR.or(Interest::DISK).or(Interest::IDLE)
    }

    fn reset(&mut self) {
        for watched in &mut self.watched {
            watched.sides = None;
        }
        self.used = 0;
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Mirror(trace) => self.mirror(scene, trace),
            Seen::Disk(event) if event.what.lands() && event.kind.changes() => self.disk(event),
            _ => {}
        }
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        for watched in &mut self.watched[..self.used] {
            if !watched.open.is_empty() {
                watched.look(scene);
            }
        }
    }
}
