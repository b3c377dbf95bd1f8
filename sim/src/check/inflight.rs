//! INFLIGHT: at most one copy of a granule is under way, not too many at a time, and who waits for a
//! copy to end has one to wait for.
//!
//! What guests write to both sides at once is in none of the job's buffers. Two such writes never have a
//! byte in common, and no copy has anything to do with a granule that one of them is under way in.

use std::ops::Range;
use std::rc::Rc;

use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace, Step};

use super::bits::Bits;
use super::sides::{Side, Sides};
use super::{Checker, Interest, Scene, Seen};
use crate::config::Field;
use crate::disk::UNIT_BYTES;
use crate::event::{DiskEvent, DiskKind};
use crate::failure::Rule;

/// One mirror.
#[derive(Default)]
struct Watched {
    sides: Option<Sides>,
    /// The name of its target, which is empty when there is nothing to watch.
    target: &'static str,
    /// Granules of which a copy is under way.
    copied: Bits,
    /// Units of the target that it has been told to change, and has not changed.
    changing: Bits,
    changes: u64,
    /// Those of the units that are of copies.
    copying: Bits,
    /// Bytes of data among them.
    buffered: u64,
    /// Units that guests write to both sides, and granules in which there are some: in each so many
    /// writes.
    active_units: Bits,
    active_writes: Vec<u32>,
    /// There has been such a write.
    has_active: bool,
    /// So many bytes the job may have in buffers.
    buf_bytes: u64,
}

impl Watched {
    fn begins(&mut self, scene: &Scene<'_>, offset: u64, bytes: u64) {
        let Some(sides) = &self.sides else { return };
        let copied = self.copied.insert_all(sides.granules_of(offset, bytes));
        if let Some(granule) = copied {
            let at = granule as u64 * sides.granularity;
            let text = format!("a second copy of the granule at {at} begins");
            fail(scene, sides, "two-copies", text);
        }
    }

    fn ends(&mut self, scene: &Scene<'_>, offset: u64, bytes: u64) {
        let Some(sides) = &self.sides else { return };
        let unknown = self.copied.remove_all(sides.granules_of(offset, bytes));
        if let Some(granule) = unknown {
            let at = granule as u64 * sides.granularity;
            let text = format!("a copy of the granule at {at} ends that had not begun");
            fail(scene, sides, "ends-twice", text);
        }
    }

    fn active_begins(&mut self, scene: &Scene<'_>, offset: u64, bytes: u64) {
        let Some(sides) = &self.sides else { return };
        self.has_active = true;
        for granule in sides.granules_of(offset, bytes) {
            self.active_writes[granule] += 1;
            if self.copied.has(granule) {
                let at = granule as u64 * sides.granularity;
                let text = format!("a guest writes to both sides while {at} is being copied");
                fail(scene, sides, "copied-and-written", text);
            }
        }
        if let Some(unit) = self.active_units.insert_all(units_of(sides, offset, bytes)) {
            let at = unit as u64 * UNIT_BYTES;
            let text = format!("two guests write {at} to both sides at a time");
            fail(scene, sides, "written-twice", text);
        }
    }

    fn active_ends(&mut self, scene: &Scene<'_>, offset: u64, bytes: u64) {
        let Some(sides) = &self.sides else { return };
        for granule in sides.granules_of(offset, bytes) {
            self.active_writes[granule] = self.active_writes[granule].saturating_sub(1);
        }
        let unknown = self.active_units.remove_all(units_of(sides, offset, bytes));
        if unknown.is_some() {
            let text = format!("a guest's write at {offset} ends that had not begun");
            fail(scene, sides, "ends-twice", text);
        }
    }

    /// What a request of the target is about, without what surrounds it: both ends can be padded.
    fn without_padding(sides: &Sides, event: &DiskEvent) -> Range<usize> {
        let padding = sides
            .target
            .disk
            .spec()
            .alignment
            .saturating_sub(UNIT_BYTES);
        let start = event.offset + padding;
        let end = (event.offset + event.bytes)
            .saturating_sub(padding)
            .max(start);
        units_of(sides, start, end - start)
    }

