//! DIRTY: a granule that differs between source and target is dirty, in flight, or being written.
//!
//! From M7 on, when all that is to be copied was found, until M17. A whole disk is compared once; after
//! that only what a disk has just changed is compared again. What differs has a reason to, and each
//! reason ends with an event after which it is looked at anew: a copy is done, a write has ended. Only
//! a dirty bit can be cleared behind our back, and so all bits are looked through now and then.

use blockjob_block::request::RequestKind;
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace, Step};

use super::bits::Bits;
use super::sides::Sides;
use super::{Checker, Interest, Scene, Seen};
use crate::event::DiskEvent;
use crate::failure::Rule;

/// One mirror.
#[derive(Default)]
struct Watched {
    sides: Option<Sides>,
    /// The names of its disks.
    disks: [&'static str; 2],
    /// In its loop.
    in_loop: bool,
    differs: Bits,
    in_flight: Bits,
    /// Granules that are to be looked at before time goes on, each once.
    suspects: Vec<usize>,
    suspected: Bits,
}

/// Whether a granule may differ.
enum Verdict {
    /// Until something happens that makes it a suspect again.
    Fine,
    /// As long as a write to it is under way.
    Written,
    Lost,
}

impl Watched {
    fn begin(&mut self, scene: &Scene<'_>) {
        let Some(sides) = &self.sides else { return };
        // One that was cancelled on its way here has not found all that is dirty, and goes no further.
        let job = scene.cast.job(&sides.job);
        if job.is_none_or(|job| job.is_cancelled()) {
            return;
        }
        self.in_loop = true;
        for granule in 0..sides.granules() {
            if sides.granule_differs(granule) {
                self.differs.insert(granule);
                self.suspects.push(granule);
                self.suspected.insert(granule);
            }
        }
    }

    fn changed(&mut self, offset: u64, bytes: u64) {
        let Some(sides) = &self.sides else { return };
        for granule in sides.granules_of(offset, bytes) {
            if !sides.granule_differs(granule) {
                self.differs.remove(granule);
                continue;
            }
            self.differs.insert(granule);
            if self.suspected.insert(granule) {
                self.suspects.push(granule);
            }
        }
    }

    fn copy_begins(&mut self, offset: u64, bytes: u64) {
        let Some(sides) = &self.sides else { return };
        let _ = self.in_flight.insert_all(sides.granules_of(offset, bytes));
    }

    fn copy_ends(&mut self, offset: u64, bytes: u64) {
        let Some(sides) = &self.sides else { return };
        let granules = sides.granules_of(offset, bytes);
        let _ = self.in_flight.remove_all(granules.clone());
        for granule in granules {
            if self.in_loop && self.differs.has(granule) && self.suspected.insert(granule) {
                self.suspects.push(granule);
            }
        }
    }

    fn judge(&self, scene: &Scene<'_>, sides: &Sides, granule: usize) -> Verdict {
        let offset = granule as u64 * sides.granularity;
        if !self.differs.has(granule) || self.in_flight.has(granule) {
            return Verdict::Fine;
        }
        // What is on its way nobody changes.
        let dirty = sides.dirty(scene);
        if dirty.is_none_or(|dirty| dirty.bits().get(offset)) {
            return Verdict::Fine;
        }
        let writes = |kind| !matches!(kind, RequestKind::Read);
        let end = offset + sides.granularity;
        // One that goes to both sides is under way until both have it.
        let nodes = [sides.source.node(scene), sides.filter.get(scene)];
        let [direct, active] = nodes.map(|node| node.map_or_else(Vec::new, |node| node.requests()));
        let written = direct.iter().chain(&active).any(|request| {
            let past = request.offset + request.bytes;
            writes(request.kind) && request.offset < end && offset < past
        });
        match written {
            true => Verdict::Written,
            false => Verdict::Lost,
        }
    }

