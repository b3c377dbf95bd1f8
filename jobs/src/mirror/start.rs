//! Starting a mirror: the checks, the filter, the job, and what it holds of its nodes.
//!
//! QEMU: `mirror_start_job` (block/mirror.c).

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_block::buf::BufferPool;
use blockjob_block::dirty_bitmap::DirtyIter;
use blockjob_block::{BlockBackend, Node, Perm, PermPair};
use blockjob_runtime::{CoQueue, bug};

use super::backing::backing_chain_next;
use super::conflicts::Operations;
use super::filter::MirrorTop;
#[cfg(feature = "museum")]
use super::late_buffers;
use super::options::{MirrorOptions, MirrorSync};
use super::receipt::Course;
use super::state::{MirrorJob, MirrorNodes};
use super::steps::{MirrorEvent, MirrorFacts};
use super::verify::VerifyState;
use super::watch::Watch;
use crate::block_job::BlockJob;
use crate::driver::JobResult;
use crate::error::JobError;
use crate::job::{Job, JobOptions};
use crate::list::JobList;
use crate::txn::JobTxn;

/// Starts a mirror of `source` onto `target`, both used through no backend of the caller's that would
/// write to the target. Buffers come from `pool`, which many mirrors can share.
///
/// Called in the context of the nodes, outside of coroutines. The job runs to its first wait before this
/// returns.
///
/// QEMU: `mirror_start` (block/mirror.c).
///
/// # Errors
///
/// An option that makes no sense, an operation that somebody blocks, a user who does not get on with
/// the job. Then nothing has changed.
pub fn mirror_start(
    list: &Rc<JobList>,
    pool: &Rc<BufferPool>,
    source: &Rc<Node>,
    target: &Rc<Node>,
    options: &MirrorOptions,
) -> Result<(Rc<Job>, Rc<MirrorJob>), JobError> {
    mirror_start_in(list, pool, source, target, options, None)
}

/// As [`mirror_start`], as a part of `txn`: the mirrors of a transaction pivot together, or none does.
///
/// # Errors
///
/// As [`mirror_start`].
pub fn mirror_start_in(
    list: &Rc<JobList>,
    pool: &Rc<BufferPool>,
    source: &Rc<Node>,
    target: &Rc<Node>,
    options: &MirrorOptions,
    txn: Option<&Rc<JobTxn>>,
) -> Result<(Rc<Job>, Rc<MirrorJob>), JobError> {
    options.check(source, target)?;
    mirror_start_job(list, pool, source, target, options, txn)
}

/// QEMU: `mirror_start_job` (block/mirror.c).
fn mirror_start_job(
    list: &Rc<JobList>,
    pool: &Rc<BufferPool>,
    source: &Rc<Node>,
    target: &Rc<Node>,
    options: &MirrorOptions,
    txn: Option<&Rc<JobTxn>>,
) -> Result<(Rc<Job>, Rc<MirrorJob>), JobError> {
    // Until all is in place: a write that is under way now is not seen by anybody, and one that comes
    // meanwhile waits, and goes through the filter.
    let drained = source.drained_begin("mirror_start");
    // Others had their turn while the source was drained, and may have taken it.
    let options = options.check(source, target)?;
    let graph = source.graph().expect("the graph outlives its nodes");
    let writes = Rc::default();
    let name = options.filter_node_name.as_deref();
    let filter = MirrorTop::append(&graph, name, source, &writes)?;
    let mirror = Rc::new_cyclic(|myself| {
        let mut state = new_state(myself, &filter, source, target, &options, pool);
        state.guest_writes = writes;
        state
    });
    let job = match create_job(list, &mirror, &filter, txn) {
        Ok(job) => job,
        Err(error) => {
            mirror.give_up();
            return Err(error);
        }
    };
    MirrorTop::connect(&filter, &mirror);
    drop(drained);
    mirror.context.trace_detail(|| MirrorFacts {
        job: job.label().clone(),
        source: source.label().clone(),
        target: target.label().clone(),
        granularity_bytes: mirror.options.granularity,
        length_bytes: source.len().unwrap_or(0),
    });
    mirror.report(MirrorEvent::MirrorStart);
    job.start();
    Ok((job, mirror))
}

