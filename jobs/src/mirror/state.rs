//! The state of a mirror. It is a struct, and not the locals of one long function: a job that
//! pauses, moves or starts again goes on from here.
//!
//! QEMU: `MirrorBlockJob` (block/mirror.c).

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_block::bitmap::NodeBitmap;
use blockjob_block::buf::{BufferPool, RoomUser, Taken};
use blockjob_block::child::Child;
use blockjob_block::dirty_bitmap::{DirtyBitmap, DirtyIter};
use blockjob_block::op_blocker::OpBlock;
use blockjob_block::{BlockBackend, Drained, Node};
use blockjob_runtime::{AioContext, CoQueue};

use super::conflicts::Operations;
use super::iteration::Claim;
use super::options::MirrorOptions;
use super::outcome::{MirrorStats, Outcome};
use super::receipt::{Course, Receipt};
use super::steps::{MirrorEvent, Step, report};
use super::verify::VerifyState;
use super::watch::Watch;
use crate::driver::MirrorCopyMode;
use crate::error::JobError;
use crate::error_policy::IoOperation;
use crate::job::Job;

/// A mirror: the driver of its job, and all that it knows.
///
/// QEMU: `MirrorBlockJob` (block/mirror.c).
pub struct MirrorJob {
    pub(super) context: AioContext,
    pub(super) options: MirrorOptions,
    /// Given up when the job is concluded: whoever keeps it for its result does not keep its disks.
    pub(super) nodes: RefCell<Option<MirrorNodes>>,
    /// The node on top of the source, through which the job reads it; taken away in M17.
    pub(super) filter: RefCell<Option<Rc<Node>>>,
    /// The job's own access to the target; given up in M17.
    pub(super) target: RefCell<Option<Rc<BlockBackend>>>,
    pub(super) myself: Weak<MirrorJob>,
    pub(super) job: OnceCell<Weak<Job>>,
    pub(super) op_blocks: RefCell<Vec<OpBlock>>,
    /// What is to be replaced in the end, found when the job was told to complete.
    pub(super) to_replace: RefCell<Option<Rc<Node>>>,
    pub(super) pool: Rc<BufferPool>,
    /// This job's part in the room that all users of the pool share.
    pub(super) room: RoomUser,
    /// The room that a part did not get; 0 if none went without.
    pub(super) wants_room: Cell<u64>,
    /// Room that it got after it had waited, for the next part.
    pub(super) reserved: RefCell<Option<Taken>>,

    /// What the guest has written, and what was never copied.
    pub(super) dirty_bitmap: RefCell<Option<Rc<NodeBitmap>>>,
    pub(super) iter: RefCell<DirtyIter>,
    /// A claim that was begun and waits for room, with the place where it goes on. Nothing of it need
    /// be in flight, so it does not keep the job from standing still.
    pub(super) begun: RefCell<Option<(Rc<Claim>, u64)>>,
    /// Granules that a copy is under way for: at most one at a time each.
    pub(super) in_flight_bitmap: RefCell<Option<DirtyBitmap>>,
    /// Granules that the target has allocated, if it cannot copy on write itself.
    pub(super) cow_bitmap: RefCell<Option<DirtyBitmap>>,
    /// Granules that were written to the target since it was last flushed.
    pub(super) unflushed: RefCell<Option<DirtyBitmap>>,
    /// Granules that were copied before: for the statistics.
    pub(super) seen: RefCell<Option<DirtyBitmap>>,
    pub(super) len_bytes: Cell<u64>,
    pub(super) target_cluster_size: Cell<u64>,

    pub(super) in_flight: Cell<usize>,
    pub(super) bytes_in_flight: Cell<u64>,
    /// Bytes that may be in buffers at a time.
    pub(super) buf_total: Cell<u64>,
    /// Those of them that may still be put there.
    pub(super) buf_free: Cell<u64>,
    /// Coroutines that wait for an operation to end.
    pub(super) slot_free: CoQueue,
    /// Claims and active writes, and who waits for whom.
    pub(super) operations: Operations,
    /// Bytes that active writes are writing to the target.
    pub(super) active_bytes_in_flight: Cell<u64>,
    /// How the guest's writes get to the target; never `Auto`.
    pub(super) copy_mode: Cell<MirrorCopyMode>,
    /// How far M5 has come, in bytes.
    pub(super) init_offset: Cell<u64>,
    /// The bitmap says what has to be copied: M5 is over.
    pub(super) initialized: Cell<bool>,
    /// It has come from another context, and has not gone on yet.
    pub(super) has_arrived: Cell<bool>,
    #[cfg(feature = "museum")]
    pub(super) ops: super::late_buffers::Ops,
    /// The error that ends the job.
    pub(super) ret: RefCell<Option<JobError>>,
    /// The last request that failed: what it was, in whose words, and when.
    pub(super) last_error: RefCell<Option<(IoOperation, String, u64)>>,
    /// A request failed and the policy says to go on: wait a moment before the next attempt.
    pub(super) retry_later: Cell<bool>,
    pub(super) last_pause_ns: Cell<u64>,
    /// The step that began last, and the pass in which it did.
    pub(super) last_step: Cell<Option<(Step, u64)>>,
    pub(super) should_complete: Cell<bool>,
    /// The job asks whether its own drained section can begin, and must not wait for itself. Those
    /// of others wait for it: see [`Node::co_drained_begin_asking`].
    pub(super) in_drain: Cell<bool>,
    pub(super) external_masked: Cell<bool>,
    /// Keeps the source drained from M14 or M16 until M17 has ended.
    pub(super) drained: RefCell<Option<Drained>>,
    pub(super) exited: Cell<bool>,
    pub(super) pivoted: Cell<bool>,
    pub(super) stats: Cell<MirrorStats>,
    pub(super) flushed: Cell<bool>,
    pub(super) outcome: RefCell<Option<Outcome>>,
    pub(super) receipt: RefCell<Option<Receipt>>,
    pub(super) course: Course,
    pub(super) verify: VerifyState,
    /// How it gets on with the guest.
    pub(super) watch: Watch,
    /// The number of the last write of the guest that has come; the filter counts.
    pub(super) guest_writes: Rc<Cell<u64>>,
}

