//! `blockjob mirror` without arguments: a sample disk, a guest that writes to it, a mirror, a pivot
//! under the guest's feet, and a look at every byte.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{self, ExitCode};
use std::rc::Rc;

use blockjob::block::buf::BufferPool;
use blockjob::block::{BlockBackend, Graph, Node, Perm, PermPair};
use blockjob::jobs::event::JobEvent;
use blockjob::jobs::list::JobList;
use blockjob::jobs::mirror::{MirrorOptions, Outcome, mirror_start};
use blockjob::runtime::AioContext;

use crate::drive::Run;
use crate::failure::Failure;
use crate::image::{self, Access};
use crate::mirror_command::MEMORY_ALIGNMENT;
use crate::outcome_json;
use crate::progress::Progress;
use crate::record::{Recording, contexts};
use crate::{say, signals, size};
use guest::{Guest, WORKERS};
use model::Model;

mod guest;
mod model;
mod sample;

/// The limit of the job, in bytes per second: so that it can be watched.
const SPEED_BYTES_PER_S: u64 = 40 << 20;
/// How long the guest goes on before the pivot when all is copied, and after it.
const REST_NS: u64 = 700_000_000;

/// Runs the demonstration, and records it if that is asked for. The sample disk is gone afterwards.
pub(crate) fn run(seed: u64, recording: Option<&Recording>) -> Result<ExitCode, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("blockjob-")
        .tempdir()
        .map_err(|error| Failure::failed(format!("there is no temporary folder: {error}")))?;
    let result = run_in(folder.path(), seed, recording);
    say::out(&format!("to repeat it: blockjob mirror --seed {seed}"));
    folder
        .close()
        .map_err(|error| Failure::failed(format!("the sample disk stays behind: {error}")))?;
    result
}

fn run_in(folder: &Path, seed: u64, recording: Option<&Recording>) -> Result<ExitCode, Failure> {
    let ctx = contexts::recorded(recording)?;
    if let Some(recording) = recording {
        recording.commit();
    }
    let _current = ctx.make_current();
    let graph = Graph::new(&ctx);
    let source_path = folder.join("disk.raw");
    let target_path = folder.join("copy.raw");
    let contents = sample::make(&source_path, seed).map_err(could_not("make the sample disk"))?;
    let len_bytes = contents.len() as u64;
    File::create(&target_path)
        .and_then(|file| file.set_len(len_bytes))
        .map_err(could_not("make the target"))?;
    say::out(&format!(
        "a disk of {} (seed {seed}), half of it holes: {}",
        size::show(len_bytes),
        source_path.display()
    ));

    let source = open(&graph, "source", &source_path)?;
    let target = open(&graph, "target", &target_path)?;
    let perms = PermPair::new(
        Perm::CONSISTENT_READ.or(Perm::WRITE),
        Perm::CONSISTENT_READ.or(Perm::WRITE_UNCHANGED),
    );
    let disk = BlockBackend::new(&graph, "disk", perms)?;
    disk.insert(&source)?;
    let guest = Guest::start(&ctx, &disk, &source, Model::new(contents), seed);
    say::out(&format!(
        "a guest uses it from now on, with {WORKERS} requests at a time: writes, reads, zeroes, \
         flushes"
    ));

    let run = start(&ctx, &source, &target)?;
    let folder = folder.to_owned();
    run.cancel_on_signals(move |signal| {
        let _may_stay = fs::remove_dir_all(&folder);
        process::exit(i32::from(signals::exit_status(signal)));
    })
    .map_err(could_not("watch signals"))?;
    let outcome = mirror_and_pivot(&run, &guest);
    if !outcome.is_copy() {
        guest.stop();
        return match run.interrupted() {
            Some(signal) => Ok(ExitCode::from(signals::exit_status(signal))),
            None => Err(Failure::failed(format!(
                "no copy was made: {:?}",
                outcome.end
            ))),
        };
    }
    rest(&ctx);
    guest.stop();
    tell(&guest, &outcome);
    check(&guest, &target_path)?;
    say::out(&format!(
        "checked: each of the {len_bytes} bytes of the copy is what the guest was told",
    ));
    Ok(ExitCode::SUCCESS)
}

