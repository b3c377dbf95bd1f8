//! Nodes that are open, opened in another way: all of a request, or none of it.
//!
//! First it is settled what each node is to be, for the nodes named and for those below them that were
//! opened on their behalf; then everything that can fail is tried; then it takes effect.
//!
//! QEMU: `bdrv_reopen_multiple`, `bdrv_reopen_queue_child`, `bdrv_reopen_prepare` (block.c).

mod apply;
mod prepare;

use std::rc::Rc;

use blockjob_block::child::{Child, ChildRole};
use blockjob_block::{BlockError, Drained, Node};

use apply::Changes;

use super::common;
use super::flags::{OpenFlags, Role, inherit};
use super::format::Format;
use super::options::Options;
use crate::daemon::Daemon;
use crate::qapi::{QmpError, QmpResult};

/// What a node is to be.
pub(super) struct Queued {
    pub(super) node: Rc<Node>,
    pub(super) format: Format,
    pub(super) options: Options,
    pub(super) explicit: Options,
    /// The user has said all of it: what is left out gets its default.
    pub(super) is_whole: bool,
    /// The options said something of the backing node.
    pub(super) backing_defined: bool,
}

impl Queued {
    pub(super) fn read_only(&self) -> bool {
        common::is_on(self.options.text("read-only").as_deref())
    }
}

/// Opens nodes in another way. Of each the options are all that is to hold: what is left out gets its
/// default.
///
/// QEMU: `qmp_blockdev_reopen` (blockdev.c), `bdrv_reopen_multiple` (block.c).
///
/// # Errors
///
/// In the peer's words; then nothing has changed.
///
/// # Panics
///
/// Inside of a coroutine: it polls.
pub fn reopen(daemon: &Rc<Daemon>, wanted: Vec<(Rc<Node>, Options)>) -> QmpResult<()> {
    let mut reopening = Reopening::prepare(daemon, wanted)?;
    reopening.try_all(daemon)?;
    reopening.commit(daemon);
    Ok(())
}

/// Nodes of one context that are being opened in another way, drained until that is over. If it is not
/// taken to its end, [`undo`](Self::undo) has them be as they were.
pub struct Reopening {
    changes: Changes,
    _drained: Vec<Drained>,
}

impl Reopening {
    /// Settles what the nodes are to be, and tries what can fail before anything changes. Polls.
    ///
    /// # Errors
    ///
    /// As [`reopen`].
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn prepare(daemon: &Rc<Daemon>, wanted: Vec<(Rc<Node>, Options)>) -> QmpResult<Reopening> {
        let mut queue = Vec::new();
        for (node, options) in wanted {
            enqueue(daemon, &mut queue, node, options, None, false)?;
        }
        Self::of_queue(daemon, queue)
    }

    fn of_queue(daemon: &Rc<Daemon>, queue: Vec<Queued>) -> QmpResult<Reopening> {
        let drained = queue.iter();
        let drained = drained.map(|queued| queued.node.drained_begin("reopen"));
        let drained = drained.collect();
        let mut prepared = Vec::with_capacity(queue.len());
        for queued in queue {
            prepared.push(prepare::prepare(daemon, queued)?);
        }
        Ok(Reopening {
            changes: Changes::new(prepared),
            _drained: drained,
        })
    }

    /// Makes the changes that can fail: all of them, or none.
    ///
    /// # Errors
    ///
    /// As [`reopen`].
    pub fn try_all(&mut self, daemon: &Rc<Daemon>) -> QmpResult<()> {
        self.changes.try_all(daemon)
    }

    /// Takes back what [`try_all`](Self::try_all) has changed.
    pub fn undo(mut self, daemon: &Rc<Daemon>) {
        self.changes.undo(daemon);
    }

    /// Makes the rest of the changes, which cannot fail, and lets requests go on.
    pub fn commit(self, daemon: &Rc<Daemon>) {
        self.changes.commit(daemon);
    }
}

