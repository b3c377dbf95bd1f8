//! Lab 4: a speed limit that holds, however often the job is woken before its time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use blockjob_block::{BlockBackend, Perm, PermPair};
use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::{Job, JobOptions};

use super::court::Court;
use super::{Lab, look};
use crate::check::{Checker, Interest, Scene, Seen};
use crate::event::{DiskKind, DiskWhat};
use crate::failure::Rule;
use crate::run::Runner;

const READER: PermPair = PermPair::new(Perm::CONSISTENT_READ, Perm::ALL);

/// The limit: one piece of 512 bytes in 5 milliseconds.
const SPEED: u64 = 102_400;
/// A slice, in nanoseconds, in which that many bytes may be read at once.
const SLICE_NS: u64 = 10_000_000;
const QUOTA: u64 = SPEED * SLICE_NS / 1_000_000_000;
const PIECE: u64 = 512;

/// The lab with a job's loop that keeps a limit.
///
/// `scrub` gets the job, a backend at the disk in use, and a limit in bytes per second. It reads every byte
/// once, in pieces of 512 bytes from the first to the last. In any time of `t` seconds it begins reads of no
/// more than `speed * t` bytes, what may be read in a slice of 10 ms, and one piece; and it is not much slower
/// than that while nobody has it stand still.
pub fn rate(scrub: impl AsyncFn(&Rc<Job>, &BlockBackend, u64) -> JobResult + 'static) -> Lab {
    let scrub = Rc::new(scrub);
    let world = move || {
        let scrub = scrub.clone();
        move || runner(scrub.clone())
    };
    let quiet = "mirror=no,granules=24,requests=0,deeds=0,latency=10000";
    let drains = "mirror=no,granules=24,requests=0,deeds=24,verbs=drain+hold,latency=10000";
    let pauses = "mirror=no,granules=24,requests=0,deeds=16,verbs=pause+resume+drain,latency=10000";
    Lab::new(4, "the rate under drains", |failure| {
        Some(look::plainly(failure))
    })
    .world("nobody disturbs the job", quiet, world())
    .world("somebody drains the disk again and again", drains, world())
    .world("a user pauses and resumes", pauses, world())
}

struct Scrub<F> {
    disk: Rc<BlockBackend>,
    scrub: Rc<F>,
}

impl<F> JobDriver for Scrub<F>
where
    F: AsyncFn(&Rc<Job>, &BlockBackend, u64) -> JobResult + 'static,
{
    fn job_type(&self) -> JobType {
        JobType::Stream
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move { (self.scrub)(job, &self.disk, SPEED).await })
    }

    fn clean(&self, _job: &Rc<Job>) {
        self.disk.remove();
    }
}

fn runner<F>(scrub: Rc<F>) -> Runner
where
    F: AsyncFn(&Rc<Job>, &BlockBackend, u64) -> JobResult + 'static,
{
    let court = Court::default();
    let mut runner = Runner::new();
    let disturbed = Rc::new(Cell::new(false));
    let read = Rc::new(Cell::new(0));
    runner.add_checker(Box::new(Gauge {
        court: court.clone(),
        begun: VecDeque::new(),
        disturbed: disturbed.clone(),
        read: read.clone(),
    }));
    runner.add_checker(court.checker());
    runner.add_prologue(move |cast| {
        let disk = BlockBackend::new(&cast.graph, "", READER).expect("it needs no name");
        let node = cast.pairs[0].source_node();
        disk.insert(&node).expect("the guest lets others read");
        disk.set_queue_requests(false);
        let scrub = scrub.clone();
        let driver = Rc::new(Scrub { disk, scrub });
        let options = JobOptions::default();
        let made = BlockJob::create(&cast.jobs, Some("scrub"), &node, READER, driver, options);
        let job = made.expect("the name is free").job();
        let (court, world, len) = (court.clone(), cast.world.clone(), cast.config.len_bytes());
        let (disturbed, read) = (disturbed.clone(), read.clone());
        job.on_finished(move |_, result| {
            let took_ns = world.now_ns();
            let due_ns = len * 1_000_000_000 / SPEED;
            if result.is_ok() && read.get() != len {
                let text = format!(
                    "The job ended well and has read {} of {len} bytes.",
                    read.get()
                );
                court.accuse(Rule::Data, "lab-not-all", text);
            } else if !disturbed.get() && took_ns > due_ns * 3 / 2 + 4 * SLICE_NS {
                let text = format!(
                    "Nobody disturbed the job, and it took {} ms where the limit asks for {} ms.",
                    took_ns / 1_000_000,
                    due_ns / 1_000_000
                );
                court.accuse(Rule::Progress, "lab-too-slow", text);
            }
        });
        cast.pairs[0].living.borrow_mut().job = Some(job.clone());
        job.start();
    });
    runner
}

/// Adds up what is read.
struct Gauge {
    court: Court,
    /// When how much was begun.
    begun: VecDeque<(u64, u64)>,
    disturbed: Rc<Cell<bool>>,
    read: Rc<Cell<u64>>,
}

impl Gauge {
    fn begins(&mut self, now_ns: u64, bytes: u64) {
        self.read.set(self.read.get() + bytes);
        self.begun.push_back((now_ns, bytes));
        let mut sum = 0;
        for (since_ns, bytes) in self.begun.iter().rev() {
            sum += bytes;
            let time_ns = now_ns - since_ns;
            let allowed = SPEED * time_ns / 1_000_000_000 + QUOTA + PIECE;
            if sum > allowed {
                let text = format!(
                    "{sum} bytes were begun within {} ms, and the limit of {SPEED} bytes per second \
                     allows {allowed}: a sleep that was cut short is not slept.",
                    time_ns / 1_000_000
                );
                return self.court.accuse(Rule::Rate, "lab-too-fast", text);
            }
        }
    }
}

impl Checker for Gauge {
    fn rule(&self) -> Rule {
        Rule::Rate
    }

    fn wants(&self) -> Interest {
        Interest::DISK.or(Interest::MONITOR)
    }

    fn reset(&mut self) {
        self.begun.clear();
        self.disturbed.set(false);
        self.read.set(0);
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Monitor(_) => self.disturbed.set(true),
            Seen::Disk(event)
                if event.kind == DiskKind::Read
                    && event.what == DiskWhat::Begins
                    && !scene.cast.has_no_jobs() =>
            {
                self.begins(scene.now_ns, event.bytes);
            }
            _ => {}
        }
    }
}
