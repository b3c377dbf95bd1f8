//! Lab 5: a pass over the dirty bitmap that loses no write of the guest.

use std::rc::Rc;

use blockjob_block::BlockResult;
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::Job;

use super::bench::{self, Disks};
use super::court::Court;
use super::{Lab, look};
use crate::failure::Rule;

/// So many passes come to an end on any disk, once its guest rests and nothing fails.
const PASSES: u32 = 400;

/// So long the job waits after a pass that failed, in nanoseconds.
const RETRY_NS: u64 = 1_000_000;

/// The lab with one pass.
///
/// `pass` copies each granule that is dirty when it comes by, with [`Disks::read`] and [`Disks::write`], and
/// makes it clean. It returns when it has come to the end of the disk, or with the first error. Whatever it
/// returns: no granule whose copy did not succeed may be clean.
pub fn clean(pass: impl AsyncFn(&Disks) -> BlockResult<()> + 'static) -> Lab {
    let pass = Rc::new(pass);
    let world = move || {
        let pass = pass.clone();
        move || {
            let (pass, court) = (pass.clone(), Court::default());
            bench::runner(&court, move |disks: &Rc<Disks>| -> Rc<dyn JobDriver> {
                Rc::new(Passes {
                    disks: disks.clone(),
                    pass: pass.clone(),
                    alone: true,
                })
            })
        }
    };
    let busy = "mirror=no,granules=4,guests=2,depth=2,requests=10,spread=uniform,tspread=uniform";
    let faults = format!("{busy},readerror=100,targeterror=100");
    Lab::new(5, "clear before you read", |failure| {
        Some(look::plainly(failure))
    })
    .world("guests write all the time", busy, world())
    .world("requests fail now and then", &faults, world())
}

/// A job that makes passes until nothing is dirty.
pub(super) struct Passes<F> {
    pub(super) disks: Rc<Disks>,
    pub(super) pass: Rc<F>,
    /// A pass has one copy in flight at most.
    pub(super) alone: bool,
}

/// What a pass is given.
pub(super) trait Pass: 'static {
    fn make<'a>(&'a self, disks: &'a Rc<Disks>) -> JobFuture<'a, BlockResult<()>>;
}

impl<F: AsyncFn(&Disks) -> BlockResult<()> + 'static> Pass for F {
    fn make<'a>(&'a self, disks: &'a Rc<Disks>) -> JobFuture<'a, BlockResult<()>> {
        Box::pin(async move { self(disks).await })
    }
}

impl<F: Pass> JobDriver for Passes<F> {
    fn job_type(&self) -> JobType {
        JobType::Mirror
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            self.run_passes(job).await;
            Ok(())
        })
    }

    fn drained_poll(&self, job: &Rc<Job>) -> bool {
        !self.disks.asking.get() && !job.is_paused()
    }

    fn clean(&self, job: &Rc<Job>) {
        self.disks.let_go(job);
    }
}

impl<F: Pass> Passes<F> {
    async fn run_passes(&self, job: &Rc<Job>) {
        let disks = &self.disks;
        for _ in 0..PASSES {
            job.pause_point().await;
            if job.is_cancelled() {
                return;
            }
            let result = self.pass.make(disks).await;
            if disks.in_flight() > 0 {
                let text = format!(
                    "The pass has returned, and {} copies that it began are still in flight.",
                    disks.in_flight()
                );
                disks.court.accuse(Rule::Quiesce, "lab-left-copies", text);
                return;
            }
            if self.alone && disks.most_in_flight.get() > 1 {
                let text = "Two copies were in flight at a time; in this lab one is enough.";
                disks
                    .court
                    .accuse(Rule::Inflight, "lab-not-alone", text.to_owned());
                return;
            }
            if result.is_err() {
                job.sleep_ns(RETRY_NS).await;
                continue;
            }
            if disks.dirty_bytes() > 0 {
                // So that time goes on, and with it what the guest does.
                job.sleep_ns(0).await;
                continue;
            }
            let drained = disks.drain_source().await;
            if disks.dirty_bytes() == 0 {
                disks.judge_copy();
                job.progress_set_remaining(0);
                drop(drained);
                return;
            }
            drop(drained);
        }
        let text = format!(
            "After {PASSES} passes {} bytes are still dirty.",
            disks.dirty_bytes()
        );
        disks.court.accuse(Rule::Progress, "lab-never-clean", text);
    }
}