/// The nodes of a mirror.
pub(super) struct MirrorNodes {
    pub(super) source: Rc<Node>,
    pub(super) target: Rc<Node>,
    /// For `sync=top`: the first node that is not copied.
    pub(super) base: Option<Rc<Node>>,
}

impl MirrorJob {
    pub(super) fn source_node(&self) -> Rc<Node> {
        self.of_nodes(|nodes| nodes.source.clone())
    }

    pub(super) fn target_node(&self) -> Rc<Node> {
        self.of_nodes(|nodes| nodes.target.clone())
    }

    pub(super) fn base(&self) -> Option<Rc<Node>> {
        self.of_nodes(|nodes| nodes.base.clone())
    }

    fn of_nodes<T>(&self, which: impl FnOnce(&MirrorNodes) -> T) -> T {
        let nodes = self.nodes.borrow();
        which(
            nodes
                .as_ref()
                .expect("the nodes are the job's until it is concluded"),
        )
    }

    /// Bytes that remain to be copied: written by the guest since, or never copied.
    pub fn dirty_bytes(&self) -> u64 {
        let dirty = match &*self.dirty_bitmap.borrow() {
            Some(bitmap) => bitmap.bits().dirty_bytes(),
            None => 0,
        };
        dirty + self.begun_bytes()
    }

    /// The length of the disk in bytes, once the job has begun.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes.get()
    }

    /// Bytes that are being copied now.
    pub fn bytes_in_flight(&self) -> u64 {
        self.bytes_in_flight.get()
    }

    /// Whether the granule of the byte at `offset` has yet to be copied; once the job has ended,
    /// false.
    ///
    /// # Panics
    ///
    /// When `offset` is past the end of the disk.
    pub fn is_dirty(&self, offset: u64) -> bool {
        let bitmap = self.dirty_bitmap.borrow();
        bitmap.as_ref().is_some_and(|map| map.bits().get(offset))
    }

    /// Whether the granule of the byte at `offset` is being copied.
    ///
    /// # Panics
    ///
    /// When `offset` is past the end of the disk.
    pub fn is_in_flight(&self, offset: u64) -> bool {
        let bitmap = self.in_flight_bitmap.borrow();
        bitmap.as_ref().is_some_and(|map| map.get(offset))
    }

    /// Copies under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// The room that it waits for, in bytes, because other jobs fill the memory that all share; 0 if
    /// it does not.
    pub fn waits_for_room(&self) -> u64 {
        self.wants_room.get()
    }

    /// What it has done so far.
    pub fn stats(&self) -> MirrorStats {
        self.stats.get()
    }

    /// How many writes of the guest have begun since the job was made, zeroes and discards included:
    /// the number of the last one, if the first has number 1. What the filter does not see, because
    /// somebody uses the source directly, has no number.
    pub fn guest_writes(&self) -> u64 {
        self.guest_writes.get()
    }

    /// What it has come to, once it has ended.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.borrow().clone()
    }

    /// What it was asked to do, defaults filled in.
    pub fn options(&self) -> &MirrorOptions {
        &self.options
    }

    /// The job that this drives; none before it is set up and after it is gone.
    pub(super) fn job(&self) -> Option<Rc<Job>> {
        self.job.get()?.upgrade()
    }

    pub(super) fn bitmap(&self) -> Rc<NodeBitmap> {
        let bitmap = self.dirty_bitmap.borrow();
        bitmap.clone().expect("the bitmap lives until M16")
    }

    /// The filter on top of the source; none after the job has ended.
    pub fn filter_node(&self) -> Option<Rc<Node>> {
        self.filter.borrow().clone()
    }

    /// The source as the job reads it: below the filter.
    pub(super) fn source(&self) -> Rc<Child> {
        let filter = self.filter.borrow();
        let below = filter.as_ref().and_then(|filter| filter.filtered());
        below.expect("the filter is above the source until M17")
    }

    pub(super) fn target(&self) -> Rc<BlockBackend> {
        let target = self.target.borrow();
        target.clone().expect("the job uses its target until M17")
    }

    pub(super) fn update_stats(&self, update: impl FnOnce(&mut MirrorStats)) {
        let mut stats = self.stats.get();
        update(&mut stats);
        self.stats.set(stats);
    }

    pub(super) fn step(&self, step: Step) {
        self.last_step.set(Some((step, self.context.pass_ns())));
        self.report(MirrorEvent::Step(step));
    }

    pub(super) fn report(&self, event: MirrorEvent) {
        match self.job() {
            Some(job) => report(&self.context, job.label(), event),
            None => report(&self.context, &"".into(), event),
        }
    }
}
