//! `blockjob mirror --socket`: a mirror in a daemon that runs already, started, shown and completed
//! from here.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf, absolute};
use std::process::{self, ExitCode};
use std::rc::Rc;

use blockjob::daemon::convergence;
use blockjob::jobs::driver::MirrorCopyMode;
use blockjob::qapi::json::to_json;
use blockjob::qapi::types::convergence::XMirrorConvergence;
use blockjob::qapi::{Dict, Flavour, Input, Qapi, QmpError, Value};
use blockjob::runtime::AioContext;
use futures_lite::FutureExt;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{Format, MirrorArgs, Mode, Sync, Then};
use crate::failure::{FAILED, Failure};
use crate::qmp_client::QmpClient;
use crate::signals::{self, Signal};
use crate::{nbd_image, receipts_command, say, size};

/// The time between two looks at the job.
const TICK_NS: u64 = 200_000_000;
const NS_PER_US: u64 = 1_000;
/// What a daemon says that does not know of it.
const NO_AUTO: &str = "Parameter 'copy-mode' does not accept value 'auto'";

/// Mirrors the drive or node `device` of the daemon behind `socket` to the file `target`.
pub(crate) fn run(
    socket: &Path,
    device: &str,
    target: &Path,
    args: &MirrorArgs,
) -> Result<ExitCode, Failure> {
    if args.cache_direct {
        return Err(Failure::bad_input(
            "--cache-direct is the daemon's matter: how it opened the disk says how it opens the copy",
        ));
    }
    let ctx = AioContext::new();
    let _current = ctx.make_current();
    let signal = Rc::new(Cell::new(None));
    let noted = signal.clone();
    signals::watch(&ctx, move |signal| {
        if signal != Signal::Cont {
            noted.set(Some(signal));
        }
    })
    .map_err(|error| Failure::bad_input(format!("signals cannot be watched: {error}")))?;
    let command = arguments(device, target, args)?;
    let new = is_created(target, args);
    if new && std::fs::symlink_metadata(target).is_ok() {
        return Err(Failure::bad_input(format!(
            "'{}' exists already; --mode existing overwrites it",
            target.display()
        )));
    }
    let created = new.then(|| target.to_owned());
    let (socket, then, json) = (socket.to_owned(), args.then, args.json);
    let inner = ctx.clone();
    ctx.run("mirror-socket", async move {
        let mut watch = Watch {
            client: QmpClient::connect(&socket).await?,
            ctx: inner,
            job: format!("blockjob-{}", process::id()),
            signal,
            bar: stderr().is_terminal().then(new_bar),
            json,
            created,
        };
        watch.mirror(command, then).await
    })
}

fn new_bar() -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:30} {percent:>3} % {bytes} of {total_bytes}\n{wide_msg}",
    );
    ProgressBar::new(0).with_style(style.expect("the template is well formed"))
}

/// An export is there already.
fn is_created(target: &Path, args: &MirrorArgs) -> bool {
    args.mode == Mode::AbsolutePaths && !nbd_image::is_export(target)
}

/// The arguments of `drive-mirror`.
fn arguments(device: &str, target_path: &Path, args: &MirrorArgs) -> Result<Dict, Failure> {
    // The daemon may live in another folder.
    let target = match nbd_image::is_export(target_path) {
        true => Ok(target_path.to_owned()),
        false => absolute(target_path),
    };
    let target = target.map_err(|error| Failure::bad_input(error.to_string()))?;
    let Some(target) = target.to_str() else {
        return Err(Failure::bad_input(format!(
            "'{}' is no name that QMP can carry: it is not UTF-8",
            target.display()
        )));
    };
    let mut command = Dict::new();
    command.put("device", device);
    command.put("target", target);
    command.put(
        "sync",
        match args.sync {
            Sync::Full => "full",
            Sync::Top => "top",
            Sync::None => "none",
        },
    );
    command.put(
        "mode",
        match is_created(target_path, args) {
            true => "absolute-paths",
            false => "existing",
        },
    );
    if let Some(format) = args.format {
        command.put("format", Format::name(format));
    }
    let numbers = [
        ("granularity", args.granularity),
        ("buf-size", args.buf_size),
        ("speed", args.speed),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            command.put(name, number);
        }
    }
    if args.verify {
        // Only what is asked for: another daemon may not know of it.
        command.put("x-verify", true);
    }
    if let Some(latency_ns) = args.guest_latency {
        command.put("x-guest-latency-us", latency_ns.div_ceil(NS_PER_US));
    }
    if let Some(mode) = args.copy_mode {
        command.put("copy-mode", MirrorCopyMode::from(mode).as_str());
    }
    command.put("unmap", !args.no_unmap);
    command.put("on-source-error", args.on_source_error.as_str());
    command.put("on-target-error", args.on_target_error.as_str());
    Ok(command)
}

