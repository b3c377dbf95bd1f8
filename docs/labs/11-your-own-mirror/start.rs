//! Lab 11: write your own mirror. The task is in tasks/11-your-own-mirror.md.
//!
//! `blockjob lab run` tries what you have written; `blockjob lab hint` helps.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;

use blockjob_block::Drained;
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::Job;
use blockjob_sim::lab::{self, Disks, Lab};

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
}

impl JobDriver for Mirror {
    fn job_type(&self) -> JobType {
        JobType::Mirror
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            // TASK 1: copy what is dirty, and go on until you are told to end.
            // TASK 2: READY, once: clean, nothing in flight, flushed. Then `job.set_ready()`.
            // TASK 3: told to end: drain the source, count again, flush, keep the guard in `self.drained`.
            let _ = job;
            Ok(())
        })
    }

    // TASK 4: `drained_poll`, `complete` and `cancel`: look at the trait `JobDriver` in jobs/src/driver.rs.

    // TASK 5: `prepare` runs in the main loop when `run` has ended well. If the job was told to complete:
    // drain the target, let go of the disks, `graph.replace_node(&source, &target)`.

    fn clean(&self, job: &Rc<Job>) {
        self.disks.let_go(job);
        drop(self.drained.take());
    }
}

pub(crate) fn lab() -> Lab {
    lab::mirror(Mirror::driver)
}

fn main() -> ExitCode {
    lab().main()
}
