//! A mirror that moves to another context, with both of its sides.
//!
//! It stands still then: nothing is in flight, no guest's write is under way, and no room is held. So
//! what it knows is its options, its bitmaps, and what it has counted. Where it arrives its loop begins
//! at M7, if M5 was over, and else M5 goes on from where it was. A claim that had been begun, and waits
//! for memory, is given up, so what was not copied of it is dirty.
//!
//! No write of the guest is lost: one that ended before the move is in the dirty bitmap, which travels
//! with the source; one that comes meanwhile waits where the guest's device keeps it, and comes to the
//! filter on the other side, which is connected before the drained section ends.
//!
//! QEMU: `child_job_set_aio_ctx` (blockjob.c), where the mirror itself has nothing to do, for its memory
//! is that of all threads.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_block::buf::BufferPool;
use blockjob_block::dirty_bitmap::{DirtyBitmap, DirtyIter};
use blockjob_block::moving::{
    Arrival, PackedBackend, PackedBitmap, PackedNode, PackedSection, Packer, Place,
};
use blockjob_block::{BlockResult, Node};
use blockjob_runtime::CoQueue;

use super::conflicts::Operations;
use super::filter::MirrorTop;
use super::moving_options::PackedOptions;
use super::outcome::MirrorStats;
use super::receipt::Course;
use super::state::{MirrorJob, MirrorNodes};
use super::steps::Step;
use super::verify::VerifyState;
use super::watch::Watch;
use crate::driver::{JobDriver, MirrorCopyMode, PackedJobDriver};
use crate::error::JobError;
use crate::error_policy::IoOperation;
use crate::job::Job;
use crate::moving::cannot_move;

/// Buffers are made for this alignment where the new context has no pool of its own, in bytes.
const ALIGNMENT: usize = 4096;
/// And so many bytes of them are kept.
const KEPT_BYTES: usize = 64 << 20;

/// A mirror on its way.
struct PackedMirror {
    options: PackedOptions,
    source: PackedNode,
    target: PackedNode,
    base: Option<PackedNode>,
    filter: Option<PackedNode>,
    backend: Option<PackedBackend>,
    to_replace: Option<PackedNode>,
    dirty_bitmap: Option<PackedBitmap>,
    iter: DirtyIter,
    /// M1 to M4 are over, and there is a bitmap of what is in flight, which is nothing.
    is_prepared: bool,
    cow_bitmap: Option<DirtyBitmap>,
    unflushed: Option<DirtyBitmap>,
    seen: Option<DirtyBitmap>,
    len_bytes: u64,
    target_cluster_size: u64,
    buf_total: u64,
    operations_begun: u64,
    copy_mode: MirrorCopyMode,
    init_offset: u64,
    initialized: bool,
    ret: Option<JobError>,
    last_error: Option<(IoOperation, String, u64)>,
    retry_later: bool,
    last_pause_ns: u64,
    last_step: Option<(Step, u64)>,
    should_complete: bool,
    drained: Option<PackedSection>,
    stats: MirrorStats,
    flushed: bool,
    course: Course,
    verify: VerifyState,
    watch: Watch,
}

impl MirrorJob {
    /// Nodes that it needs and that no edge of its own leads to.
    pub(super) fn tied_nodes(&self) -> Vec<Rc<Node>> {
        let nodes = self.nodes.borrow();
        let of_nodes = nodes.iter().flat_map(|nodes| {
            let ours = [
                Some(&nodes.source),
                Some(&nodes.target),
                nodes.base.as_ref(),
            ];
            ours.into_iter().flatten().cloned()
        });
        of_nodes.chain(self.to_replace.borrow().clone()).collect()
    }

    pub(super) fn check_move(&self, job: &Job) -> BlockResult<()> {
        let refuse = |why: &str| Err(cannot_move(job, why));
        if self.nodes.borrow().is_none() || self.exited.get() || self.external_masked.get() {
            return refuse("it is being completed");
        }
        if !self.options.can_move() {
            return refuse("it opens the backing file of its target where it was started");
        }
        // Until its nodes are drained it works, and that is no reason.
        let stands_still = job.is_paused() && job.pause_count() > 0;
        if stands_still && (self.in_flight.get() > 0 || self.operations.active() > 0) {
            return refuse("it has requests in flight");
        }
        Ok(())
    }

    pub(super) fn packed(&self, packer: &Packer<'_>) -> Box<dyn PackedJobDriver> {
        self.give_begun_up();
        self.give_room_back();
        assert!(self.is_idle(), "a mirror that stands still does nothing");
        let nodes = self.nodes.take().expect("it was asked");
        let (filter, backend) = (self.filter.take(), self.target.take());
        self.op_blocks.take();
        let to_replace = self.to_replace.take();
        let packed = PackedMirror {
            options: PackedOptions::of(&self.options),
            source: packer.node(&nodes.source),
            target: packer.node(&nodes.target),
            base: nodes.base.as_ref().map(|base| packer.node(base)),
            filter: filter.as_ref().map(|filter| packer.node(filter)),
            backend: backend.as_ref().map(|backend| backend.pack_owned(packer)),
            to_replace: to_replace.as_ref().map(|node| packer.node(node)),
            dirty_bitmap: self.dirty_bitmap.take().map(|map| packer.bitmap(&map)),
            iter: *self.iter.borrow(),
            is_prepared: self.in_flight_bitmap.take().is_some(),
            cow_bitmap: self.cow_bitmap.take(),
            unflushed: self.unflushed.take(),
            seen: self.seen.take(),
            len_bytes: self.len_bytes.get(),
            target_cluster_size: self.target_cluster_size.get(),
            buf_total: self.buf_total.get(),
            operations_begun: self.operations.begun(),
            copy_mode: self.copy_mode.get(),
            init_offset: self.init_offset.get(),
            initialized: self.initialized.get(),
            ret: self.ret.take(),
            last_error: self.last_error.take(),
            retry_later: self.retry_later.get(),
            last_pause_ns: self.last_pause_ns.get(),
            last_step: self.last_step.get(),
            should_complete: self.should_complete.get(),
            drained: self.drained.take().map(|section| packer.section(section)),
            stats: self.stats.get(),
            flushed: self.flushed.get(),
            course: self.course.clone(),
            verify: self.verify.clone(),
            watch: self.watch.clone(),
        };
        // What is left here is the end of nothing.
        self.exited.set(true);
        Box::new(packed)
    }