/// What a daemon that is one of ours says of whether the copy catches up.
fn forecast_of(convergence: &Value) -> Option<String> {
    let seen = XMirrorConvergence::visit(Input::top(convergence, Flavour::Json));
    convergence::forecast(&seen.ok()?)
}

/// A job in the daemon, and how it is watched.
struct Watch {
    client: QmpClient,
    ctx: AioContext,
    job: String,
    signal: Rc<Cell<Option<Signal>>>,
    bar: Option<ProgressBar>,
    json: bool,
    /// The target, if it was not there before.
    created: Option<PathBuf>,
}

/// How a job ended.
enum End {
    Completed,
    Cancelled,
    Failed(String),
}

impl Watch {
    /// Starts the job, in the mode `auto` if none was asked for and the daemon knows that one.
    async fn start(&mut self, command: Dict) -> Result<Result<Value, QmpError>, Failure> {
        if command.contains("copy-mode") {
            return self.client.execute("drive-mirror", command).await;
        }
        let mut with_auto = command.clone();
        with_auto.put("copy-mode", MirrorCopyMode::Auto.as_str());
        match self.client.execute("drive-mirror", with_auto).await? {
            // It was refused as it was read, before anything was done.
            Err(error) if error.desc == NO_AUTO => {
                self.client.execute("drive-mirror", command).await
            }
            answer => Ok(answer),
        }
    }

    async fn mirror(&mut self, mut command: Dict, then: Then) -> Result<ExitCode, Failure> {
        command.put("job-id", self.job.clone());
        if let Err(error) = self.start(command).await? {
            // The daemon makes the image before it looks at everything.
            self.remove_target();
            return Err(Failure::bad_input(error.desc));
        }
        let end = match self.until_the_end(then).await {
            Ok(end) => end,
            Err(failure) => {
                // What the job came to is not known from here, so nothing is removed.
                self.print_outcome("unknown", false, None);
                return Err(failure);
            }
        };
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let (outcome, status, line) = match (end, then, self.signal.get()) {
            (End::Completed, Then::Pivot, _) => (
                "pivoted",
                0,
                "done: the daemon uses the copy from now on".to_owned(),
            ),
            (End::Completed, Then::Copy, _) => (
                "point-in-time",
                0,
                "done: the copy is complete, the disk stays as it is".to_owned(),
            ),
            (End::Cancelled, _, Some(signal)) => {
                let why = format!("blockjob: cancelled by {}", signals::name(signal));
                ("abandoned", signals::exit_status(signal), why)
            }
            (End::Cancelled, _, None) => (
                "abandoned",
                FAILED,
                "blockjob: somebody cancelled the job".to_owned(),
            ),
            (End::Failed(why), _, _) => ("failed", FAILED, format!("blockjob: {why}")),
        };
        let receipt = self.receipt().await;
        self.print_outcome(outcome, status == 0, receipt.as_ref());
        let removed = status != 0 && self.remove_target();
        let what_of_it = if removed {
            "; what was copied is removed"
        } else {
            ""
        };
        say::err(&format!("{line}{what_of_it}"));
        for line in receipt.iter().flat_map(receipts_command::sentences) {
            say::err(&line);
        }
        Ok(ExitCode::from(status))
    }

    /// What the daemon keeps of the job, if it keeps such things and still answers.
    async fn receipt(&mut self) -> Option<Dict> {
        let answer = receipts_command::query(&mut self.client, Some(&self.job)).await;
        let answer = answer.ok()?.ok()?;
        answer.as_list()?.last()?.as_dict().cloned()
    }

