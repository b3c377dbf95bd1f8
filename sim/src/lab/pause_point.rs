//! Lab 1: the loop of a job, with a pause point between any two pieces of work.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::{BlockBackend, Perm, PermPair};
use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use super::court::Court;
use super::{Lab, look};
use crate::cast::Cast;
use crate::check::{Checker, Interest, Scene, Seen};
use crate::event::{DiskEvent, DiskKind, DiskWhat};
use crate::failure::Rule;
use crate::run::Runner;

/// Nobody is kept from anything.
const READER: PermPair = PermPair::new(Perm::CONSISTENT_READ, Perm::ALL);

/// The lab with the loop of a job that reads a whole disk.
///
/// `scrub` gets the job and a backend at the disk in use. It reads every byte once, in pieces of 512 bytes
/// from the first to the last; it stands still between two pieces when it is asked to, ends when it is
/// cancelled, and says how far it is.
pub fn pause_point(scrub: impl AsyncFn(&Rc<Job>, &BlockBackend) -> JobResult + 'static) -> Lab {
    let scrub = Rc::new(scrub);
    let world = move || {
        let scrub = scrub.clone();
        move || runner(scrub.clone())
    };
    Lab::new(1, "a pause point", |failure| Some(look::plainly(failure)))
        .world(
            "drained sections",
            "mirror=no,granules=8,requests=2,deeds=6,verbs=drain+hold,spread=uniform",
            world(),
        )
        .world(
            "a user pauses and resumes",
            "mirror=no,granules=8,requests=0,deeds=8,verbs=pause+resume+drain,spread=uniform",
            world(),
        )
        .world(
            "a user cancels",
            "mirror=no,granules=8,requests=0,deeds=4,verbs=pause+force,spread=uniform",
            world(),
        )
}

struct Scrub<F> {
    disk: Rc<BlockBackend>,
    scrub: Rc<F>,
}

impl<F: AsyncFn(&Rc<Job>, &BlockBackend) -> JobResult + 'static> JobDriver for Scrub<F> {
    fn job_type(&self) -> JobType {
        JobType::Stream
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move { (self.scrub)(job, &self.disk).await })
    }

    fn clean(&self, _job: &Rc<Job>) {
        self.disk.remove();
    }
}

fn runner<F: AsyncFn(&Rc<Job>, &BlockBackend) -> JobResult + 'static>(scrub: Rc<F>) -> Runner {
    let court = Court::default();
    let mut runner = Runner::new();
    let read = Rc::new(Cell::new(0));
    runner.add_checker(Box::new(Polite {
        court: court.clone(),
        read: read.clone(),
        held: 0,
        cancelled: false,
    }));
    runner.add_checker(court.checker());
    runner.add_prologue(move |cast| {
        let disk = BlockBackend::new(&cast.graph, "", READER).expect("it needs no name");
        disk.insert(&cast.pairs[0].source_node())
            .expect("the guest lets others read");
        // A job pauses instead.
        disk.set_queue_requests(false);
        let driver = Rc::new(Scrub {
            disk,
            scrub: scrub.clone(),
        });
        let node = cast.pairs[0].source_node();
        let options = JobOptions::default();
        let made = BlockJob::create(&cast.jobs, Some("scrub"), &node, READER, driver, options);
        let job = made.expect("the name is free").job();
        judge_the_end(cast, &job, &court, &read);
        cast.pairs[0].living.borrow_mut().job = Some(job.clone());
        job.start();
    });
    runner
}

/// Looks at what a job says that has ended well.
fn judge_the_end(cast: &Rc<Cast>, job: &Rc<Job>, court: &Court, read: &Rc<Cell<u64>>) {
    let (court, read, len_bytes) = (court.clone(), read.clone(), cast.config.len_bytes());
    job.on_finished(move |job, result| {
        let (progress, read_bytes) = (job.progress(), read.get());
        if result.is_err() {
            if !job.is_cancelled() {
                let text = format!("The job failed on a disk without faults: {result:?}.");
                court.accuse(Rule::Progress, "lab-failed", text);
            }
        } else if read_bytes != len_bytes {
            let text = format!(
                "The job ended well and has read {read_bytes} bytes of a disk of {len_bytes}."
            );
            court.accuse(Rule::Data, "lab-not-all", text);
        } else if progress.current() != len_bytes || progress.remaining() != 0 {
            let text = format!(
                "The job has read {len_bytes} bytes, and its progress says {} of {}.",
                progress.current(),
                progress.total()
            );
            court.accuse(Rule::Count, "lab-progress", text);
        }
    });
}

/// Once it is asked to stand still or to end, a job begins nothing.
struct Polite {
    court: Court,
    read: Rc<Cell<u64>>,
    held: u32,
    cancelled: bool,
}

impl Polite {
    fn job(&mut self, trace: &JobTrace) {
        match trace.what {
            JobTraceKind::Pause { pause_count } | JobTraceKind::Resume { pause_count } => {
                self.held = pause_count;
            }
            JobTraceKind::Cancel { force: true } => self.cancelled = true,
            _ => {}
        }
    }

    /// Guests of this lab do not read.
    fn read_begins(&self, event: &DiskEvent) {
        let at = event.offset;
        if self.cancelled {
            let text = format!(
                "The job was cancelled, and then began a read at {at}: it must look at \
                 is_cancelled() after each wait, and end."
            );
            self.court.accuse(Rule::Cancel, "lab-cancelled", text);
        } else if self.held > 0 {
            let text = format!(
                "The job was asked to stand still, and then began a read at {at}: there is no \
                 pause point between that piece of work and the one before."
            );
            self.court.accuse(Rule::Drain, "lab-no-pause-point", text);
        } else if at != self.read.get() {
            let text = format!(
                "The job read at {at}, and the next piece begins at {}.",
                self.read.get()
            );
            self.court.accuse(Rule::Data, "lab-order", text);
        }
        self.read.set(self.read.get() + event.bytes);
    }
}

impl Checker for Polite {
    fn rule(&self) -> Rule {
        Rule::Drain
    }

    fn wants(&self) -> Interest {
        Interest::JOB.or(Interest::DISK)
    }

    fn reset(&mut self) {
        self.read.set(0);
        self.held = 0;
        self.cancelled = false;
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        // What guests read in the end, when the job is gone, is none of the job's.
        let lives = !scene.cast.has_no_jobs();
        match seen {
            Seen::Job(trace) => self.job(trace),
            Seen::Disk(event)
                if lives && event.kind == DiskKind::Read && event.what == DiskWhat::Begins =>
            {
                self.read_begins(event);
            }
            _ => {}
        }
    }
}
