//! `blockdev-reopen`, which is about nodes of whichever contexts.
//!
//! QEMU: `qmp_blockdev_reopen` (blockdev.c), `bdrv_reopen_multiple` (block.c).

use std::cell::Cell;
use std::rc::Rc;

use blockjob_runtime::{AioHandle, Resident};

use crate::command;
use crate::daemon::Daemon;
use crate::daemon::contexts::{self, Direction, Party};
use crate::daemon::open::options::Options;
use crate::daemon::open::{self, Reopening};
use crate::qapi::types::node_options::BlockdevReopen;
use crate::qapi::{Command, Dict, QapiObject, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[command!(
    "blockdev-reopen",
    "Opens nodes in another way: all of them or none.",
    BlockdevReopen => (), qmp_blockdev_reopen)];

/// A node, and what it is to be.
type Wanted = (String, Options);

/// QEMU: `qmp_blockdev_reopen` (blockdev.c).
fn qmp_blockdev_reopen(daemon: &Rc<Daemon>, args: BlockdevReopen) -> QmpResult<()> {
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut said = Vec::new();
    for options in &args.options {
        let Some(name) = &options.base.node_name else {
            return Err(QmpError::generic("node-name not specified"));
        };
        if contexts::place_of_node(daemon, name).is_none() {
            return Err(no_node(name));
        }
        let mut dict = Dict::new();
        options.put_members(&mut dict);
        said.push(dict);
        wanted.push((name.clone(), open::options_of(options)));
    }
    // A node has to live where those do who are to be below it, and nobody else has to.
    let ties = wanted.iter().zip(&said).map(|((name, _), said)| {
        let mut tied = vec![Party::Node(name)];
        tied.extend(contexts::of_options(said));
        tied
    });
    let ties = ties.collect();
    let gathered = contexts::gather(daemon, &ties, Direction::ToWhoeverStays)?;
    let result = reopen_everywhere(daemon, &wanted);
    if result.is_err() {
        gathered.undo(daemon);
    }
    result
}

fn no_node(name: &str) -> QmpError {
    QmpError::generic(format!("Failed to find node with node-name='{name}'"))
}

/// Those of each context, in the order in which they were named.
fn by_home(daemon: &Daemon, wanted: &[Wanted]) -> Vec<(AioHandle, Vec<Wanted>)> {
    let mut homes: Vec<(AioHandle, Vec<Wanted>)> = Vec::new();
    for node in wanted {
        let home = contexts::place_of_node(daemon, &node.0);
        let home = home.unwrap_or_else(|| daemon.context().handle());
        match homes.iter_mut().find(|(other, _)| *other == home) {
            Some((_, nodes)) => nodes.push(node.clone()),
            None => homes.push((home, vec![node.clone()])),
        }
    }
    homes
}

/// A context's part of a command, which waits there for those of the others.
struct Part {
    home: AioHandle,
    reopening: Resident<Cell<Option<Reopening>>>,
}

/// First every context tries what can fail, then every one changes, then everything takes effect. What a
/// context has changed it takes back if another one cannot.
fn reopen_everywhere(daemon: &Rc<Daemon>, wanted: &[Wanted]) -> QmpResult<()> {
    let mut parts = Vec::new();
    let mut tried = Ok(());
    for (home, nodes) in by_home(daemon, wanted) {
        let prepare = move |daemon: &Rc<Daemon>| prepare(daemon, nodes);
        match contexts::call(daemon, &home, prepare).flatten() {
            Ok(reopening) => parts.push(Part { home, reopening }),
            Err(error) => {
                tried = Err(error);
                break;
            }
        }
    }
    for part in &parts {
        tried = tried.and_then(|()| {
            let reopening = part.reopening.clone();
            contexts::call(daemon, &part.home, move |daemon| {
                try_all(daemon, &reopening)
            })
            .flatten()
        });
    }
    let succeeds = tried.is_ok();
    for part in parts.iter().rev() {
        let reopening = part.reopening.clone();
        let ended = contexts::call(daemon, &part.home, move |daemon| {
            end(daemon, &reopening, succeeds);
        });
        tried = tried.and(ended);
    }
    tried
}

/// Settles the part of a context there.
fn prepare(
    daemon: &Rc<Daemon>,
    nodes: Vec<Wanted>,
) -> QmpResult<Resident<Cell<Option<Reopening>>>> {
    let graph = daemon.graph();
    let nodes = nodes.into_iter();
    let nodes = nodes.map(|(name, options)| {
        let node = graph.find_node(&name);
        let node = node.ok_or_else(|| no_node(&name));
        Ok((node?, options))
    });
    let nodes = nodes.collect::<QmpResult<_>>()?;
    let reopening = Reopening::prepare(daemon, nodes)?;
    Ok(daemon.context().settle(Rc::new(Cell::new(Some(reopening)))))
}

fn try_all(daemon: &Rc<Daemon>, part: &Resident<Cell<Option<Reopening>>>) -> QmpResult<()> {
    let part = part.get().expect("it stays until its end");
    let mut reopening = part.take().expect("nobody else looks at it");
    let tried = reopening.try_all(daemon);
    part.set(Some(reopening));
    tried
}

/// Nothing that can fail is left to do, or all is to be as it was.
fn end(daemon: &Rc<Daemon>, part: &Resident<Cell<Option<Reopening>>>, succeeds: bool) {
    let part = daemon.context().evict(part);
    let Some(reopening) = part.and_then(|part| part.take()) else {
        return;
    };
    match succeeds {
        true => reopening.commit(daemon),
        false => reopening.undo(daemon),
    }
}
