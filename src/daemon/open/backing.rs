//! Backing files: which, and how they are opened.
//!
//! QEMU: `bdrv_open_backing_file`, `bdrv_get_full_backing_filename` (block.c).

use std::rc::Rc;

use blockjob_block::Node;

use super::flags::{OpenFlags, Role};
use super::format::Format;
use super::inherit::{Opening, Parent, Wanted, open as open_node};
use super::options::Options;
use super::{filename, protocol};
use crate::daemon::Daemon;
use crate::daemon::facts::NodeFacts;
use crate::qapi::{QmpError, QmpResult};

/// The name of a node's backing file, seen from where we are; none if its header names none.
///
/// QEMU: `bdrv_get_full_backing_filename` (block.c).
///
/// # Errors
///
/// The node is not in a folder.
pub fn full_backing_filename(daemon: &Rc<Daemon>, node: &Rc<Node>) -> QmpResult<Option<String>> {
    let name = daemon.facts.of(node).backing_file.borrow().clone();
    if name.is_empty() {
        return Ok(None);
    }
    if protocol::has_protocol(&name) || name.starts_with('/') {
        return Ok(Some(name));
    }
    let dir = filename::dirname(daemon, node)?;
    Ok(Some(protocol::absolute(&dir, &name)))
}

/// Opens the backing file of a node that has just been opened, if its options or its header name one.
///
/// QEMU: `bdrv_open_backing_file` (block.c).
pub(super) fn open(
    opening: &mut Opening<'_>,
    node: &Rc<Node>,
    format: Format,
    facts: &Rc<NodeFacts>,
) -> QmpResult<()> {
    let options = opening.options.take_child("backing");
    let reference = opening.options.take("backing");
    let parent = Parent {
        is_format: format.is_format(),
        flags: opening.flags,
        options: &opening.all.clone(),
        depth: opening.depth,
    };
    if let Some(new) = attach(opening.daemon, &parent, node, facts, options, reference)? {
        opening.followers.push(new);
    }
    Ok(())
}

/// As [`open`], for a node that has no backing node yet. Returns what was opened, and not there before.
fn attach(
    daemon: &Rc<Daemon>,
    parent: &Parent<'_>,
    node: &Rc<Node>,
    facts: &Rc<NodeFacts>,
    mut options: Options,
    reference: Option<String>,
) -> QmpResult<Option<Rc<Node>>> {
    let format = Format::find(node.driver().format_name());
    let named = facts.backing_file.borrow().clone();
    let mut backing_filename = None;
    let mut implicit = false;
    if reference.is_none() && !options.contains("file.filename") {
        if named.is_empty() && options.is_empty() {
            return Ok(None);
        }
        implicit = options.is_empty() && *facts.auto_backing_file.borrow() == named;
        backing_filename = full_backing_filename(daemon, node)?;
    }
    if !format.is_some_and(Format::supports_backing) {
        return Err(QmpError::generic("Driver doesn't support backing files"));
    }
    let backing_format = facts.backing_format.borrow().clone();
    if reference.is_none() && !backing_format.is_empty() {
        options.put_default("driver", &backing_format);
    }
    let wanted = Wanted {
        filename: backing_filename,
        reference,
        options,
        flags: OpenFlags::default(),
        parent: Some((parent, Role::Cow)),
        parse_filename: true,
    };
    let found = open_node(daemon, wanted)
        .map_err(|error| error.prepend("Could not open backing file: "))?;
    if implicit {
        let name = filename::of(daemon, &found.node).shown();
        facts.auto_backing_file.replace(name);
    }
    daemon.graph().set_backing(node, Some(&found.node))?;
    Ok(found.is_new.then_some(found.node))
}

/// Opens the backing file that the header of `node` names, for a node that was opened without it. Does
/// nothing if it names none, or if the node has one.
///
/// QEMU: `bdrv_open_backing_file` (block.c), as mirror_exit calls it (block/mirror.c).
///
/// # Errors
///
/// As opening any image.
pub fn open_backing_chain(daemon: &Rc<Daemon>, node: &Rc<Node>) -> QmpResult<()> {
    if node.backing().is_some() {
        return Ok(());
    }
    let facts = daemon.facts.of(node);
    let parent = Parent {
        is_format: true,
        flags: OpenFlags {
            writable: !node.is_read_only(),
            unmap: facts.discard_unmap.get(),
            ..OpenFlags::default()
        },
        options: &facts.options.borrow().clone(),
        depth: 0,
    };
    let new = attach(daemon, &parent, node, &facts, Options::new(), None)?;
    facts.no_backing.set(false);
    if let Some(new) = new {
        let follower = daemon.facts.of(&new);
        follower.inherits_from.replace(Rc::downgrade(node));
    }
    Ok(())
}