fn could_not(what: &str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::failed(format!("could not {what}: {error}"))
}

fn open(graph: &Rc<Graph>, name: &str, path: &Path) -> Result<Rc<Node>, Failure> {
    let access = Access {
        read_only: false,
        direct: false,
    };
    let file = image::open(path, access)?;
    Ok(image::add_raw(graph, name, file)?)
}

fn start(ctx: &AioContext, source: &Rc<Node>, target: &Rc<Node>) -> Result<Run, Failure> {
    let options = MirrorOptions {
        job_id: Some("mirror".to_owned()),
        speed: SPEED_BYTES_PER_S,
        zero_target: false,
        ..MirrorOptions::new()
    };
    let pool = Rc::new(BufferPool::new(MEMORY_ALIGNMENT, 16 << 20));
    let list = JobList::new(ctx, Rc::new(|_event: JobEvent| ()));
    let started = mirror_start(&list, &pool, source, target, &options)?;
    Ok(Run::new(ctx, list, started))
}

/// Runs the mirror to its end: lets it rest for a while when it is ready, and then pivots, while the
/// guest goes on.
fn mirror_and_pivot(run: &Run, guest: &Guest) -> Outcome {
    let started_ns = run.ctx.now_ns();
    let seconds = || (run.ctx.now_ns() - started_ns) as f64 / 1e9;
    let progress = Progress::start(run);
    progress.line(&format!(
        "a mirror copies it, at most {} a second",
        size::show(SPEED_BYTES_PER_S)
    ));
    let mut ready_at_ns = None;
    let mut completing = false;
    let outcome = run.to_the_end(|| {
        if !run.job.is_ready() || completing {
            return;
        }
        let now_ns = run.ctx.now_ns();
        let ready_at_ns = *ready_at_ns.get_or_insert_with(|| {
            progress.line(&format!(
                "ready after {:.2} s; the guest has written {} times, and goes on",
                seconds(),
                guest.counts().writes_to_source
            ));
            now_ns
        });
        if now_ns - ready_at_ns >= REST_NS {
            // It can only refuse because it is being cancelled, and then it ends, too.
            completing = run.job.complete().is_ok();
        }
    });
    progress.finish();
    if outcome.is_copy() {
        say::out(&format!(
            "pivot after {:.2} s: the guest writes to the copy from now on",
            seconds()
        ));
    }
    outcome
}

/// Lets the guest go on for a while.
fn rest(ctx: &AioContext) {
    let context = ctx.clone();
    ctx.run("rest", async move { context.sleep(REST_NS).await });
}

fn tell(guest: &Guest, outcome: &Outcome) {
    let counts = guest.counts();
    say::out(&format!(
        "the guest: {} writes before the pivot, {} after it, {} reads, {} flushes; the slowest of \
         them took {:.1} ms",
        counts.writes_to_source,
        counts.writes_to_target,
        counts.reads,
        counts.flushes,
        counts.longest_ns as f64 / 1e6
    ));
    say::out(&format!(
        "the mirror: {}",
        outcome_json::sentence(&outcome.stats)
    ));
}

/// Compares the copy, read from its file, with what the guest was told.
fn check(guest: &Guest, target: &Path) -> Result<(), Failure> {
    if let Some(trouble) = guest.trouble() {
        return Err(Failure::failed(trouble));
    }
    let could_not_read = could_not("read the copy");
    let mut file = File::open(target).map_err(&could_not_read)?;
    let mut found = Vec::new();
    file.read_to_end(&mut found).map_err(&could_not_read)?;
    guest.with_model(|model| {
        if found.len() as u64 != model.len() {
            let text = format!("the copy has {} bytes, not {}", found.len(), model.len());
            return Err(Failure::failed(text));
        }
        match model.first_difference(0, &found) {
            None => Ok(()),
            Some(difference) => Err(Failure::failed(format!(
                "THE COPY IS WRONG: its byte {} is {:#04x}, and the guest was told {:#04x}",
                difference.offset, difference.found, difference.told
            ))),
        }
    })
}