    /// Looks at the suspects.
    fn look(&mut self, scene: &Scene<'_>) {
        let Some(sides) = &self.sides else { return };
        let mut kept = 0;
        for index in 0..self.suspects.len() {
            let granule = self.suspects[index];
            match self.judge(scene, sides, granule) {
                Verdict::Fine => {
                    self.suspected.remove(granule);
                }
                Verdict::Written => {
                    self.suspects[kept] = granule;
                    kept += 1;
                }
                Verdict::Lost => return lost(scene, sides, granule),
            }
        }
        self.suspects.truncate(kept);
    }

    /// Looks at everything that differs.
    fn look_through(&self, scene: &Scene<'_>) {
        let Some(sides) = &self.sides else { return };
        let mut differing = self.differs.iter();
        let found =
            differing.find(|granule| matches!(self.judge(scene, sides, *granule), Verdict::Lost));
        if let Some(granule) = found {
            lost(scene, sides, granule);
        }
    }
}

fn lost(scene: &Scene<'_>, sides: &Sides, granule: usize) {
    let text = format!(
        "the granule at {} differs and is neither dirty, nor in flight, nor being written",
        granule as u64 * sides.granularity
    );
    let disk = sides.target.disk.name().to_owned();
    let parties = vec![sides.job.to_string(), disk];
    scene.fail(Rule::Dirty, "clean-but-different", parties, text);
}

/// See the module.
#[derive(Default)]
pub struct Dirty {
    /// The first so many are of this run; the others wait to be used.
    watched: Vec<Watched>,
    used: usize,
}

impl Dirty {
    /// The checker.
    pub fn new() -> Dirty {
        Dirty::default()
    }

    fn start(&mut self, sides: Sides) {
        if self.used == self.watched.len() {
            self.watched.push(Watched::default());
        }
        let watched = &mut self.watched[self.used];
        self.used += 1;
        let granules = sides.granules();
        watched.in_loop = false;
        for bits in [
            &mut watched.differs,
            &mut watched.in_flight,
            &mut watched.suspected,
        ] {
            bits.reset(granules);
        }
        watched.suspects.clear();
        watched.disks = [sides.source.disk.name(), sides.target.disk.name()];
        watched.sides = Some(sides);
    }

    fn mirror(&mut self, scene: &Scene<'_>, trace: &MirrorTrace) {
        if trace.event == MirrorEvent::MirrorStart {
            if let Some(sides) = Sides::of(scene, &trace.job) {
                self.start(sides);
            }
            return;
        }
        let ours = |watched: &&mut Watched| {
            let sides = watched.sides.as_ref();
            sides.is_some_and(|sides| scene.same_job(&sides.job, &trace.job))
        };
        let Some(watched) = self.watched[..self.used].iter_mut().find(ours) else {
            return;
        };
        match trace.event {
            MirrorEvent::MirrorIteration { offset, bytes } => watched.copy_begins(offset, bytes),
            MirrorEvent::MirrorIterationDone { offset, bytes } => watched.copy_ends(offset, bytes),
            MirrorEvent::Step(Step::M7) if !watched.in_loop => watched.begin(scene),
            MirrorEvent::Step(Step::M12 | Step::M14 | Step::M16) if watched.in_loop => {
                watched.look_through(scene);
            }
            MirrorEvent::Step(Step::M17) => {
                if watched.in_loop {
                    watched.look(scene);
                }
                watched.sides = None;
                watched.in_loop = false;
            }
            _ => {}
        }
    }

    fn disk(&mut self, event: &DiskEvent) {
        for watched in &mut self.watched[..self.used] {
            let [source, target] = watched.disks;
            let ours = std::ptr::eq(event.disk, source) || std::ptr::eq(event.disk, target);
            if ours && watched.in_loop {
                watched.changed(event.offset, event.bytes);
            }
        }
    }
}

impl Checker for Dirty {
    fn rule(&self) -> Rule {
        Rule::Dirty
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
            if watched.in_loop && !watched.suspects.is_empty() {
                watched.look(scene);
            }
        }
    }
}