/// Makes a node, and those that were opened on its behalf, refuse to be written to.
///
/// QEMU: `bdrv_reopen_set_read_only` (block.c).
///
/// # Errors
///
/// As [`reopen`].
pub fn reopen_read_only(daemon: &Rc<Daemon>, node: &Rc<Node>) -> QmpResult<()> {
    let options: Options = [("read-only", "on")].into_iter().collect();
    let mut queue = Vec::new();
    enqueue(daemon, &mut queue, node.clone(), options, None, true)?;
    let mut reopening = Reopening::of_queue(daemon, queue)?;
    reopening.try_all(daemon)?;
    reopening.commit(daemon);
    Ok(())
}

/// What the edge is to a node that is opened.
fn role(child: &Child) -> Role {
    match child.role() {
        ChildRole::Cow => Role::Cow,
        ChildRole::Data if child.name().starts_with("children.") => Role::Data,
        ChildRole::Filtered if child.name() != "file" => Role::Filtered,
        _ => Role::Image,
    }
}

/// QEMU: `bdrv_reopen_queue_child` (block.c).
fn enqueue(
    daemon: &Rc<Daemon>,
    queue: &mut Vec<Queued>,
    node: Rc<Node>,
    mut options: Options,
    parent: Option<(&Options, Role, bool)>,
    keep_old: bool,
) -> QmpResult<()> {
    let Some(format) = Format::find(node.driver().format_name()) else {
        return Err(cannot_reopen(&node));
    };
    let facts = daemon.facts.of(&node);
    if keep_old {
        options.join(&facts.explicit_options.borrow());
    }
    let mut explicit = options.clone();
    if let Some((parent_options, role, parent_is_format)) = parent {
        let flags = OpenFlags::default();
        inherit(role, parent_is_format, flags, parent_options, &mut options);
    }
    if keep_old {
        options.join(&facts.options.borrow());
    }
    let above = options.clone();
    let backing_defined = above.iter().any(|(name, _)| name.starts_with("backing."));
    let mut below = Vec::new();
    for child in node.children() {
        let below_node = child.node();
        let follows = daemon.facts.of(&below_node);
        let follows = follows.inherits_from.borrow().upgrade();
        if !follows.is_some_and(|leader| Rc::ptr_eq(&leader, &node)) {
            continue;
        }
        let mut child_keeps = keep_old;
        let mut child_options = Options::new();
        if options.contains(child.name()) {
            let named = options.text(child.name());
            if named.as_deref() != Some(below_node.name()) {
                continue;
            }
            child_keeps = true;
        } else {
            explicit.take_child(child.name());
            child_options = options.take_child(child.name());
        }
        below.push((child, child_options, child_keeps));
    }
    queue.retain(|queued: &Queued| !Rc::ptr_eq(&queued.node, &node));
    queue.push(Queued {
        node,
        format,
        options,
        explicit,
        is_whole: !keep_old,
        backing_defined,
    });
    for (child, options, keep_old) in below {
        let parent = Some((&above, role(&child), format.is_format()));
        enqueue(daemon, queue, child.node(), options, parent, keep_old)?;
    }
    Ok(())
}

/// The error for a node whose driver cannot change its ways.
fn cannot_reopen(node: &Node) -> QmpError {
    QmpError::generic(format!(
        "Block format '{}' used by node '{}' does not support reopening files",
        node.driver().format_name(),
        node.name()
    ))
}

/// The node of that name, as the peer's function looks it up that is given no name of a drive.
fn find_node(daemon: &Daemon, name: &str) -> QmpResult<Rc<Node>> {
    daemon
        .graph()
        .find_node(name)
        .ok_or_else(|| QmpError::generic(format!("Cannot find device='' nor node-name='{name}'")))
}

/// An error of the block layer, if it says more than the general one.
fn is_read_only_conflict(error: &BlockError) -> bool {
    error.context() == "Block node is read-only"
}
