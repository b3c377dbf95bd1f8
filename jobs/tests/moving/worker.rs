//! A type of job that moves: it naps, and takes note of where.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};

use blockjob_block::moving::{Arrival, Packer};
use blockjob_block::{BlockResult, PermPair};
use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult, PackedJobDriver};
use blockjob_jobs::error::JobError;
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_runtime::AioContext;

use crate::world::{MS, Shard};

/// What it does, and what was asked of it.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) should_converge: bool,
    pub(crate) should_complete: bool,
    pub(crate) run_fails: Option<JobError>,
    pub(crate) prepare_fails: Option<JobError>,
    /// So often `run` was called.
    pub(crate) runs: u32,
    pub(crate) rounds: u32,
    /// The contexts in which it was awake, without repetitions.
    pub(crate) places: Vec<String>,
    /// What it was asked to do at its end, and where.
    pub(crate) asked: Vec<String>,
    /// It leaves something for the main loop when it begins.
    pub(crate) defers: bool,
    /// It holds its requests back when it is asked to stand still, for so long.
    pub(crate) pause_takes_ns: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Worker(Arc<Mutex<Notes>>);

/// Called in main's turn: in `prepare`, or for what was deferred.
pub(crate) type Act = fn(&Rc<Job>) -> String;

struct Driver {
    worker: Worker,
    in_turn: Option<Act>,
}

impl Worker {
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().expect("no test panics while it looks")
    }

    fn ask(&self, what: &str) {
        let place = AioContext::current().handle().name().to_owned();
        self.notes().asked.push(format!("{what} in {place}"));
    }

    pub(crate) fn asked(&self) -> String {
        self.notes().asked.join(", ")
    }

    /// A job on `node` with that name, not started.
    pub(crate) fn job(&self, shard: &Shard, id: &str, node: &str, options: JobOptions) -> Rc<Job> {
        self.job_that(shard, id, node, options, None)
    }

    pub(crate) fn job_that(
        &self,
        shard: &Shard,
        id: &str,
        node: &str,
        options: JobOptions,
        in_turn: Option<Act>,
    ) -> Rc<Job> {
        let driver = Rc::new(Driver {
            worker: self.clone(),
            in_turn,
        });
        let (perms, node) = (PermPair::HARMLESS, shard.node(node));
        let job = BlockJob::create(&shard.list, Some(id), &node, perms, driver, options);
        job.expect("it can be made").job()
    }
}

impl Driver {
    async fn work(&self, job: &Job) -> JobResult {
        self.worker.notes().runs += 1;
        let defers = self.worker.notes().defers;
        if let (true, Some(act)) = (defers, self.in_turn) {
            let worker = self.worker.clone();
            job.defer_to_main_loop(move |job| {
                let said = act(job);
                worker.notes().asked.push(said);
            });
        }
        loop {
            assert_eq!(AioContext::current(), *job.home());
            {
                let mut notes = self.worker.notes();
                notes.rounds += 1;
                let place = job.home().handle().name().to_owned();
                if notes.places.last() != Some(&place) {
                    notes.places.push(place);
                }
                if notes.should_complete || job.is_cancelled() {
                    break;
                }
            }
            if self.worker.notes().should_converge && !job.is_ready() {
                job.set_ready();
            }
            job.sleep_ns(MS).await;
        }
        self.worker.notes().run_fails.clone().map_or(Ok(()), Err)
    }
}

impl JobDriver for Driver {
    fn job_type(&self) -> JobType {
        JobType::Backup
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(self.work(job))
    }

    fn pause<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, ()> {
        Box::pin(async {
            let takes_ns = self.worker.notes().pause_takes_ns;
            job.home().sleep(takes_ns).await;
        })
    }

    fn prepare(&self, job: &Rc<Job>) -> JobResult {
        self.worker.ask("prepare");
        let defers = self.worker.notes().defers;
        if let (false, Some(act)) = (defers, self.in_turn) {
            let said = act(job);
            self.worker.notes().asked.push(said);
        }
        self.worker
            .notes()
            .prepare_fails
            .clone()
            .map_or(Ok(()), Err)
    }

    fn commit(&self, _job: &Rc<Job>) {
        self.worker.ask("commit");
    }

    fn abort(&self, _job: &Rc<Job>) {
        self.worker.ask("abort");
    }

    fn can_move(&self, _job: &Rc<Job>) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _job: &Rc<Job>, _packer: &Packer<'_>) -> Box<dyn PackedJobDriver> {
        Box::new(PackedWorker(self.worker.clone(), self.in_turn))
    }
}

struct PackedWorker(Worker, Option<Act>);

impl PackedJobDriver for PackedWorker {
    fn unpack(self: Box<Self>, _arrival: &Arrival<'_>) -> Rc<dyn JobDriver> {
        Rc::new(Driver {
            worker: self.0,
            in_turn: self.1,
        })
    }
}
