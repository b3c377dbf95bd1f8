//! `blockjob mirror SRC DST`: the graph, the job, and what its end means for the user.

use std::path::Path;
use std::process::{self, ExitCode};
use std::rc::Rc;

use blockjob::block::buf::BufferPool;
use blockjob::block::{BlockBackend, Node, Perm, PermPair};
use blockjob::daemon::Daemon;
use blockjob::jobs::event::JobEvent;
use blockjob::jobs::list::JobList;
use blockjob::jobs::mirror::options::DEFAULT_MIRROR_BUF_SIZE;
use blockjob::jobs::mirror::{
    MirrorEnd, MirrorOptions, MirrorSync, Receipt, Verified, mirror_start,
};
use blockjob::runtime::AioContext;

use crate::cli::{CopyMode, Format, MirrorArgs, Mode, Sync};
use crate::drive::Run;
use crate::failure::{FAILED, Failure};
use crate::image::{self, Formats};
use crate::outcome_json::{self, Told};
use crate::progress::Progress;
use crate::record::{Recording, contexts};
use crate::signals::{self, Signal};
use crate::target::{Target, probe_locks};
use crate::{nbd_image, say, size};

/// Buffers begin at multiples of this, in bytes: what any disk asks of direct I/O.
pub(crate) const MEMORY_ALIGNMENT: usize = 4096;

/// Copies `source` to `target`. What is wrong with the request is found before the target is
/// created. What the engine does is told to `recording`.
pub(crate) fn run(
    source: &Path,
    target: &Path,
    args: &MirrorArgs,
    recording: Option<&Recording>,
) -> Result<ExitCode, Failure> {
    let creates = args.mode == Mode::AbsolutePaths && !nbd_image::is_export(target);
    if creates && args.sync == Sync::None {
        return Err(Failure::bad_input(
            "--sync none needs --mode existing, with a target that is a copy already: \
             what is not copied would be missing in a new image",
        ));
    }
    let ctx = contexts::recorded(recording)?;
    let _current = ctx.make_current();
    let daemon = Daemon::new(&ctx);

    let formats = Formats::chosen(source, args)?;
    let (source_node, source_facts) =
        image::open_source(&daemon, source, formats, args.cache_direct)?;
    if args.sync == Sync::Top && formats.target == Format::Raw && source_node.backing().is_some() {
        return Err(Failure::bad_input(
            "--sync top copies what is above the backing file of the source, and a raw image has no \
             backing file: what is not copied would be missing",
        ));
    }
    let _user = use_source(&source_node)?;
    let (target, target_node) = open_target(
        &daemon,
        target,
        formats.target,
        (&source_node, &source_facts),
        args,
    )?;
    probe_locks(&target_node)?;

    let started_ns = ctx.now_ns();
    let run = start(&ctx, &source_node, &target_node, !creates, args)?;
    if let Some(recording) = recording {
        recording.commit();
    }
    cancel_on_signals(&run, &target)?;
    let progress = Progress::start(&run);
    progress.line(&format!(
        "copying {} from '{}' to '{}'",
        size::show(source_facts.len_bytes),
        source.display(),
        target.path().display()
    ));
    complete_when_ready(&run, &progress);
    progress.finish();
    let receipt = run.mirror.receipt().expect("a job that has ended has one");
    let seconds = (ctx.now_ns() - started_ns) as f64 / 1e9;
    let told = Told {
        source,
        seconds,
        json: args.json,
    };
    conclude(&run, &receipt, &target, &told)
}

/// Finds or creates the target, and makes its nodes.
fn open_target(
    daemon: &Rc<Daemon>,
    path: &Path,
    format: Format,
    (source, facts): (&Rc<Node>, &image::Facts),
    args: &MirrorArgs,
) -> Result<(Rc<Target>, Rc<Node>), Failure> {
    if nbd_image::is_export(path) {
        let node = nbd_image::open_target(daemon, path, format, source, args.sync)?;
        return Ok((Rc::new(Target::export(path)), node));
    }
    let (target, file) = Target::open(path, args.mode, facts, format, args.cache_direct)?;
    let new = target.is_created();
    let node = image::add_target(daemon, file, format, new, source, args.sync)?;
    Ok((Rc::new(target), node))
}

