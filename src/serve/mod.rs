//! `blockjob serve`: the storage daemon.
//!
//! QEMU: storage-daemon/qemu-storage-daemon.c.

pub(crate) mod args;
mod background;
mod chardev;
mod end;
mod pidfile;
mod steps;
mod trace;

use std::process::ExitCode;
use std::rc::Rc;

use blockjob::daemon::Daemon;
use blockjob::runtime::sync::Arc;
use clap::ArgMatches;

use crate::failure::Failure;
use crate::record::{Recording, contexts};
use crate::signals::{self, Signal};
use args::ServeArgs;
use background::Role;
use pidfile::PidFile;
use steps::Doors;
use trace::TraceOptions;

/// Does what the options say, serves until somebody says that it is enough, and cleans up.
pub(crate) fn run(args: &ServeArgs, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    if args.daemonize
        && let Role::Parent(status) = background::begin()?
    {
        return Ok(status);
    }
    let asks = |text: &String| text == "help" || text == "enable=help";
    if args.trace.iter().any(asks) {
        TraceOptions::list();
        return Ok(ExitCode::SUCCESS);
    }
    let trace = TraceOptions::parse(&args.trace)?;
    let recording = Recording::begin(&args.recording);
    let recording = recording.map_err(|failure| Failure::failed(failure.line()))?;
    if let Some(recording) = &recording {
        recording.commit();
    }
    let recorded = recording.clone();
    let context_of = move |name: &str| contexts::observed(name, trace.as_ref(), recorded.as_ref());
    let context = contexts::main_context(context_of("main"))?;
    let _current = context.make_current();
    let daemon = Daemon::new(&context);
    daemon.set_context_maker(Arc::new(context_of));
    let doors = Doors::new(&daemon, args.daemonize);

    let served = serve(args, matches, &daemon, &doors);
    // Also after a mistake in an option: what the ones before it have made is taken down in order.
    end::shut_down(&daemon, doors);
    if let Some(recording) = recording {
        recording.end();
    }
    served
}

fn serve(
    args: &ServeArgs,
    matches: &ArgMatches,
    daemon: &Rc<Daemon>,
    doors: &Doors,
) -> Result<ExitCode, Failure> {
    for step in args::in_order(matches) {
        steps::apply(daemon, doors, &step)?;
    }
    let _pidfile = args.pidfile.as_deref().map(PidFile::write).transpose()?;
    watch_signals(daemon)?;
    if args.daemonize {
        background::ready()?;
    }
    doors.listen(daemon);
    while !daemon.run_state.exit_requested() {
        daemon.context().poll(true);
    }
    Ok(ExitCode::SUCCESS)
}

fn watch_signals(daemon: &Rc<Daemon>) -> Result<(), Failure> {
    let told = Rc::downgrade(daemon);
    signals::watch(daemon.context(), move |signal| {
        if let Some(daemon) = told.upgrade()
            && signal != Signal::Cont
        {
            daemon.run_state.request_exit();
        }
    })
    .map_err(|error| Failure::failed(format!("signals cannot be watched: {error}")))
}
