//! The mirror: copies a disk that is in use, and in the end may put the copy in its place.
//!
//! The functions have QEMU's names and its order, `mirror_start_job`, `mirror_run`,
//! `mirror_iteration`, `mirror_exit`, and each piece of them is one of the steps M1 to M17
//! ([`steps::Step`]). What the copy rests on:
//!
//! - The users of the source reach it through a filter on top of it ([`filter`]) while the job lives.
//! - Every write to the source marks its granules dirty when it has ended and before the guest hears
//!   of it ([`blockjob_block::bitmap`]).
//! - A granule's bit is cleared before anything is asked or read for its copy, and at most one copy of
//!   a granule is under way: so no copy is lost and none lands late.
//! - Before the end the source is drained and *then* counted again, and it stays drained until its
//!   users have the target.
//!
//! QEMU: block/mirror.c.

use std::any::Any;
use std::rc::Rc;

use blockjob_block::moving::Packer;
use blockjob_block::op_blocker::OpBlock;
use blockjob_block::{BlockResult, Node};
use blockjob_runtime::bug;

use crate::driver::{JobChange, JobDriver, JobFuture, JobResult, PackedJobDriver};
use crate::error::JobError;
use crate::event::JobType;
use crate::job::Job;

mod active;
mod auto;
mod backing;
mod budget;
pub mod conflicts;
pub mod convergence;
mod copy;
mod exit;
pub mod filter;
mod init;
mod iteration;
#[cfg(feature = "museum")]
mod late_buffers;
mod look;
mod moving;
mod moving_options;
pub mod options;
pub mod outcome;
pub mod receipt;
mod run;
mod start;
mod state;
pub mod steps;
pub mod verify;
mod watch;

pub use backing::{MirrorBackingMode, OpenBacking};
pub use options::{MirrorOptions, MirrorSync, MirrorTuning};
pub use outcome::{MirrorEnd, MirrorStats, Outcome};
pub use receipt::Receipt;
pub use start::{mirror_start, mirror_start_in};
pub use state::MirrorJob;
pub use verify::{Difference, Verified};
pub use watch::{Convergence, Limit};

impl JobDriver for MirrorJob {
    fn job_type(&self) -> JobType {
        JobType::Mirror
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        let mirror = self.myself.upgrade().expect("the job owns its driver");
        Box::pin(async move { mirror.mirror_run(job).await })
    }

    /// QEMU: `mirror_pause` (block/mirror.c).
    fn pause<'a>(&'a self, _job: &'a Rc<Job>) -> JobFuture<'a, ()> {
        self.give_room_back();
        Box::pin(async {
            self.wait_for_all_io().await;
            self.stands_still();
        })
    }

    fn resume<'a>(&'a self, _job: &'a Rc<Job>) -> JobFuture<'a, ()> {
        self.goes_on();
        Box::pin(async {})
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
            let graph = self.source_node().graph().expect("the graph outlives jobs");
            let node = graph.find_node(name).ok_or_else(|| JobError::Invalid {
                text: format!("Node name '{name}' not found"),
            })?;
            self.op_blocks
                .borrow_mut()
                .push(Self::block_replaced(&node));
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
        let abandoned = force || !job.is_ready();
        if abandoned && !self.exited.get() {
            // Nobody waits for a copy that nobody wants: neither guests nor, at a server that says
            // nothing, the job.
            self.release_guests();
            self.target_node().cancel_in_flight();
        }
        abandoned
    }

    /// Both ways: QEMU's can only turn to `write-blocking`.
    ///
    /// QEMU: `mirror_change` (block/mirror.c).
    fn change(&self, _job: &Rc<Job>, change: JobChange) -> JobResult {
        match change {
            JobChange::Mirror { copy_mode } => self.ask_copy_mode(copy_mode),
        }
        Ok(())
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

    fn ties(&self) -> Vec<Rc<Node>> {
        self.tied_nodes()
    }

    fn holds_nodes(&self) -> bool {
        self.nodes.borrow().is_some()
    }

    fn sections(&self) -> usize {
        usize::from(self.drained.borrow().is_some())
    }

    fn can_move(&self, job: &Rc<Job>) -> BlockResult<()> {
        self.check_move(job)
    }

    fn pack(&self, _job: &Rc<Job>, packer: &Packer<'_>) -> Box<dyn PackedJobDriver> {
        self.packed(packer)
    }

    fn arrived(&self, job: &Rc<Job>) {
        self.set_job(job);
    }
}

impl MirrorJob {
    /// What is to be replaced in the end is nobody else's until then.
    fn block_replaced(node: &Node) -> OpBlock {
        node.op_block(None, "block device is in use by block-job-complete")
    }
}
