//! A job on its way.

use std::any::Any;
use std::rc::Rc;

use blockjob_block::moving::{Arrival, PackedUser, Packer};
use blockjob_runtime::sync::Arc;

use crate::block_job::{BlockJob, PackedUse};
use crate::driver::{JobResult, PackedJobDriver};
use crate::error_policy::IoStatus;
use crate::id::JobId;
use crate::job::{Job, NewJob};
use crate::list::JobList;
use crate::look::StopCause;
use crate::progress::ProgressMeter;
use crate::rate_limit::RateLimit;
use crate::state::JobStatus;
use crate::txn::JobTxn;

/// A job, on its way with its nodes.
pub(crate) struct PackedJob {
    id: Option<JobId>,
    number: u64,
    auto_finalize: bool,
    auto_dismiss: bool,
    state: JobState,
    /// By what it finds its transaction again.
    txn: Option<Arc<()>>,
    nodes: Vec<PackedUse>,
    driver: Box<dyn PackedJobDriver>,
}

/// What of a job changes while it lives, but for its nodes and its transaction.
struct JobState {
    status: JobStatus,
    started: bool,
    paused: bool,
    /// Without those of drained sections, which begin again where the job arrives.
    pause_count: u32,
    user_paused: bool,
    cancelled: bool,
    force_cancel: bool,
    deferred_to_main_loop: bool,
    outcome: JobResult,
    progress: ProgressMeter,
    limit: RateLimit,
    io_status: IoStatus,
    status_since_ns: u64,
    asleep_until_ns: u64,
    stop_cause: Option<StopCause>,
    carried: Vec<Box<dyn Any + Send>>,
}

impl JobState {
    fn of(job: &Job, drained_pauses: u32) -> JobState {
        JobState {
            status: job.status(),
            started: job.is_started(),
            paused: job.is_paused(),
            pause_count: job.pause_count() - drained_pauses,
            user_paused: job.is_user_paused(),
            cancelled: job.run.cancelled.get(),
            force_cancel: job.run.force_cancel.get(),
            deferred_to_main_loop: job.deferred_to_main_loop(),
            outcome: job.ret(),
            progress: job.progress(),
            limit: job.limit.borrow().clone(),
            io_status: job.io_status(),
            status_since_ns: job.moments.status_since_ns.get(),
            asleep_until_ns: job.moments.asleep_until_ns.get(),
            stop_cause: job.stop_cause(),
            carried: job.carried.0.take(),
        }
    }

    fn restore(self, job: &Job) {
        job.run.status.set(self.status);
        job.run.started.set(self.started);
        job.run.paused.set(self.paused);
        job.run.pause_count.set(self.pause_count);
        job.run.user_paused.set(self.user_paused);
        job.run.cancelled.set(self.cancelled);
        job.run.force_cancel.set(self.force_cancel);
        job.run
            .deferred_to_main_loop
            .set(self.deferred_to_main_loop);
        job.set_outcome(self.outcome);
        job.progress.set(self.progress);
        job.limit.replace(self.limit);
        job.io_status.set(self.io_status);
        job.moments.status_since_ns.set(self.status_since_ns);
        job.moments.asleep_until_ns.set(self.asleep_until_ns);
        job.moments.stop_cause.set(self.stop_cause);
        job.carried.0.replace(self.carried);
    }
}

impl PackedJob {
    /// Takes `job` apart, which stands still, and off its list. Nobody is told.
    pub(crate) fn of(job: &Rc<Job>, packer: &Packer<'_>) -> PackedJob {
        assert!(!job.is_busy(), "{job:?} does not stand still");
        assert!(
            !job.is_deferral_pending(),
            "{job:?} has yet to be completed"
        );
        let block_job = job.block_job().expect("it is a user of nodes").clone();
        if let Some(coroutine) = job.coroutine.get() {
            coroutine.drop_parked();
        }
        job.sleep_timer.disarm();
        let packed = PackedJob {
            id: job.id.clone(),
            number: job.number.get(),
            auto_finalize: job.auto_finalize(),
            auto_dismiss: job.auto_dismiss(),
            state: JobState::of(job, block_job.drained_pauses()),
            txn: job.txn().map(|txn| txn.key()),
            nodes: block_job.pack_nodes(packer),
            driver: job.driver.pack(job, packer),
        };
        depart(job, &block_job);
        packed
    }
}

/// What is left of a job that was packed is not a job any more, whoever holds it.
fn depart(job: &Job, block_job: &BlockJob) {
    job.run.departed.set(true);
    block_job.remove_all_bdrv();
    job.run.busy.set(false);
    job.run.paused.set(false);
    job.run.deferred_to_main_loop.set(true);
    job.run.status.set(JobStatus::Null);
    // They are dropped when nothing is borrowed: they may own anything.
    drop(job.on_finished.take());
    job.leave_txn();
    // Whoever waits for it here looks again, and finds that it is gone.
    job.kick();
    job.unlist();
}

impl PackedUser for PackedJob {
    fn unpack(self: Box<Self>, arrival: &Arrival<'_>) {
        let list = arrival.place().find::<JobList>();
        let list = list.expect("a place where jobs can live has a list of them");
        let PackedJob {
            id,
            number,
            auto_finalize,
            auto_dismiss,
            state,
            txn,
            nodes,
            driver,
        } = *self;
        let new = NewJob {
            id,
            driver: driver.unpack(arrival),
            home: None,
            auto_finalize,
            auto_dismiss,
        };
        let job = Job::build(&list, new);
        state.restore(&job);
        list.insert_as(number, job.clone());
        if let Some(key) = txn {
            JobTxn::join(&list, key, &job);
        }
        BlockJob::install(&job).unpack_nodes(nodes, arrival);
        job.stand_again();
        job.driver.arrived(&job);
        list.announce(&job);
    }
}

impl Job {
    /// A job that has a coroutine stands at the pause point at which it stood.
    fn stand_again(&self) {
        if !self.is_started() || self.is_completed() {
            return;
        }
        let job = self.rc();
        let again = async move { job.co_entry_again().await };
        let coroutine = self.home().coroutine("job", again);
        let before = self.coroutine.set(coroutine);
        before.expect("it has just arrived");
    }
}
