//! DATA: a mirror that ends well leaves a copy, a guest reads what it was told, and what was flushed
//! survives a crash.
//!
//! When M17 begins the source is drained, so both sides can be compared as they are. What guests read
//! while they run is checked where they read it ([`crate::guest`]); at the end of a run each reads its
//! whole disk once more. Then, if targets are volatile, their power fails.
//!
//! What a crash may leave in a place is what a read could have found there that began with the last good
//! flush: whatever was overwritten for good before that flush must be gone, and all else may be there.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace, Step};
use bytes::BytesMut;

use super::sides::{Sides, disk_of};
use super::{Checker, Interest, Scene, Seen, images};
use crate::cast::{Cast, Pair};
use crate::config::Field;
use crate::disk::{SimDisk, UNIT_BYTES};
use crate::event::{GuestEvent, GuestKind, GuestWhat};
use crate::failure::{Failure, Rule};
use crate::hub::Hub;
use crate::model::{Illegal, Reading};

/// At one moment in so many it is asked what a crash would leave of the images.
const SAMPLED: u64 = 4;

/// From this flush on content counts as safe.
struct Floor {
    pair: usize,
    disk: Rc<SimDisk>,
    /// A read that began with the flush.
    since: Reading,
    /// Flushes in the order in which they were asked for.
    order: u64,
}

/// A target as its job left it.
struct Left {
    job: Rc<str>,
    disk: Rc<SimDisk>,
    /// How many writes had landed.
    landed: u64,
    content: Vec<u8>,
}

/// See the module.
#[derive(Default)]
pub struct Data {
    sides: Vec<Sides>,
    /// At most one for each pair.
    floors: Vec<Floor>,
    /// Flushes of guests under way.
    asked: Vec<(u32, Floor)>,
    left: Vec<Left>,
    flushes: u64,
    has_begun: bool,
    idles: u64,
}

impl Data {
    /// The checker.
    pub fn new() -> Data {
        Data::default()
    }

    fn mirror(&mut self, scene: &Scene<'_>, trace: &MirrorTrace) {
        match trace.event {
            MirrorEvent::MirrorStart => self.sides.extend(Sides::of(scene, &trace.job)),
            MirrorEvent::Step(Step::M17) => self.exits(scene, &trace.job),
            _ => {}
        }
    }

    /// M17 begins.
    fn exits(&mut self, scene: &Scene<'_>, job: &Rc<str>) {
        let ours = self
            .sides
            .iter()
            .position(|sides| scene.same_job(&sides.job, job));
        let Some(index) = ours else { return };
        let sides = self.sides.swap_remove(index);
        let listed = scene.cast.job(job);
        if listed.is_none_or(|job| job.ret().is_err()) {
            return;
        }
        if sides.differs(0, sides.len_bytes) {
            let units = (0..sides.len_bytes).step_by(UNIT_BYTES as usize);
            let unit = |at: &u64| sides.differs(*at, UNIT_BYTES.min(sides.len_bytes - at));
            let at = units.clone().find(unit).unwrap_or(0);
            let text = format!("the job ends well, and its target differs at {at}");
            scene.fail(Rule::Data, "target-differs", vec![job.to_string()], text);
        }
        image_differs(scene, &sides);
        if can_lose(&sides.target.disk) {
            self.flushed_by_job(scene, &sides);
        }
    }

    /// A job that ends well has flushed its target after the last copy, with the source drained.
    fn flushed_by_job(&mut self, scene: &Scene<'_>, sides: &Sides) {
        let disk = &sides.target.disk;
        self.left.push(Left {
            job: sides.job.clone(),
            disk: disk.clone(),
            landed: disk.store().landed(),
            content: disk.store().bytes().to_vec(),
        });
        let pairs = scene.cast.pairs.iter();
        let mut used = pairs.map(Pair::used_node);
        let source = sides.source.node(scene);
        let is_source = |node: &Rc<Node>| {
            source
                .as_ref()
                .is_some_and(|source| Rc::ptr_eq(node, source))
        };
        let pair = used.position(|node| node.is_some_and(|node| is_source(&node)));
        if let Some(pair) = pair {
            let floor = self.floor(scene, pair, disk.clone());
            self.raise(scene, floor);
        }
    }

    fn floor(&mut self, scene: &Scene<'_>, pair: usize, disk: Rc<SimDisk>) -> Floor {
        let mut model = scene.cast.pairs[pair].model.borrow_mut();
        self.flushes += 1;
        Floor {
            pair,
            disk,
            since: model.begin_read(0),
            order: self.flushes,
        }
    }