    /// Whether a request of the target is a part of what a guest writes to both sides.
    fn is_active(&self, sides: &Sides, event: &DiskEvent) -> bool {
        let mut inner = Self::without_padding(sides, event);
        if inner.is_empty() {
            let mut all = units_of(sides, event.offset, event.bytes);
            return all.any(|unit| self.active_units.has(unit));
        }
        inner.all(|unit| self.active_units.has(unit))
    }

    /// The target is told to write what was copied.
    fn lands_on_guests(&self, scene: &Scene<'_>, sides: &Sides, event: &DiskEvent) {
        let units = Self::without_padding(sides, event);
        let per_granule = (sides.granularity / UNIT_BYTES) as usize;
        let mut granules = units.start / per_granule..units.end.div_ceil(per_granule);
        if let Some(granule) = granules.find(|granule| self.active_writes[*granule] > 0) {
            let at = granule as u64 * sides.granularity;
            let text =
                format!("the granule at {at} is copied while a guest writes to both sides there");
            fail(scene, sides, "copied-and-written", text);
        }
    }

    fn change(&mut self, scene: &Scene<'_>, event: &DiskEvent) {
        let Some(sides) = &self.sides else { return };
        let units = units_of(sides, event.offset, event.bytes);
        let bytes = units.len() as u64 * UNIT_BYTES;
        if event.what.lands() {
            self.changes = self.changes.saturating_sub(1);
            if self.copying.has(units.start) {
                let _ = self.copying.remove_all(units.clone());
                self.buffered -= bytes;
            }
            let _ = self.changing.remove_all(units);
            return;
        }
        if let Some(unit) = self.changing.insert_all(units.clone()) {
            let text = format!(
                "the target is told to change {} bytes at {} while it changes what is at {}",
                event.bytes,
                event.offset,
                unit as u64 * UNIT_BYTES
            );
            fail(scene, sides, "changes-overlap", text);
        }
        self.changes += 1;
        if self.has_active && self.is_active(sides, event) {
            return;
        }
        if self.has_active {
            self.lands_on_guests(scene, sides, event);
        }
        if event.kind == DiskKind::Write {
            let _ = self.copying.insert_all(units);
            self.buffered += bytes;
        }
        if self.buffered > self.buf_bytes + self.padding(sides) {
            let text = format!("{} bytes are in buffers, which is too many", self.buffered);
            fail(scene, sides, "too-much-buffered", text);
        }
    }

    /// Both ends of a write can be padded, and what is there is in no buffer of the job's.
    fn padding(&self, sides: &Sides) -> u64 {
        let align = sides.target.disk.spec().alignment;
        2 * align * self.changes
    }

    fn yields(&self, scene: &Scene<'_>, in_flight: usize, buf_free_bytes: u64) {
        let Some(sides) = &self.sides else { return };
        let total = self.buf_bytes;
        let waits_for_room = || mirror_of(scene, sides).is_none_or(|it| it.waits_for_room() > 0);
        if in_flight == 0 && !waits_for_room() {
            let text = "the job waits for a copy to end, and none is under way".to_owned();
            fail(scene, sides, "waits-for-none", text);
        } else if buf_free_bytes > total || (in_flight == 0 && buf_free_bytes < total) {
            let text =
                format!("{buf_free_bytes} of {total} bytes are free with {in_flight} copies");
            fail(scene, sides, "buffers-miscounted", text);
        }
    }

    fn idle(&self, scene: &Scene<'_>) {
        let Some(sides) = &self.sides else { return };
        let Some(mirror) = mirror_of(scene, sides) else {
            return;
        };
        let in_flight = mirror.in_flight();
        if in_flight as u64 > scene.cast.config.get(Field::InFlight) {
            let text = format!("{in_flight} copies are under way");
            fail(scene, sides, "too-many", text);
        }
        let asked = |side: &Side| side.node(scene).is_none_or(|node| node.in_flight() > 0);
        if in_flight > 0 && !asked(&sides.source) && !asked(&sides.target) {
            let text = format!("{in_flight} copies are under way, and neither side is asked");
            fail(scene, sides, "holds-nothing", text);
        }
    }
}

