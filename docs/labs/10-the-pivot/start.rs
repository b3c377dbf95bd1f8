//! Lab 10: the pivot. The task is in tasks/10-the-pivot.md.
//!
//! `blockjob lab run` tries what you have written; `blockjob lab hint` helps.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;

use blockjob_block::{BlockResult, Drained};
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::error::JobError;
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::Job;
use blockjob_sim::lab::{self, Disks, Lab};

/// SLICE_TIME: so long a READY job with nothing to do sleeps.
const SLICE_NS: u64 = 100_000_000;

struct Mirror {
    disks: Rc<Disks>,
    /// The source stays drained from the end of `run` until the guest is on the target.
    drained: RefCell<Option<Drained>>,
}

impl Mirror {
    fn driver(disks: &Rc<Disks>) -> Rc<dyn JobDriver> {
        Rc::new(Mirror {
            disks: disks.clone(),
            drained: RefCell::default(),
        })
    }

    /// Copies one granule that is dirty.
    async fn copy_one(&self) -> BlockResult<()> {
        let disks = &self.disks;
        let next = disks.bitmap.bits().next_dirty(0);
        let Some(offset) = next else { return Ok(()) };
        disks.bitmap.bits_mut().clear(offset, disks.granularity());
        let data = disks.read(offset).await?;
        disks.write(offset, data).await
    }

    fn show_progress(&self, job: &Job) {
        job.progress_set_remaining(self.disks.dirty_bytes());
    }
}

impl JobDriver for Mirror {
    fn job_type(&self) -> JobType {
        JobType::Mirror
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            let disks = &self.disks;
            loop {
                job.pause_point().await;
                if job.is_cancelled() {
                    return Ok(());
                }
                self.show_progress(job);
                if disks.dirty_bytes() > 0 {
                    self.copy_one().await?;
                    job.progress_update(disks.granularity());
                    continue;
                }
                if !job.is_ready() {
                    disks.flush().await?;
                    // The guest may have written meanwhile.
                    if disks.dirty_bytes() == 0 {
                        job.set_ready();
                    }
                    continue;
                }
                if !disks.should_complete.get() && !job.cancel_requested() {
                    job.sleep_ns(SLICE_NS).await;
                    continue;
                }
                // TASK 1: nothing is dirty at this moment, and the guest goes on writing. End with a copy of which
                // that is true for good: `disks.drain_source().await`. The guard goes into `self.drained`.
                return Ok(());
            }
        })
    }

    /// As long as it runs it may begin a copy; but for its own section it leaves itself out.
    fn drained_poll(&self, job: &Rc<Job>) -> bool {
        !self.disks.asking.get() && !job.is_paused()
    }

    fn complete(&self, job: &Rc<Job>) -> JobResult {
        if !job.is_ready() {
            let id = job.id().expect("it has a name").clone();
            return Err(JobError::CannotComplete { id });
        }
        self.disks.should_complete.set(true);
        job.enter();
        Ok(())
    }

    fn cancel(&self, job: &Rc<Job>, force: bool) -> bool {
        force || !job.is_ready()
    }

    // TASK 2: this runs in the main loop, when `run` has ended well. If the job was told to complete, the guest gets
    // the target in the place of the source: `graph.replace_node(&source, &target)`.
    fn prepare(&self, _job: &Rc<Job>) -> JobResult {
        Ok(())
    }

    fn clean(&self, job: &Rc<Job>) {
        self.disks.let_go(job);
        drop(self.drained.take());
    }
}

pub(crate) fn lab() -> Lab {
    lab::pivot(Mirror::driver)
}

fn main() -> ExitCode {
    lab().main()
}
