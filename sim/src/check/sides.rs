//! The two sides of a mirror, to be compared.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use blockjob_block::Node;
use blockjob_block::bitmap::NodeBitmap;

use super::Scene;
use super::bits::Bits;
use crate::config::Field;
use crate::disk::{ImageDriver, SimDisk, SimDriver, UNIT_BYTES};

/// A node by its name: when it has moved it is another one. Nobody is kept from moving by this.
pub(super) struct Named {
    name: Rc<str>,
    node: RefCell<Weak<Node>>,
    /// Where nobody moves it may as well be kept.
    _kept: Option<Rc<Node>>,
}

impl Named {
    fn of(scene: &Scene<'_>, node: &Rc<Node>) -> Named {
        Named {
            name: node.label().clone(),
            node: RefCell::new(Rc::downgrade(node)),
            _kept: stays(scene).then(|| node.clone()),
        }
    }

    /// The node; none while it is on its way.
    pub(super) fn get(&self, scene: &Scene<'_>) -> Option<Rc<Node>> {
        let known = self.node.borrow().upgrade();
        if let Some(node) = known.filter(|node| !node.has_departed()) {
            return Some(node);
        }
        let node = scene.cast.find_node(&self.name)?;
        *self.node.borrow_mut() = Rc::downgrade(&node);
        Some(node)
    }
}

/// Whether there is nowhere to move to.
fn stays(scene: &Scene<'_>) -> bool {
    scene.cast.homes.len() == 1
}

/// What a node shows: a simulated disk, perhaps above another.
pub(super) struct Side {
    node: Named,
    pub(super) disk: Rc<SimDisk>,
    base: Option<Rc<SimDisk>>,
}

impl Side {
    /// Nothing, if the node is no simulated disk.
    fn of(scene: &Scene<'_>, node: Rc<Node>) -> Option<Side> {
        let disk = disk_of(&node)?;
        let below = node.backing().map(|edge| edge.node());
        let base = match &below {
            Some(below) => Some(disk_of(below)?),
            None => None,
        };
        let node = Named::of(scene, &node);
        Some(Side { node, disk, base })
    }

    /// The node; none while it is on its way.
    pub(super) fn node(&self, scene: &Scene<'_>) -> Option<Rc<Node>> {
        self.node.get(scene)
    }

    /// Reads what a user of the node reads.
    fn read(&self, offset: u64, buf: &mut [u8]) {
        match &self.base {
            Some(base) => {
                base.store().read(offset, buf);
                self.disk.store().read_over(offset, buf);
            }
            None => self.disk.store().read(offset, buf),
        }
    }
}

/// The simulated disk that a node is, or what it shows if it is an image in one.
pub(super) fn disk_of(node: &Node) -> Option<Rc<SimDisk>> {
    let driver = node.driver().as_any();
    if let Some(image) = driver.downcast_ref::<ImageDriver>() {
        return Some(image.view().clone());
    }
    let driver = driver.downcast_ref::<SimDriver>()?;
    Some(driver.0.clone())
}

/// What a mirror copies, and where to.
pub(super) struct Sides {
    /// The job's name, as its events have it.
    pub(super) job: Rc<str>,
    pub(super) source: Side,
    pub(super) target: Side,
    /// Where the guest's writes come in, to one side or to both.
    pub(super) filter: Named,
    /// What the job has still to copy, as it says.
    dirty: RefCell<Weak<NodeBitmap>>,
    /// Where it is among those of the source.
    dirty_place: usize,
    /// As for nodes.
    _kept_dirty: Option<Rc<NodeBitmap>>,
    pub(super) granularity: u64,
    pub(super) len_bytes: u64,
    /// The whole disk is copied, and not a part.
    pub(super) full: bool,
    /// What the source shows of its base is not copied: then, the units that it held itself when the
    /// job started.
    own: Option<Bits>,
    buffers: RefCell<[Vec<u8>; 3]>,
}