/// Makes the job and attaches it to its nodes. If that fails, watchers may have seen it come and go.
fn create_job(
    list: &Rc<JobList>,
    mirror: &Rc<MirrorJob>,
    filter: &Rc<Node>,
    txn: Option<&Rc<JobTxn>>,
) -> Result<Rc<Job>, JobError> {
    let options = &mirror.options;
    let block_job = BlockJob::create(
        list,
        options.job_id.as_deref(),
        filter,
        MAIN_NODE_PERMS,
        mirror.clone(),
        JobOptions {
            auto_finalize: options.auto_finalize,
            auto_dismiss: options.auto_dismiss,
            speed_bytes_per_s: options.speed.cast_signed(),
            txn: txn.cloned(),
            ..JobOptions::default()
        },
    )?;
    let job = block_job.job();
    if let Err(error) = set_up(mirror, &block_job) {
        mirror.let_go();
        block_job.remove_all_bdrv();
        job.early_fail();
        return Err(error);
    }
    mirror.set_job(&job);
    Ok(job)
}

/// Users may go on with what they do, but the disk stays as long as it is.
const SHARED: Perm = Perm::CONSISTENT_READ
    .or(Perm::WRITE)
    .or(Perm::WRITE_UNCHANGED);
/// The job reads through the filter.
const MAIN_NODE_PERMS: PermPair = PermPair::new(Perm::CONSISTENT_READ, SHARED);
const SOURCE_PERMS: PermPair = PermPair::new(Perm::NONE, SHARED);
/// Nobody else may write to the target, or read it as if it were a disk.
const TARGET_PERMS: PermPair = PermPair::new(Perm::WRITE, Perm::WRITE_UNCHANGED);
/// One that is read back is read as a disk.
const VERIFIED_TARGET_PERMS: PermPair =
    PermPair::new(Perm::WRITE.or(Perm::CONSISTENT_READ), Perm::WRITE_UNCHANGED);

/// What the copy lies on as the source does, if only the top is copied.
fn base_of(source: &Rc<Node>, options: &MirrorOptions) -> Option<Rc<Node>> {
    let is_top = options.sync == MirrorSync::Top;
    is_top.then(|| backing_chain_next(source)).flatten()
}

fn new_state(
    myself: &Weak<MirrorJob>,
    filter: &Rc<Node>,
    source: &Rc<Node>,
    target: &Rc<Node>,
    options: &MirrorOptions,
    pool: &Rc<BufferPool>,
) -> MirrorJob {
    MirrorJob {
        context: source.context().clone(),
        options: options.clone(),
        nodes: RefCell::new(Some(MirrorNodes {
            source: source.clone(),
            target: target.clone(),
            base: base_of(source, options),
        })),
        filter: RefCell::new(Some(filter.clone())),
        target: RefCell::new(None),
        myself: myself.clone(),
        job: OnceCell::new(),
        op_blocks: RefCell::default(),
        to_replace: RefCell::new(None),
        pool: pool.clone(),
        room: pool.room().user(),
        wants_room: Cell::new(0),
        reserved: RefCell::new(None),
        dirty_bitmap: RefCell::new(None),
        iter: RefCell::new(DirtyIter::new()),
        begun: RefCell::new(None),
        in_flight_bitmap: RefCell::new(None),
        cow_bitmap: RefCell::new(None),
        unflushed: RefCell::new(None),
        seen: RefCell::new(None),
        len_bytes: Cell::new(0),
        target_cluster_size: Cell::new(0),
        in_flight: Cell::new(0),
        bytes_in_flight: Cell::new(0),
        buf_total: Cell::new(0),
        buf_free: Cell::new(0),
        slot_free: CoQueue::new(),
        operations: Operations::default(),
        active_bytes_in_flight: Cell::new(0),
        copy_mode: Cell::new(options.copy_mode.to_begin_with()),
        init_offset: Cell::new(0),
        initialized: Cell::new(false),
        has_arrived: Cell::new(false),
        #[cfg(feature = "museum")]
        ops: late_buffers::Ops::default(),
        ret: RefCell::new(None),
        last_error: RefCell::default(),
        retry_later: Cell::new(false),
        last_pause_ns: Cell::new(0),
        last_step: Cell::new(None),
        should_complete: Cell::new(false),
        in_drain: Cell::new(false),
        external_masked: Cell::new(false),
        drained: RefCell::new(None),
        exited: Cell::new(false),
        pivoted: Cell::new(false),
        stats: Cell::default(),
        flushed: Cell::new(false),
        outcome: RefCell::new(None),
        receipt: RefCell::new(None),
        course: Course::new(source.context().now_ns()),
        verify: VerifyState::new(options.verify),
        watch: Watch::new(options, source.context().now_ns()),
        guest_writes: Rc::default(),
    }
}

