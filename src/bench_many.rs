//! `blockjob bench many`: many small mirrors at once, in one process and one context.

use std::cell::RefCell;
use std::fs;
use std::process::ExitCode;
use std::rc::Rc;

use blockjob::block::Graph;
use blockjob::block::buf::BufferPool;
use blockjob::jobs::event::JobEvent;
use blockjob::jobs::job::Job;
use blockjob::jobs::list::JobList;
use blockjob::jobs::mirror::{MirrorJob, MirrorOptions, mirror_start};
use blockjob::jobs::state::JobStatus;
use blockjob::runtime::AioContext;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use crate::cli::BenchManyArgs;
use crate::failure::Failure;
use crate::mirror_command::MEMORY_ALIGNMENT;
use crate::say;
use pair::Pair;

mod pair;

/// What it took.
#[derive(Debug, Serialize)]
struct Report {
    jobs: u32,
    size_bytes: u64,
    mem: bool,
    /// From before the first job until all were running.
    start_seconds: f64,
    /// From before the first job until the last one was over.
    seconds: f64,
    /// The most memory that the process held meanwhile, less what it held before the disks were
    /// opened, and less what disks in memory hold.
    rss_kib_per_job: f64,
}

/// A mirror that has been started, until it is over.
type Running = Option<(Rc<Job>, Rc<MirrorJob>)>;

/// Runs the mirrors, and compares all targets afterwards.
pub(crate) fn run(args: &BenchManyArgs) -> Result<ExitCode, Failure> {
    raise_file_limit(args.jobs);
    let folder = tempfile::Builder::new()
        .prefix("blockjob-many-")
        .tempdir_in(&args.dir)
        .map_err(|error| Failure::failed(format!("there is no temporary folder: {error}")))?;
    let size = usize::try_from(args.size).expect("a size that is tried fits into memory");
    let mut contents = vec![0; size];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut contents);

    let ctx = AioContext::new();
    let _current = ctx.make_current();
    let graph = Graph::new(&ctx);
    let folder = (!args.mem).then(|| folder.path());
    if let Some(folder) = folder {
        pair::make_files(folder, args.jobs, &contents)?;
    }
    let before_kib = memory_kib("VmRSS:");
    let pairs: Vec<Pair> = (0..args.jobs)
        .map(|number| Pair::open(&graph, number, folder, &contents))
        .collect::<Result<_, _>>()?;

    let (start_seconds, seconds) = mirror_all(&ctx, &pairs)?;
    let held_kib = match args.mem {
        true => f64::from(args.jobs) * 2.0 * args.size as f64 / 1024.0,
        false => 0.0,
    };
    let peak_kib = memory_kib("VmHWM:").saturating_sub(before_kib);
    for pair in &pairs {
        pair.compare(&contents)?;
    }
    let report = Report {
        jobs: args.jobs,
        size_bytes: args.size,
        mem: args.mem,
        start_seconds,
        seconds,
        rss_kib_per_job: (peak_kib as f64 - held_kib) / f64::from(args.jobs),
    };
    say::out(&serde_json::to_string(&report).expect("numbers are always JSON"));
    Ok(ExitCode::SUCCESS)
}

/// Starts a mirror of each pair, completes each as soon as it is ready, and waits for all. Returns
/// the seconds until all were started, and until all were over.
fn mirror_all(ctx: &AioContext, pairs: &[Pair]) -> Result<(f64, f64), Failure> {
    let started_ns = ctx.now_ns();
    let seconds = || (ctx.now_ns() - started_ns) as f64 / 1e9;
    let events: Rc<RefCell<Vec<JobEvent>>> = Rc::default();
    let list = JobList::new(ctx, {
        let events = events.clone();
        Rc::new(move |event| events.borrow_mut().push(event))
    });
    let pool = Rc::new(BufferPool::new(MEMORY_ALIGNMENT, 16 << 20));
    let mut running: Vec<Running> = Vec::new();
    for (number, pair) in pairs.iter().enumerate() {
        let options = MirrorOptions {
            job_id: Some(format!("job{number}")),
            zero_target: false,
            ..MirrorOptions::new()
        };
        let started = mirror_start(&list, &pool, &pair.source, &pair.target, &options)?;
        running.push(Some(started));
    }
    let start_seconds = seconds();

    let mut left = pairs.len();
    while left > 0 {
        let news = events.take();
        for event in &news {
            left -= usize::from(act_on(event, &mut running)?);
        }
        if news.is_empty() {
            ctx.poll(true);
        }
    }
    Ok((start_seconds, seconds()))
}

/// Completes a job that has become ready, and lets go of one that is over; true for the latter.
fn act_on(event: &JobEvent, running: &mut [Running]) -> Result<bool, Failure> {
    let id = event.job_id().as_str();
    let number = id
        .strip_prefix("job")
        .and_then(|number| number.parse().ok());
    let number: usize = number.expect("all jobs were named here");
    match event {
        JobEvent::Ready(_) => {
            let (job, _) = running[number].as_ref().expect("it is over later");
            job.complete()
                .map_err(|error| Failure::failed(error.to_string()))?;
            Ok(false)
        }
        JobEvent::StatusChange {
            status: JobStatus::Null,
            ..
        } => {
            let (_, mirror) = running[number].take().expect("a job is over once");
            let outcome = mirror.outcome();
            if outcome.as_ref().is_some_and(|outcome| outcome.is_copy()) {
                return Ok(true);
            }
            Err(Failure::failed(format!(
                "{id} has made no copy: {outcome:?}"
            )))
        }
        _ => Ok(false),
    }
}

/// Each pair of files takes two descriptors. Should the system not allow that many, opening says so.
fn raise_file_limit(jobs: u32) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::from(jobs) * 2 + 64;
    if limit.current.is_some_and(|current| current < wanted) {
        let _refused = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(limit.maximum.map_or(wanted, |maximum| wanted.min(maximum))),
                maximum: limit.maximum,
            },
        );
    }
}

/// A line of this process's status, in KiB; 0 where the system does not tell.
fn memory_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