/// A user of the source, as a guest would be one. With it come the image locks: a process that writes
/// to the source keeps us out, and is kept out by us.
fn use_source(node: &Rc<Node>) -> Result<Rc<BlockBackend>, Failure> {
    let graph = node.graph().expect("the graph outlives its nodes");
    let perms = PermPair::new(
        Perm::CONSISTENT_READ,
        Perm::CONSISTENT_READ.or(Perm::WRITE_UNCHANGED),
    );
    let user = BlockBackend::new(&graph, "disk", perms)?;
    user.insert(node)?;
    Ok(user)
}

fn start(
    ctx: &AioContext,
    source: &Rc<Node>,
    target: &Rc<Node>,
    zero_target: bool,
    args: &MirrorArgs,
) -> Result<Run, Failure> {
    let buf_size = args.buf_size.unwrap_or(0);
    let options = MirrorOptions {
        job_id: Some("mirror".to_owned()),
        sync: args.sync.into(),
        copy_mode: args.copy_mode.unwrap_or(CopyMode::Auto).into(),
        guest_latency_ns: args.guest_latency,
        granularity: args.granularity.unwrap_or(0),
        buf_size,
        speed: args.speed.unwrap_or(0),
        on_source_error: args.on_source_error,
        on_target_error: args.on_target_error,
        unmap: !args.no_unmap,
        verify: args.verify,
        // A new file reads as zeroes.
        zero_target,
        ..MirrorOptions::new()
    };
    let kept_bytes = buf_size.max(DEFAULT_MIRROR_BUF_SIZE);
    let kept_bytes = usize::try_from(kept_bytes).unwrap_or(usize::MAX);
    let pool = Rc::new(BufferPool::new(MEMORY_ALIGNMENT, kept_bytes));
    // What the events say is seen in the job's state as well.
    let list = JobList::new(ctx, Rc::new(|_event: JobEvent| ()));
    let started = mirror_start(&list, &pool, source, target, &options)?;
    Ok(Run::new(ctx, list, started))
}

fn cancel_on_signals(run: &Run, target: &Rc<Target>) -> Result<(), Failure> {
    // Not an owner: should the program panic, the target is removed when its owner is dropped.
    let target = Rc::downgrade(target);
    run.cancel_on_signals(move |signal| {
        if let Some(target) = target.upgrade() {
            target.remove_unfinished();
        }
        say::err("blockjob: ended at once, with requests under way");
        process::exit(i32::from(signals::exit_status(signal)));
    })
    .map_err(|error| Failure::bad_input(format!("signals cannot be watched: {error}")))
}

/// Runs the job, and has it complete as soon as it is ready.
fn complete_when_ready(run: &Run, progress: &Progress) {
    let mut completing = false;
    run.to_the_end(|| {
        progress.look();
        if run.job.is_ready() && !completing {
            // It can only refuse because it is being cancelled, and then it ends, too.
            completing = run.job.complete().is_ok();
        }
    });
}

/// Keeps the target or removes it, and says what has become of it.
fn conclude(
    run: &Run,
    receipt: &Receipt,
    target: &Target,
    told: &Told<'_>,
) -> Result<ExitCode, Failure> {
    let outcome = &receipt.outcome;
    if outcome.is_copy() {
        target.finish()?;
        outcome_json::print(receipt, target, false, told);
        say::err(&format!(
            "done in {:.2} s: {}; '{}' is a flushed copy{}{}",
            told.seconds,
            outcome_json::sentence(&outcome.stats),
            target.path().display(),
            match run.mirror.options().sync {
                MirrorSync::None => ", if it was a copy before",
                _ => "",
            },
            match receipt.verified {
                Verified::Passed => "; both sides were read back, and are the same",
                _ => "",
            }
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let removed = target.remove_unfinished();
    let what_of_it = match (target.is_created(), removed) {
        (true, true) => "was removed",
        (true, false) => "is no copy and could not be removed",
        (false, _) => "was there before, and is no copy now",
    };
    outcome_json::print(receipt, target, removed, told);
    let (why, status) = match (&outcome.end, run.interrupted()) {
        (MirrorEnd::Failed(error), _) => (error.to_string(), FAILED),
        (_, Some(signal)) => interrupted(signal),
        _ => ("the target could not be flushed".to_owned(), FAILED),
    };
    let path = target.path().display();
    say::err(&format!("blockjob: {why}; '{path}' {what_of_it}"));
    Ok(ExitCode::from(status))
}

fn interrupted(signal: Signal) -> (String, u8) {
    let why = format!("cancelled by {}", signals::name(signal));
    (why, signals::exit_status(signal))
}