fn units_of(sides: &Sides, offset: u64, bytes: u64) -> Range<usize> {
    let end = (offset + bytes).min(sides.len_bytes);
    let start = offset.min(end);
    (start / UNIT_BYTES) as usize..end.div_ceil(UNIT_BYTES) as usize
}

/// How much the job may have in buffers.
fn buf_bytes(scene: &Scene<'_>, sides: &Sides) -> u64 {
    let buf = scene.cast.config.get(Field::Buf) * sides.granularity;
    let Some(target) = sides.target.node(scene) else {
        return buf;
    };
    let cluster = target.limits().cluster_size;
    // A cluster of a target that cannot copy on write itself is copied as a whole.
    let by_clusters = !sides.full && target.backing().is_none();
    match by_clusters && sides.granularity < cluster {
        true => buf.max(cluster),
        false => buf,
    }
}

fn mirror_of(scene: &Scene<'_>, sides: &Sides) -> Option<Rc<MirrorJob>> {
    scene.cast.pair_of_job(&sides.job)?.mirror()
}

fn fail(scene: &Scene<'_>, sides: &Sides, place: &str, text: String) {
    let disk = sides.target.disk.name().to_owned();
    let parties = vec![sides.job.to_string(), disk];
    scene.fail(Rule::Inflight, place, parties, text);
}

/// See the module.
#[derive(Default)]
pub struct Inflight {
    /// The first so many are of this run; the others wait to be used.
    watched: Vec<Watched>,
    used: usize,
}

impl Inflight {
    /// The checker.
    pub fn new() -> Inflight {
        Inflight::default()
    }

    fn start(&mut self, scene: &Scene<'_>, sides: Sides) {
        if self.used == self.watched.len() {
            self.watched.push(Watched::default());
        }
        let watched = &mut self.watched[self.used];
        self.used += 1;
        watched.copied.reset(sides.granules());
        let units = sides.len_bytes.div_ceil(UNIT_BYTES);
        for bits in [
            &mut watched.changing,
            &mut watched.copying,
            &mut watched.active_units,
        ] {
            bits.reset(units as usize);
        }
        watched.active_writes.clear();
        watched.active_writes.resize(sides.granules(), 0);
        watched.has_active = false;
        watched.changes = 0;
        watched.buffered = 0;
        watched.buf_bytes = buf_bytes(scene, &sides);
        watched.target = sides.target.disk.name();
        watched.sides = Some(sides);
    }

    fn mirror(&mut self, scene: &Scene<'_>, trace: &MirrorTrace) {
        if trace.event == MirrorEvent::MirrorStart {
            if let Some(sides) = Sides::of(scene, &trace.job) {
                self.start(scene, sides);
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
            MirrorEvent::MirrorIteration { offset, bytes } => watched.begins(scene, offset, bytes),
            MirrorEvent::MirrorIterationDone { offset, bytes } => {
                watched.ends(scene, offset, bytes);
            }
            MirrorEvent::MirrorActiveBegin { offset, bytes } => {
                watched.active_begins(scene, offset, bytes);
            }
            MirrorEvent::MirrorActiveEnd { offset, bytes } => {
                watched.active_ends(scene, offset, bytes);
            }
            MirrorEvent::MirrorYield {
                buf_free_bytes,
                in_flight,
                ..
            } => watched.yields(scene, in_flight, buf_free_bytes),
            // From here on the target is the guests'.
            MirrorEvent::Step(Step::M17) => {
                watched.sides = None;
                watched.target = "";
            }
            _ => {}
        }
    }

    fn disk(&mut self, scene: &Scene<'_>, event: &DiskEvent) {
        for watched in &mut self.watched[..self.used] {
            if std::ptr::eq(event.disk, watched.target) {
                watched.change(scene, event);
            }
        }
    }
}

impl Checker for Inflight {
    fn rule(&self) -> Rule {
        Rule::Inflight
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
            Seen::Disk(event) if event.kind.changes() => self.disk(scene, event),
            _ => {}
        }
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        for watched in &self.watched[..self.used] {
            watched.idle(scene);
        }
    }
}
