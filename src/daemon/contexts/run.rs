//! The router: has commands run in their contexts.

use std::rc::{Rc, Weak};

use blockjob_runtime::AioHandle;

use super::gather::{Direction, gather};
use super::merge::{self, Part};
use super::places::{self, Party};
use super::route::{Merge, Route, route};
use super::{gone, graphs};
use crate::daemon::{Daemon, commands, hmp};
use crate::monitor::Dispatch;
use crate::qapi::{Command, Dict, QmpError, QmpResult, Value};

/// Runs a command where it belongs. Called in the main context, outside of coroutines; while another
/// context works on it, this one's loop goes on.
///
/// # Errors
///
/// The command's own, or what is wrong with its arguments; or what it names cannot come together in
/// one context.
pub fn run(daemon: &Rc<Daemon>, command: &'static Command<Daemon>, args: Dict) -> QmpResult<Value> {
    if daemon.contexts.is_empty() {
        return (command.marshal)(daemon, args);
    }
    let route = route(command.name).unwrap_or(Route::Main);
    let home = match route {
        Route::Main => None,
        Route::Nodes(members) => {
            let tied = places::of_members(&args, members);
            return run_together(daemon, command, &args, tied, Direction::ToTheFirst);
        }
        Route::References => {
            let tied = places::of_options(&args);
            return run_together(daemon, command, &args, tied, Direction::ToWhoeverStays);
        }
        Route::Job(member) => {
            let names = daemon.common().names.lock();
            let id = args.get(member).and_then(Value::as_str);
            id.and_then(|id| names.job(id))
                .map(|named| named.home.clone())
        }
        Route::Export(member) => {
            let names = daemon.common().names.lock();
            let id = args.get(member).and_then(Value::as_str);
            id.and_then(|id| names.export(id))
                .map(|named| named.home.clone())
        }
        Route::All(merge) => return run_everywhere(daemon, command, &args, merge),
    };
    match home {
        Some(home) => call(daemon, &home, move |daemon| (command.marshal)(daemon, args))?,
        None => (command.marshal)(daemon, args),
    }
}

/// Runs a command where those live whom it connects, which come together for it. If it is refused they are
/// where they were.
fn run_together(
    daemon: &Rc<Daemon>,
    command: &'static Command<Daemon>,
    args: &Dict,
    tied: Vec<Party<'_>>,
    direction: Direction,
) -> QmpResult<Value> {
    // Nobody is drained for arguments that are wrong in themselves.
    (command.check)(args)?;
    let ties = vec![tied];
    let gathered = gather(daemon, &ties, direction)?;
    let run = {
        let args = args.clone();
        move |daemon: &Rc<Daemon>| (command.marshal)(daemon, args)
    };
    let home = home_of(daemon, &ties[0])?;
    let result = call(daemon, &home, run).flatten();
    if result.is_err() {
        gathered.undo(daemon);
    }
    result
}

/// Where the first of them lives who is there; else in the main context.
fn home_of(daemon: &Rc<Daemon>, parties: &[Party<'_>]) -> QmpResult<AioHandle> {
    for party in parties {
        if let Some(home) = party.place(daemon)? {
            return Ok(home);
        }
    }
    Ok(daemon.context().handle())
}

/// Has `work` done in the context `home`, and waits for it; in the main context, at once. Called there,
/// outside of coroutines. What is told meanwhile is told when this returns.
///
/// # Errors
///
/// The thread of that context has panicked.
pub fn call<R: Send + 'static>(
    daemon: &Rc<Daemon>,
    home: &AioHandle,
    work: impl FnOnce(&Rc<Daemon>) -> R + Send + 'static,
) -> QmpResult<R> {
    let Some(other) = daemon.contexts.daemon_of(home) else {
        return Ok(work(daemon));
    };
    let waited_for = move |daemon: &Rc<Daemon>| {
        // Else what jobs leave for the main loop would have to hop there, while that waits for us.
        let _waits = daemon.jobs().main_waits();
        work(daemon)
    };
    let context = daemon.context();
    let result = context.call_resident(&other, "command", waited_for);
    daemon.tell_events();
    result.map_err(gone)
}

/// The main context, and then those of the I/O threads.
pub(crate) fn homes(daemon: &Daemon) -> Vec<AioHandle> {
    let threads = daemon.contexts.all();
    let threads = threads.iter().map(|io| io.handle().clone());
    std::iter::once(daemon.context().handle())
        .chain(threads)
        .collect()
}

fn run_everywhere(
    daemon: &Rc<Daemon>,
    command: &'static Command<Daemon>,
    args: &Dict,
    merge: Merge,
) -> QmpResult<Value> {
    let mut parts = Vec::new();
    for home in homes(daemon) {
        let args = args.clone();
        let part = call(daemon, &home, move |daemon| {
            let value = (command.marshal)(daemon, args.clone())?;
            let keys = match merge {
                Merge::List(keys, _) => keys,
                Merge::Graph => merge::keys::nodes_oldest_first,
            };
            Ok::<Part, QmpError>(Part::new(daemon, &args, keys, value))
        });
        parts.push(part??);
    }
    Ok(match merge {
        Merge::List(_, order) => merge::list(parts, order),
        Merge::Graph => graphs::join(parts),
    })
}

/// What monitors ask to have commands run.
pub struct Router(Weak<Daemon>);

impl Router {
    /// Has commands run by `daemon`, which is the main context's, and is not kept alive.
    pub fn new(daemon: &Rc<Daemon>) -> Rc<Router> {
        Rc::new(Router(Rc::downgrade(daemon)))
    }
}

impl Dispatch for Router {
    fn allows_oob(&self, name: &str) -> Option<bool> {
        commands::find(name).map(|command| command.allow_oob)
    }

    fn run(&self, name: &str, args: Dict) -> QmpResult<Value> {
        match (commands::find(name), self.0.upgrade()) {
            (Some(command), Some(daemon)) => run(&daemon, command, args),
            _ => Err(QmpError::generic("The program is ending")),
        }
    }

    fn hmp(&self, line: &str) -> String {
        let daemon = self.0.upgrade();
        daemon.map_or_else(String::new, |daemon| hmp::run(&daemon, line))
    }
}
