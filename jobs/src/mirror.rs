//! The mirror: copies a disk that is in use, and in the end may put the copy in its place.
//!
//! The functions have QEMU's names and its order, `mirror_start_job`, `mirror_run`,
//! `mirror_iteration`, `mirror_exit`, and each piece of them is one of the steps M1 to M17
//! ([`steps::Step`]). What the copy rests on:
//!
//! - Every write to the source marks its granules dirty when it has ended and before the guest hears
//!   of it ([`blockjob_block::bitmap`]).
//! - A granule's bit is cleared before anything is asked or read for its copy, and at most one copy of
//!   a granule is under way: so no copy is lost and none lands late.
//! - Before the end the source is drained and *then* counted again, and it stays drained until its
//!   users have the target.
//!
//! QEMU: block/mirror.c.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_block::buf::BufferPool;
use blockjob_block::dirty_bitmap::DirtyIter;
use blockjob_block::{BlockBackend, Node, Perm, PermPair};
use blockjob_runtime::{CoQueue, bug};

use crate::block_job::BlockJob;
use crate::driver::{JobDriver, JobFuture, JobResult};
use crate::error::JobError;
use crate::event::JobType;
use crate::job::{Job, JobOptions};
use crate::list::JobList;
use crate::txn::JobTxn;

mod copy;
mod exit;
mod init;
mod iteration;
#[cfg(feature = "museum")]
mod late_buffers;
pub mod options;
pub mod outcome;
mod run;
mod state;
pub mod steps;

pub use options::{MirrorOptions, MirrorSync, MirrorTuning};
pub use outcome::{MirrorEnd, MirrorStats, Outcome};
pub use state::MirrorJob;
use steps::MirrorEvent;

/// Starts a mirror of `source` onto `target`, both used through no backend of the caller's that would
/// write to the target. Buffers come from `pool`, which many mirrors can share.
///
/// Called in the main context, outside of coroutines. The job runs to its first wait before this
/// returns.
///
/// QEMU: `blockdev_mirror_common` (blockdev.c), `mirror_start_job` (block/mirror.c).
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
    let options = options.check(source, target)?;
    let graph = source.graph().expect("the graph outlives its nodes");
    let source_blk = BlockBackend::new(&graph, "", SOURCE_PERMS)?;
    let target_blk = BlockBackend::new(&graph, "", TARGET_PERMS)?;
    let mirror = Rc::new_cyclic(|myself| new_state(myself, source, target, &options, pool));

    let block_job = BlockJob::create(
        list,
        options.job_id.as_deref(),
        source,
        MAIN_NODE_PERMS,
        mirror.clone(),
        JobOptions {
            auto_finalize: options.auto_finalize,
            auto_dismiss: options.auto_dismiss,
            speed_bytes_per_s: i64::try_from(options.speed).unwrap_or(i64::MAX),
            txn: txn.cloned(),
            ..JobOptions::default()
        },
    )?;
    let job = block_job.job();
    let set_up = set_up(&mirror, &block_job, source_blk, target_blk);
    if let Err(error) = set_up {
        mirror.give_up(&block_job);
        job.early_fail();
        return Err(error);
    }
    let named = mirror.job.set(Rc::downgrade(&job));
    assert!(named.is_ok(), "a mirror drives one job");
    mirror.report(MirrorEvent::MirrorStart);
    job.start();
    Ok((job, mirror))
}

const SOURCE_PERMS: PermPair = PermPair::new(
    Perm::CONSISTENT_READ,
    Perm::CONSISTENT_READ
        .or(Perm::WRITE)
        .or(Perm::WRITE_UNCHANGED),
);
const MAIN_NODE_PERMS: PermPair = SOURCE_PERMS;
/// Nobody else may write to the target, or read it as if it were a disk.
const TARGET_PERMS: PermPair = PermPair::new(Perm::WRITE, Perm::WRITE_UNCHANGED);

fn new_state(
    myself: &Weak<MirrorJob>,
    source: &Rc<Node>,
    target: &Rc<Node>,
    options: &MirrorOptions,
    pool: &Rc<BufferPool>,
) -> MirrorJob {
    let base = match options.sync {
        MirrorSync::Top => source.skip_filters().backing().map(|edge| edge.node()),
        MirrorSync::Full | MirrorSync::None => None,
    };
    MirrorJob {
        context: source.context().clone(),
        options: options.clone(),
        source_node: source.clone(),
        target_node: target.clone(),
        base,
        source: RefCell::new(None),
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
        seen: RefCell::new(None),
        len_bytes: Cell::new(0),
        target_cluster_size: Cell::new(0),
        in_flight: Cell::new(0),
        bytes_in_flight: Cell::new(0),
        buf_total: Cell::new(0),
        buf_free: Cell::new(0),
        slot_free: CoQueue::new(),
        #[cfg(feature = "museum")]
        ops: late_buffers::Ops::default(),
        ret: RefCell::new(None),
        retry_later: Cell::new(false),
        last_pause_ns: Cell::new(0),
        should_complete: Cell::new(false),
        in_drain: Cell::new(false),
        external_masked: Cell::new(false),
        drained: RefCell::new(None),
        exited: Cell::new(false),
        pivoted: Cell::new(false),
        stats: Cell::default(),
        flushed: Cell::new(false),
        outcome: RefCell::new(None),
    }
}