    fn print_outcome(&self, outcome: &str, is_copy: bool, receipt: Option<&Dict>) {
        if self.json {
            let receipt = receipt.map(|receipt| to_json(&Value::Dict(receipt.clone())));
            let receipt = receipt.map_or_else(String::new, |it| format!(",\"receipt\":{it}"));
            say::out(&format!(
                "{{\"outcome\":\"{outcome}\",\"is_copy\":{is_copy}{receipt}}}"
            ));
        }
    }

    /// Removes a target that was not there before and is no copy. True if it is gone.
    fn remove_target(&self) -> bool {
        let created = self.created.as_ref();
        created.is_some_and(|path| std::fs::remove_file(path).is_ok())
    }

    async fn until_the_end(&mut self, then: Then) -> Result<End, Failure> {
        let (mut ended, mut cancelling) = (false, false);
        loop {
            while let Some(event) = self.client.events.pop_front() {
                let data = event.get("data").and_then(Value::as_dict);
                let of = |name: &str| data.and_then(|data| data.get(name)).and_then(Value::as_str);
                if of("device") != Some(&*self.job) {
                    continue;
                }
                match event.get("event").and_then(Value::as_str) {
                    Some("BLOCK_JOB_READY") => ended = self.end_it(then, ended).await?,
                    Some("BLOCK_JOB_COMPLETED") => {
                        return Ok(match of("error") {
                            None => End::Completed,
                            Some(error) => End::Failed(error.to_owned()),
                        });
                    }
                    Some("BLOCK_JOB_CANCELLED") => return Ok(End::Cancelled),
                    _ => {}
                }
            }
            if self.signal.get().is_some() && !cancelling {
                cancelling = true;
                let mut args = Dict::new();
                args.put("device", self.job.clone());
                args.put("force", true);
                // It may be over, or as good as: then its end stands.
                let _too_late = self.client.execute("block-job-cancel", args).await?;
                continue;
            }
            self.show().await?;
            let tick = async {
                self.ctx.sleep(TICK_NS).await;
                Ok(())
            };
            // The client comes first, or a tick would take what it has read along.
            self.client.listen().or(tick).await?;
        }
    }

    /// The job is ready: completes it, or ends it as a copy.
    async fn end_it(&mut self, then: Then, ended: bool) -> Result<bool, Failure> {
        if ended {
            return Ok(true);
        }
        let command = match then {
            Then::Pivot => "block-job-complete",
            // Of a job that is ready: it ends in good order, as a copy of this moment.
            Then::Copy => "block-job-cancel",
        };
        let mut args = Dict::new();
        args.put("device", self.job.clone());
        // Somebody else may have been faster, or have paused it.
        if let Err(error) = self.client.execute(command, args).await? {
            say::err(&format!("ready, but not ended from here: {error}"));
        }
        Ok(true)
    }

    async fn show(&mut self) -> Result<(), Failure> {
        let Some(bar) = &self.bar else { return Ok(()) };
        let Ok(jobs) = self.client.execute("query-block-jobs", Dict::new()).await? else {
            return Ok(());
        };
        for job in jobs.as_list().unwrap_or_default() {
            let Some(job) = job.as_dict() else { continue };
            if job.get("device").and_then(Value::as_str) != Some(&*self.job) {
                continue;
            }
            let number = |name| receipts_command::number(job, name).unwrap_or(0);
            let (len, offset) = (number("len"), number("offset"));
            if let Some(verifying) = job.get("x-verifying").and_then(Value::as_dict) {
                let of = |name| receipts_command::number(verifying, name).unwrap_or(0);
                bar.set_length(of("len"));
                bar.set_position(of("verified-bytes"));
                bar.set_message("verifying");
                continue;
            }
            bar.set_length(len);
            bar.set_position(offset);
            let mut message = format!("{} left", size::show(len.saturating_sub(offset)));
            if let Some(told) = job.get("x-convergence").and_then(forecast_of) {
                message += &format!(", {told}");
            }
            bar.set_message(message);
        }
        Ok(())
    }
}
