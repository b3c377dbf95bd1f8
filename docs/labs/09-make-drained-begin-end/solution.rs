//! Lab 9: make drained_begin end. One way to do it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::rc::Rc;

use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::Job;
use blockjob_runtime::CoQueue;
use blockjob_sim::lab::{self, Disks, Lab};

struct Copier {
    disks: Rc<Disks>,
    copies: Rc<Copies>,
}

/// Copies that have begun and not ended.
struct Copies {
    in_flight: RefCell<BTreeSet<u64>>,
    one_has_ended: CoQueue,
}

impl Copier {
    fn driver(disks: &Rc<Disks>) -> Rc<dyn JobDriver> {
        let copies = Copies {
            in_flight: RefCell::default(),
            one_has_ended: CoQueue::new(),
        };
        Rc::new(Copier {
            disks: disks.clone(),
            copies: Rc::new(copies),
        })
    }

    fn in_flight(&self) -> usize {
        self.copies.in_flight.borrow().len()
    }

    /// The first dirty granule that is not being copied.
    fn next(&self) -> Option<u64> {
        let (bits, in_flight) = (self.disks.bitmap.bits(), self.copies.in_flight.borrow());
        let mut from = 0;
        while from < self.disks.len_bytes() {
            let offset = bits.next_dirty(from)?;
            if !in_flight.contains(&offset) {
                return Some(offset);
            }
            from = offset + bits.granularity();
        }
        None
    }

    fn begin(&self, offset: u64) {
        let granularity = self.disks.granularity();
        self.disks.bitmap.bits_mut().clear(offset, granularity);
        self.copies.in_flight.borrow_mut().insert(offset);
        let (disks, copies) = (self.disks.clone(), self.copies.clone());
        self.disks.spawn(async move {
            if let Ok(data) = disks.read(offset).await {
                // These disks have no faults.
                let _ = disks.write(offset, data).await;
            }
            copies.in_flight.borrow_mut().remove(&offset);
            copies.one_has_ended.wake_all();
        });
    }

    async fn wait_for_all(&self) {
        while self.in_flight() > 0 {
            self.copies.one_has_ended.wait().await;
        }
    }
}

impl JobDriver for Copier {
    fn job_type(&self) -> JobType {
        JobType::Mirror
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            loop {
                job.pause_point().await;
                if job.is_cancelled() {
                    self.wait_for_all().await;
                    return Ok(());
                }
                let full = self.in_flight() == Disks::MAX_IN_FLIGHT as usize;
                match self.next() {
                    Some(offset) if !full => self.begin(offset),
                    _ if self.in_flight() > 0 => self.copies.one_has_ended.wait().await,
                    _ => {
                        let drained = self.disks.drain_source().await;
                        job.progress_set_remaining(0);
                        if self.disks.dirty_bytes() == 0 {
                            drop(drained);
                            return Ok(());
                        }
                    }
                }
            }
        })
    }

    fn pause<'a>(&'a self, _job: &'a Rc<Job>) -> JobFuture<'a, ()> {
        Box::pin(self.wait_for_all())
    }

    fn drained_poll(&self, job: &Rc<Job>) -> bool {
        // The job's own section must not wait for the job; the copies it waits for like everybody.
        let may_begin_more = !job.is_paused() && !self.disks.asking.get();
        may_begin_more || self.in_flight() > 0
    }

    fn clean(&self, job: &Rc<Job>) {
        self.disks.let_go(job);
    }
}

pub(crate) fn lab() -> Lab {
    lab::drained(Copier::driver)
}

fn main() -> ExitCode {
    lab().main()
}