    fn is_idle(&self) -> bool {
        let in_flight = self.in_flight_bitmap.borrow();
        let claimed = in_flight.as_ref().is_some_and(|map| map.dirty_bytes() > 0);
        let bytes = self.bytes_in_flight.get() + self.active_bytes_in_flight.get();
        let idle = self.in_flight.get() == 0 && bytes == 0 && !claimed;
        idle && self.operations.active() + self.operations.claims() == 0 && !self.in_drain.get()
    }
}

/// The buffers that the jobs of a place share.
fn pool_of(place: &Place) -> Rc<BufferPool> {
    let pool = place.find::<BufferPool>();
    pool.unwrap_or_else(|| Rc::new(BufferPool::new(ALIGNMENT, KEPT_BYTES)))
}

impl PackedMirror {
    /// A granule each, none of them set.
    fn empty_bitmap(&self) -> Option<DirtyBitmap> {
        let made = || DirtyBitmap::new(self.len_bytes, self.options.granularity());
        self.is_prepared
            .then(|| made().expect("there was one like it"))
    }

    fn unpacked(self, myself: &Weak<MirrorJob>, arrival: &Arrival<'_>) -> MirrorJob {
        let in_flight_bitmap = self.empty_bitmap();
        let node = |packed: PackedNode| arrival.node(packed);
        let source = node(self.source);
        let to_replace = self.to_replace.map(node);
        let filter = self.filter.map(node);
        let counter = filter.as_ref().map(|filter| MirrorTop::counter(filter));
        let pool = pool_of(arrival.place());
        let blocked = to_replace.as_deref().map(MirrorJob::block_replaced);
        MirrorJob {
            context: source.context().clone(),
            options: self.options.unpack(),
            target: RefCell::new(self.backend.map(|backend| backend.unpack_owned(arrival))),
            nodes: RefCell::new(Some(MirrorNodes {
                target: node(self.target),
                base: self.base.map(node),
                source,
            })),
            filter: RefCell::new(filter),
            myself: myself.clone(),
            job: OnceCell::new(),
            op_blocks: RefCell::new(blocked.into_iter().collect()),
            to_replace: RefCell::new(to_replace),
            room: pool.room().user(),
            pool,
            wants_room: Cell::new(0),
            reserved: RefCell::new(None),
            dirty_bitmap: RefCell::new(self.dirty_bitmap.map(|map| arrival.bitmap(map))),
            iter: RefCell::new(self.iter),
            begun: RefCell::new(None),
            in_flight_bitmap: RefCell::new(in_flight_bitmap),
            cow_bitmap: RefCell::new(self.cow_bitmap),
            unflushed: RefCell::new(self.unflushed),
            seen: RefCell::new(self.seen),
            len_bytes: Cell::new(self.len_bytes),
            target_cluster_size: Cell::new(self.target_cluster_size),
            in_flight: Cell::new(0),
            bytes_in_flight: Cell::new(0),
            buf_total: Cell::new(self.buf_total),
            buf_free: Cell::new(self.buf_total),
            slot_free: CoQueue::new(),
            operations: Operations::after(self.operations_begun),
            active_bytes_in_flight: Cell::new(0),
            copy_mode: Cell::new(self.copy_mode),
            init_offset: Cell::new(self.init_offset),
            initialized: Cell::new(self.initialized),
            has_arrived: Cell::new(true),
            #[cfg(feature = "museum")]
            ops: super::late_buffers::Ops::default(),
            ret: RefCell::new(self.ret),
            last_error: RefCell::new(self.last_error),
            retry_later: Cell::new(self.retry_later),
            last_pause_ns: Cell::new(self.last_pause_ns),
            last_step: Cell::new(self.last_step),
            should_complete: Cell::new(self.should_complete),
            in_drain: Cell::new(false),
            external_masked: Cell::new(false),
            drained: RefCell::new(self.drained.map(|section| arrival.section(section))),
            exited: Cell::new(false),
            pivoted: Cell::new(false),
            stats: Cell::new(self.stats),
            flushed: Cell::new(self.flushed),
            outcome: RefCell::new(None),
            receipt: RefCell::new(None),
            course: self.course,
            verify: self.verify,
            watch: self.watch,
            guest_writes: counter.unwrap_or_default(),
        }
    }
}

impl PackedJobDriver for PackedMirror {
    fn unpack(self: Box<Self>, arrival: &Arrival<'_>) -> Rc<dyn JobDriver> {
        let mirror = Rc::new_cyclic(|myself| self.unpacked(myself, arrival));
        if let Some(filter) = mirror.filter_node() {
            MirrorTop::connect(&filter, &mirror);
        }
        mirror
    }
}