    /// What was there before `floor` is safe now.
    fn raise(&mut self, scene: &Scene<'_>, floor: Floor) {
        let known = self.floors.iter_mut().find(|it| it.pair == floor.pair);
        match known {
            Some(known) if known.order > floor.order => give_up(scene, floor),
            Some(known) => give_up(scene, std::mem::replace(known, floor)),
            None => self.floors.push(floor),
        }
    }

    fn flush(&mut self, scene: &Scene<'_>, event: &GuestEvent) {
        if event.what == GuestWhat::Asks {
            let each = (scene.cast.config.get(Field::Guests) as usize).max(1);
            let pair = event.guest / each;
            // Only once the device uses a disk that can crash.
            let known = self.floors.iter().find(|floor| floor.pair == pair);
            let Some(disk) = known.map(|floor| floor.disk.clone()) else {
                return;
            };
            if uses(&scene.cast.pairs[pair], &disk) {
                let floor = self.floor(scene, pair, disk);
                self.asked.push((event.request, floor));
            }
            return;
        }
        let mut asked = self.asked.iter();
        let Some(index) = asked.position(|(request, _)| *request == event.request) else {
            return;
        };
        let (_, floor) = self.asked.swap_remove(index);
        // The device may have moved on to another disk since.
        let known = self.floors.iter().find(|it| it.pair == floor.pair);
        let same = known.is_some_and(|known| Rc::ptr_eq(&known.disk, &floor.disk));
        match event.what {
            GuestWhat::Done if same => self.raise(scene, floor),
            _ => give_up(scene, floor),
        }
    }

    /// Sources that are images can lose something from the beginning on.
    fn first_floors(&mut self, scene: &Scene<'_>) {
        for (index, pair) in scene.cast.pairs.iter().enumerate() {
            if pair.source.file().is_some() {
                let floor = self.floor(scene, index, pair.source.clone());
                self.floors.push(floor);
            }
        }
    }

    /// What there would be of each image if the power failed now.
    fn suppose_a_crash(&self, scene: &Scene<'_>) {
        // No decision: it changes nothing. Each moment has another kind of luck.
        let luck = self.idles.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for (index, pair) in scene.cast.pairs.iter().enumerate() {
            for (node, disk) in sides_of(pair) {
                let Some(shown) = images::if_it_crashed(scene, &node, disk, luck) else {
                    continue;
                };
                let mut floors = self.floors.iter();
                let floor = floors.find(|it| it.pair == index && Rc::ptr_eq(&it.disk, disk));
                let Some(floor) = floor.filter(|_| uses(pair, disk)) else {
                    continue;
                };
                if let Err(illegal) = pair.model.borrow().check_untouched(floor.since, &shown) {
                    lost(scene, disk, &illegal);
                }
            }
        }
    }

    /// The power fails.
    fn crash(&mut self, scene: &Scene<'_>) {
        let images = Remains::of_images(scene);
        let image_of = |disk: &Rc<SimDisk>| images.iter().find(|it| Rc::ptr_eq(&it.disk, disk));
        for left in &self.left {
            let disk = &left.disk;
            let unchanged = disk.store().landed() == left.landed;
            disk.crash();
            let is_lost = match image_of(disk) {
                Some(it) => images::difference(disk, &it.shown, &it.written).is_some(),
                None => disk.store().bytes() != left.content,
            };
            if unchanged && is_lost {
                let text = format!("'{}' lost what its job had flushed", disk.name());
                let parties = vec![left.job.to_string(), disk.name().to_owned()];
                scene.fail(Rule::Data, "lost-in-crash", parties, text);
            }
        }
        for floor in self.floors.drain(..) {
            let pair = &scene.cast.pairs[floor.pair];
            let image = image_of(&floor.disk);
            // Its clusters are not rolled back: what they hide of a base is not known. Those of an image
            // are.
            if !uses(pair, &floor.disk) || (image.is_none() && shows_a_base(pair)) {
                give_up(scene, floor);
                continue;
            }
            let mut model = pair.model.borrow_mut();
            let read = match image {
                Some(it) => {
                    let checked = model.check_untouched(floor.since, &it.shown);
                    model.give_read_up(floor.since);
                    checked
                }
                None => model.end_read(floor.since, floor.disk.store().bytes()),
            };
            if let Err(illegal) = read {
                lost(scene, &floor.disk, &illegal);
            }
        }
    }
}

/// An image, as it is left.
struct Remains {
    disk: Rc<SimDisk>,
    /// What it shows.
    shown: Vec<u8>,
    /// What it would show if nothing were lost.
    written: Vec<u8>,
}

impl Remains {
    fn of_images(scene: &Scene<'_>) -> Vec<Remains> {
        let sides = scene.cast.pairs.iter().flat_map(sides_of);
        let images = sides.filter_map(|(node, disk)| {
            let shown = images::after_a_crash(scene, &node, disk)?;
            let written = images::written(disk, images::base_of(&node).as_deref());
            Some(Remains {
                disk: disk.clone(),
                shown,
                written,
            })
        });
        images.collect()
    }
}

