//! The change itself, and the way back if somebody does not get on with it.
//!
//! QEMU: `bdrv_reopen_commit`, `bdrv_reopen_abort` (block.c).

use std::rc::Rc;

use blockjob_block::driver::file::{FileDriver, OpenImage};
use blockjob_block::driver::throttle::ThrottleDriver;
use blockjob_block::{BlockError, BlockResult, Node};

use super::is_read_only_conflict;
use super::prepare::Prepared;
use crate::daemon::Daemon;
use crate::qapi::{QmpError, QmpResult};

/// What has been done, to be undone.
enum Done {
    Image(Rc<Node>, OpenImage),
    Backing(Rc<Node>, Option<Rc<Node>>),
    File(Rc<Node>, Rc<Node>),
    Access(Vec<(Rc<Node>, bool)>),
}

/// The changes of nodes of one context.
pub(super) struct Changes {
    prepared: Vec<Prepared>,
    done: Vec<Done>,
}

impl Changes {
    pub(super) fn new(prepared: Vec<Prepared>) -> Changes {
        Changes {
            prepared,
            done: Vec::new(),
        }
    }

    /// Makes the changes that can fail: all of them, or none.
    pub(super) fn try_all(&mut self, daemon: &Rc<Daemon>) -> QmpResult<()> {
        let tried = try_all(daemon, &mut self.prepared, &mut self.done);
        tried.map_err(|error| {
            self.undo(daemon);
            explain(&self.prepared, error)
        })
    }

    /// Takes them back.
    pub(super) fn undo(&mut self, daemon: &Rc<Daemon>) {
        for step in self.done.drain(..).rev() {
            undo(daemon, step);
        }
    }

    /// Makes those that cannot fail.
    pub(super) fn commit(&self, daemon: &Rc<Daemon>) {
        for change in &self.prepared {
            commit(daemon, change);
        }
    }
}

/// Makes the changes that can fail.
fn try_all(
    daemon: &Rc<Daemon>,
    prepared: &mut [Prepared],
    done: &mut Vec<Done>,
) -> BlockResult<()> {
    let graph = daemon.graph();
    for change in prepared.iter_mut() {
        let node = &change.queued.node;
        if let Some(handle) = change.handle.take()
            && let Some(driver) = node.driver().as_any().downcast_ref::<FileDriver>()
        {
            let before = driver.handle();
            driver.reopen(handle)?;
            done.push(Done::Image(node.clone(), before));
        }
    }
    let access = |prepared: &[Prepared], now: bool| -> Vec<_> {
        let access = prepared.iter().map(|change| {
            let node = &change.queued.node;
            let read_only = if now {
                node.is_read_only()
            } else {
                change.read_only
            };
            (node.clone(), read_only)
        });
        access.collect()
    };
    let before = access(prepared, true);
    graph.set_read_only(&access(prepared, false))?;
    done.push(Done::Access(before));
    for change in prepared.iter() {
        let node = &change.queued.node;
        if let Some(backing) = &change.backing {
            let before = node.backing().map(|edge| edge.node());
            graph.set_backing(node, backing.as_ref())?;
            done.push(Done::Backing(node.clone(), before));
        }
        if let Some(file) = &change.file
            && let Some(edge) = node.child("file")
        {
            let before = edge.node();
            graph.set_child(node, &edge, file)?;
            done.push(Done::File(node.clone(), before));
        }
    }
    Ok(())
}

fn undo(daemon: &Rc<Daemon>, step: Done) {
    let graph = daemon.graph();
    // It was so before, so everybody gets on with it.
    let result = match step {
        Done::Image(node, image) => match node.driver().as_any().downcast_ref::<FileDriver>() {
            Some(driver) => driver.reopen_back(image),
            None => Ok(()),
        },
        Done::Backing(node, before) => graph.set_backing(&node, before.as_ref()),
        Done::File(node, before) => match node.child("file") {
            Some(edge) => graph.set_child(&node, &edge, &before),
            None => Ok(()),
        },
        Done::Access(before) => graph.set_read_only(&before),
    };
    if let Err(error) = result {
        super::super::say::warn(&format!(
            "a change that failed could not be taken back: {error}"
        ));
    }
}

/// QEMU: `bdrv_node_refresh_perm` (block.c), which knows what is being changed.
fn explain(prepared: &[Prepared], error: BlockError) -> QmpError {
    use blockjob_block::Perm;
    let writes = Perm::WRITE | Perm::WRITE_UNCHANGED | Perm::RESIZE;
    let culprit = prepared.iter().find(|change| {
        let node = &change.queued.node;
        let written = node.cumulative_perms().used.intersects(writes);
        change.read_only && !node.is_read_only() && written
    });
    match culprit {
        Some(change) if is_read_only_conflict(&error) => QmpError::generic(format!(
            "Read-only block node '{}' cannot support read-write users",
            change.queued.node.name()
        )),
        _ => error.into(),
    }
}

fn commit(daemon: &Rc<Daemon>, change: &Prepared) {
    let node = &change.queued.node;
    if let Some(group) = &change.group
        && let Some(driver) = node.driver().as_any().downcast_ref::<ThrottleDriver>()
    {
        driver.set_group(node, group);
    }
    node.set_settings(change.settings);
    node.refresh_limits();
    let facts = daemon.facts.of(node);
    facts.cache_direct.set(change.direct);
    facts.cache_no_flush.set(change.settings.no_flush);
    facts.auto_read_only.set(change.auto_read_only);
    facts.discard_unmap.set(change.settings.unmap);
    facts.detect_zeroes.set(change.settings.detect_zeroes);
    if let Some(backing) = &change.backing {
        facts.no_backing.set(backing.is_none());
    }
    let mut options = change.queued.options.clone();
    let mut explicit = change.queued.explicit.clone();
    for options in [&mut options, &mut explicit] {
        options.take("backing");
        for child in node.children() {
            options.take(child.name());
        }
    }
    for (name, text) in [
        ("cache.direct", change.direct),
        ("cache.no-flush", change.settings.no_flush),
        ("read-only", change.read_only),
        ("auto-read-only", change.auto_read_only),
    ] {
        options.put_default(name, if text { "on" } else { "off" });
    }
    options.put_default("driver", change.queued.format.name());
    options.put_default("node-name", node.name());
    facts.options.replace(options);
    facts.explicit_options.replace(explicit);
}