/// Attaches the job to its nodes, and begins to track writes.
///
/// QEMU: `mirror_start_job` (block/mirror.c).
fn set_up(mirror: &Rc<MirrorJob>, block_job: &Rc<BlockJob>) -> JobResult {
    let (source, target) = (&mirror.source_node(), &mirror.target_node());
    let graph = source.graph().expect("the graph outlives its nodes");
    let target_perms = match mirror.options.verify {
        true => VERIFIED_TARGET_PERMS,
        false => TARGET_PERMS,
    };
    let target_blk = BlockBackend::new(&graph, "", target_perms)?;
    // The job's requests are not queued while its nodes are drained: it pauses instead, and its last
    // ones, inside of its own drained section, must get through.
    target_blk.set_queue_requests(false);
    target_blk.insert(target)?;
    *mirror.target.borrow_mut() = Some(target_blk);
    // From this moment on every write to the source is seen. Nothing is in flight that was begun
    // before and would not be: the source is drained, and the bit is set when a write ends.
    let bitmap = source.create_dirty_bitmap(None, mirror.options.granularity)?;
    if bug!(MIR_01) {
        bitmap.set_enabled(false);
    }
    if let Some(filter) = mirror.filter_node() {
        filter.show_dirty_bitmap(&bitmap);
    }
    *mirror.dirty_bitmap.borrow_mut() = Some(bitmap);
    block_job.add_bdrv("source", source, SOURCE_PERMS)?;
    // So that the target is not written to before the job has paused.
    block_job.add_bdrv("target", target, PermPair::HARMLESS)?;
    Ok(())
}

impl MirrorJob {
    /// It drives `job`, which speaks for the backend that the mirror uses its target by.
    pub(super) fn set_job(&self, job: &Rc<Job>) {
        let named = self.job.set(Rc::downgrade(job));
        assert!(named.is_ok(), "a mirror drives one job");
        if let (Some(target), Some(block_job)) = (&*self.target.borrow(), job.block_job()) {
            target.set_owner(Some(block_job.as_parent()));
        }
    }

    /// It lets go of what it uses of the disks, but for the filter.
    pub(super) fn let_go(&self) {
        if let Some(bitmap) = self.dirty_bitmap.borrow_mut().take() {
            self.source_node().release_dirty_bitmap(&bitmap);
            self.watch.keep_dirtied(&bitmap);
        }
        // The job's own write access would keep the users of the source from getting theirs.
        drop(self.target.borrow_mut().take());
    }

    /// It could not be set up: the users of the source have it back.
    fn give_up(&self) {
        self.exited.set(true);
        self.return_source();
    }
}