fn sides_of(pair: &Pair) -> [(Rc<Node>, &Rc<SimDisk>); 2] {
    [
        (pair.source_node(), &pair.source),
        (pair.target_node(), &pair.target),
    ]
}

fn lost(scene: &Scene<'_>, disk: &SimDisk, illegal: &Illegal) {
    let parties = vec![disk.name().to_owned()];
    let text = format!("after a crash there is {}", describe(illegal));
    scene.fail(Rule::Data, "lost-in-crash", parties, text);
}

/// Whether a disk may lose what no flush has made safe. What has an image open may always.
fn can_lose(disk: &SimDisk) -> bool {
    disk.spec().volatile || disk.file().is_some()
}

/// What the job has flushed is in the file, and the file shows what the requests have written.
fn image_differs(scene: &Scene<'_>, sides: &Sides) {
    let disk = &sides.target.disk;
    let Some(node) = sides.target.node(scene) else {
        return;
    };
    if disk.file().is_none() || !disk.is_flushed() {
        return;
    }
    let base = images::base_of(&node);
    let text = match images::shown(disk, base.as_deref()) {
        Err(text) => text,
        Ok(shown) => {
            let written = images::written(disk, base.as_deref());
            match images::difference(disk, &shown, &written) {
                None => return,
                Some(at) => format!("at {at} it does not show what was written"),
            }
        }
    };
    let text = format!("the file of '{}': {text}", disk.name());
    scene.fail(
        Rule::Data,
        "image-differs",
        vec![sides.job.to_string()],
        text,
    );
}

fn give_up(scene: &Scene<'_>, floor: Floor) {
    let model = &scene.cast.pairs[floor.pair].model;
    model.borrow_mut().give_read_up(floor.since);
}

fn uses(pair: &Pair, disk: &Rc<SimDisk>) -> bool {
    let node = pair.used_node();
    let used = node.and_then(|node| disk_of(&node));
    used.is_some_and(|used| Rc::ptr_eq(&used, disk))
}

fn shows_a_base(pair: &Pair) -> bool {
    let node = pair.used_node();
    node.is_some_and(|node| node.backing().is_some())
}

fn describe(illegal: &Illegal) -> String {
    let (found, offset) = (&illegal.found, illegal.offset);
    format!(
        "{found} at {offset}, where there may be {}",
        illegal.legal.join(" or ")
    )
}

/// The guests of a pair read their whole disk: whatever they were told holds. In a world that is calm,
/// from outside of the loop.
pub(crate) fn read_all(cast: &Cast, hub: &Hub, pair: &Pair) {
    let device = pair.device();
    let len = cast.config.len_bytes() as usize;
    let home = &cast.home_of(pair).context;
    let _current = home.make_current();
    let (buf, result) = home.run("read_all", async move {
        device.read(0, BytesMut::zeroed(len)).await
    });
    let (place, text) = match (result, pair.model.borrow().check_all(&buf)) {
        (Err(error), _) => ("last-read", error.to_string()),
        (Ok(()), Err(illegal)) => (
            "device-content",
            format!("the guest finds {}", describe(&illegal)),
        ),
        (Ok(()), Ok(())) => return,
    };
    hub.fail(Failure {
        rule: Rule::Data,
        place: place.to_owned(),
        parties: vec![pair.job_id.clone()],
        text,
        at_ns: cast.world.now_ns(),
        decisions: cast.world.decider().decisions(),
    });
}

impl Checker for Data {
    fn rule(&self) -> Rule {
        Rule::Data
    }

    fn wants(&self) -> Interest {
        let wants = Interest::MIRROR.or(Interest::GUEST);
        wants.or(Interest::IDLE).or(Interest::END)
    }

    fn reset(&mut self) {
        self.sides.clear();
        self.floors.clear();
        self.asked.clear();
        self.left.clear();
        self.flushes = 0;
        self.has_begun = false;
        self.idles = 0;
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.first_floors(scene);
        }
        match seen {
            Seen::Mirror(trace) => self.mirror(scene, trace),
            Seen::Guest(event) if event.kind == GuestKind::Flush && !self.floors.is_empty() => {
                self.flush(scene, event);
            }
            _ => {}
        }
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        if scene.cast.config.is(Field::Format) {
            self.idles += 1;
            if self.idles.is_multiple_of(SAMPLED) {
                self.suppose_a_crash(scene);
            }
        }
    }

    fn end(&mut self, scene: &Scene<'_>) {
        for (_, floor) in std::mem::take(&mut self.asked) {
            give_up(scene, floor);
        }
        self.crash(scene);
        self.left.clear();
        self.sides.clear();
    }
}