impl Sides {
    /// The sides of the job named `job`, which is about to start. Nothing if they are no simulated
    /// disks.
    pub(super) fn of(scene: &Scene<'_>, job: &Rc<str>) -> Option<Sides> {
        let config = &scene.cast.config;
        let used = scene.cast.job(job)?.block_job()?.nodes();
        // The newest first, and last the filter on top of the source.
        let [target, source, filter] = used.try_into().ok()?;
        let (source, target) = (Side::of(scene, source)?, Side::of(scene, target)?);
        let is_second = scene.cast.pair_of_job(job).is_none();
        // The top of a chain of one is all of it.
        let full = match config.get(Field::Sync) {
            0 => true,
            1 => is_second || source.base.is_none(),
            _ => is_second,
        };
        let own = (!full && source.base.is_some()).then(|| held_by(&source.disk));
        let bitmaps = source.node(scene)?.dirty_bitmaps();
        let dirty_place = bitmaps.len().checked_sub(1)?;
        let dirty = &bitmaps[dirty_place];
        let (granularity, len_bytes) = (dirty.bits().granularity(), dirty.bits().len());
        Some(Sides {
            job: job.clone(),
            granularity,
            len_bytes,
            full,
            source,
            target,
            filter: Named::of(scene, &filter),
            dirty: RefCell::new(Rc::downgrade(dirty)),
            dirty_place,
            _kept_dirty: stays(scene).then(|| dirty.clone()),
            own,
            buffers: RefCell::default(),
        })
    }

    /// What the job has still to copy, as it says; none while it is on its way.
    pub(super) fn dirty(&self, scene: &Scene<'_>) -> Option<Rc<NodeBitmap>> {
        if let Some(dirty) = self.dirty.borrow().upgrade() {
            return Some(dirty);
        }
        let bitmaps = self.source.node(scene)?.dirty_bitmaps();
        let dirty = bitmaps.get(self.dirty_place)?;
        *self.dirty.borrow_mut() = Rc::downgrade(dirty);
        Some(dirty.clone())
    }

    /// How many granules there are.
    pub(super) fn granules(&self) -> usize {
        self.len_bytes.div_ceil(self.granularity) as usize
    }

    /// The granules that a range touches.
    pub(super) fn granules_of(&self, offset: u64, bytes: u64) -> std::ops::Range<usize> {
        let end = (offset + bytes).min(self.len_bytes);
        let past = end.div_ceil(self.granularity);
        (offset / self.granularity) as usize..past as usize
    }

    /// Whether the target does not show in a granule what the source does.
    pub(super) fn granule_differs(&self, granule: usize) -> bool {
        let offset = granule as u64 * self.granularity;
        self.differs(offset, self.granularity.min(self.len_bytes - offset))
    }

    /// Whether the target does not show in a range what the source does, of what is to be copied. What
    /// nobody knows of an image does not count.
    pub(super) fn differs(&self, offset: u64, bytes: u64) -> bool {
        let differs = self.content_differs(offset, bytes);
        if !differs || (self.source.disk.is_sure() && self.target.disk.is_sure()) {
            return differs;
        }
        let end = offset + bytes;
        (offset..end).step_by(UNIT_BYTES as usize).any(|at| {
            self.source.disk.is_sure_of(at)
                && self.target.disk.is_sure_of(at)
                && self.content_differs(at, UNIT_BYTES.min(end - at))
        })
    }

    fn content_differs(&self, offset: u64, bytes: u64) -> bool {
        if self.source.base.is_none() && self.target.base.is_none() {
            let range = offset as usize..(offset + bytes) as usize;
            let (source, target) = (self.source.disk.store(), self.target.disk.store());
            return source.bytes()[range.clone()] != target.bytes()[range];
        }
        let mut buffers = self.buffers.borrow_mut();
        for buffer in &mut *buffers {
            buffer.clear();
            buffer.resize(bytes as usize, 0);
        }
        let [source, target, below] = &mut *buffers;
        self.source.read(offset, source);
        self.target.read(offset, target);
        let (Some(base), Some(own)) = (&self.source.base, &self.own) else {
            return source != target;
        };
        // Content of the base that the source has copied up since, for the sake of its clusters, is
        // still the base's.
        base.store().read(offset, below);
        let unit = UNIT_BYTES as usize;
        let mut units = (offset / UNIT_BYTES) as usize..;
        let mut contents = source.chunks(unit).zip(below.chunks(unit));
        let mut targets = target.chunks(unit);
        contents.any(|(source, below)| {
            let (number, target) = (units.next(), targets.next());
            let is_own = source != below || number.is_some_and(|number| own.has(number));
            is_own && target.is_some_and(|target| source != target)
        })
    }
}

/// The units that a disk holds itself.
fn held_by(disk: &SimDisk) -> Bits {
    let store = disk.store();
    let (mut at, len) = (0, store.len());
    let mut held = Bits::default();
    held.reset(len.div_ceil(UNIT_BYTES) as usize);
    while at < len {
        let status = store.status(at, len - at);
        let end = at + status.bytes;
        if status.allocated {
            let units = at / UNIT_BYTES..end.div_ceil(UNIT_BYTES);
            let _ = held.insert_all(units.start as usize..units.end as usize);
        }
        at = end;
    }
    held
}