/// Attaches the job to its nodes, and begins to track writes.
fn set_up(
    mirror: &Rc<MirrorJob>,
    block_job: &Rc<BlockJob>,
    source_blk: Rc<BlockBackend>,
    target_blk: Rc<BlockBackend>,
) -> JobResult {
    let (source, target) = (&mirror.source_node, &mirror.target_node);
    // The job's requests are not queued while its nodes are drained: it pauses instead, and its last
    // ones, inside of its own drained section, must get through.
    source_blk.set_queue_requests(false);
    target_blk.set_queue_requests(false);
    source_blk.insert(source)?;
    *mirror.source.borrow_mut() = Some(source_blk);
    target_blk.insert(target)?;
    *mirror.target.borrow_mut() = Some(target_blk);
    // So that the target is not written to before the job has paused.
    block_job.add_bdrv("target", target, PermPair::HARMLESS)?;
    // From this moment on every write to the source is seen. Nothing is in flight that was begun
    // before and would not be: the bit is set when a write ends.
    let bitmap = source.create_dirty_bitmap(None, mirror.options.granularity)?;
    if bug!(MIR_01) {
        bitmap.set_enabled(false);
    }
    *mirror.dirty_bitmap.borrow_mut() = Some(bitmap);
    Ok(())
}

impl MirrorJob {
    /// It could not be set up: it lets go of what it has.
    fn give_up(&self, block_job: &BlockJob) {
        if let Some(bitmap) = self.dirty_bitmap.borrow_mut().take() {
            self.source_node.release_dirty_bitmap(&bitmap);
        }
        drop(self.source.borrow_mut().take());
        drop(self.target.borrow_mut().take());
        block_job.remove_all_bdrv();
        self.exited.set(true);
    }
}

impl JobDriver for MirrorJob {
    fn job_type(&self) -> JobType {
        JobType::Mirror
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        let mirror = self.myself.upgrade().expect("the job owns its driver");
        Box::pin(async move { mirror.mirror_run(job).await })
    }

    /// QEMU: `mirror_pause` (block/mirror.c).
    fn pause<'a>(&'a self, _job: &'a Rc<Job>) -> JobFuture<'a, ()> {
        self.give_room_back();
        Box::pin(self.wait_for_all_io())
    }

    /// A job that is not paused may start more, even if nothing is in flight at the moment; also one
    /// that ends may still flush, and its completion changes the graph. But when it drains the source
    /// itself it must not wait for itself.
    ///
    /// QEMU: `mirror_drained_poll` (block/mirror.c).
    fn drained_poll(&self, job: &Rc<Job>) -> bool {
        let own = self.in_drain.get() && !bug!(MIR_06B);
        let may_start_more = !job.is_paused() && !own && !bug!(MIR_06A);
        may_start_more || self.in_flight.get() > 0
    }

    /// QEMU: `mirror_complete` (block/mirror.c).
    fn complete(&self, job: &Rc<Job>) -> JobResult {
        if !job.is_ready() {
            return Err(job.cannot_complete());
        }
        if let Some(name) = &self.options.replaces
            && self.to_replace.borrow().is_none()
        {
            let graph = self.source_node.graph().expect("the graph outlives jobs");
            let node = graph.find_node(name).ok_or_else(|| JobError::Invalid {
                text: format!("Node name '{name}' not found"),
            })?;
            let blocked = node.op_block(None, "block device is in use by block-job-complete");
            self.op_blocks.borrow_mut().push(blocked);
            *self.to_replace.borrow_mut() = Some(node);
        }
        self.should_complete.set(true);
        // A paused job is entered when it is resumed, and sees it then.
        if !job.is_paused() {
            job.enter();
        }
        Ok(())
    }

    /// Before READY a cancel abandons the copy. After it a gentle one ends the job in good order: the
    /// target is then a copy as of that moment.
    ///
    /// QEMU: `mirror_cancel` (block/mirror.c).
    fn cancel(&self, job: &Rc<Job>, force: bool) -> bool {
        force || !job.is_ready()
    }

    fn prepare(&self, job: &Rc<Job>) -> JobResult {
        self.mirror_exit(job, false)
    }

    fn abort(&self, job: &Rc<Job>) {
        let exited = self.mirror_exit(job, true);
        debug_assert!(exited.is_ok(), "without a pivot nothing can fail");
    }

    fn clean(&self, job: &Rc<Job>) {
        self.conclude(job);
    }
}
