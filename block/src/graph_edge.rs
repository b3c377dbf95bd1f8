//! Edges: how they are put in, moved, and taken out, and what that means to drained sections.
//!
//! One rule holds whenever nobody is in the middle of these functions: an edge has stopped its
//! parent if and only if the node below it is drained.
//!
//! QEMU: `bdrv_replace_child_noperm`, `bdrv_attach_child_noperm`, `bdrv_root_attach_child` (block.c).

use std::rc::{Rc, Weak};

use crate::child::{Child, ChildParent, ChildRole};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::node::Node;
use crate::perm::PermPair;
use crate::perm_update::{refresh_perms, try_set_perms};

/// An edge that was taken out, and where among the children of its parent it was.
pub(crate) struct Detached {
    edge: Rc<Child>,
    index: usize,
}

impl Graph {
    /// Adds an edge from a node, without looking at permissions. The caller has seen to it that
    /// there will be no ring.
    pub(crate) fn attach_noperm(
        &self,
        parent: &Rc<Node>,
        name: &'static str,
        role: ChildRole,
        node: &Rc<Node>,
    ) -> Rc<Child> {
        let as_parent: Rc<dyn ChildParent> = parent.clone();
        let edge = Child::new(
            name,
            role,
            node.clone(),
            Rc::downgrade(&as_parent),
            PermPair::HARMLESS,
        );
        parent.add_child(edge.clone());
        link(&edge);
        edge
    }

    /// Removes an edge of a node, without looking at permissions.
    pub(crate) fn detach_noperm(&self, parent: &Rc<Node>, edge: &Rc<Child>) -> Detached {
        let index = parent.child_index(edge);
        unlink(edge);
        Detached {
            edge: edge.clone(),
            index,
        }
    }

    /// Puts an edge back where it was, without looking at permissions.
    pub(crate) fn reattach_noperm(&self, parent: &Rc<Node>, detached: Detached) {
        parent.insert_child(detached.index, detached.edge.clone());
        link(&detached.edge);
    }
}

/// Fails if the graph would have a ring with `node` below `parent`.
///
/// QEMU: `bdrv_attach_child_noperm` (block.c).
pub(crate) fn check_no_ring(parent: &Node, name: &str, node: &Node) -> BlockResult<()> {
    if !node.reaches(parent) {
        return Ok(());
    }
    Err(BlockError::new(
        ErrorKind::Invalid,
        format!(
            "Making '{}' a {name} child of '{}' would create a cycle",
            node.name(),
            parent.name()
        ),
    ))
}

/// Makes an edge known to the node below it. If that is drained, the parent stops. The parent hears
/// of the edge before it may use it: the permissions follow.
fn link(edge: &Rc<Child>) {
    let node = edge.node();
    node.add_parent(edge);
    if node.quiesce_counter() > 0 && !edge.quiesced_parent() {
        edge.parent_drained_begin();
    }
    if let Some(parent) = edge.parent() {
        parent.attached(edge);
    }
}

/// Takes an edge from the node below it and the node above it. If it had stopped the parent, the
/// parent goes on.
fn unlink(edge: &Rc<Child>) {
    let node = edge.node();
    let parent = edge.parent();
    node.remove_parent(edge);
    if let Some(parent) = &parent {
        parent.detached(edge);
        // Before the parent goes on: what it sends from then on must not come this way.
        if let Some(parent) = parent.as_node() {
            parent.remove_child(edge);
        }
    }
    if edge.quiesced_parent() {
        edge.parent_drained_end();
    }
    // Whoever waits for the node to be drained need not wait for this parent any more.
    node.drain_kick();
}

/// Moves an edge to another node. Both are drained, so the parent is stopped before and after, and
/// has no moment of freedom in between.
///
/// QEMU: `bdrv_replace_child_noperm` (block.c).
pub(crate) fn move_edge(edge: &Rc<Child>, to: &Rc<Node>) {
    let from = edge.node();
    for node in [&from, to] {
        assert!(node.quiesce_counter() > 0, "{node:?} is not drained");
    }
    let parent = edge.parent();
    from.remove_parent(edge);
    if let Some(parent) = &parent {
        parent.detached(edge);
    }
    edge.set_node(to.clone());
    to.add_parent(edge);
    if let Some(parent) = &parent {
        parent.attached(edge);
    }
    // Whoever waits for a section that the parent is in the way of need not wait any more.
    from.drain_kick();
}

/// Adds an edge from something that is not a node, if all users get on with it.
///
/// QEMU: `bdrv_root_attach_child` (block.c).
pub fn attach_root(
    name: &'static str,
    parent: Weak<dyn ChildParent>,
    node: &Rc<Node>,
    perms: PermPair,
) -> BlockResult<Rc<Child>> {
    let edge = Child::new(name, ChildRole::Filtered, node.clone(), parent, perms);
    node.add_parent(&edge);
    let result = refresh_perms(std::slice::from_ref(node));
    node.remove_parent(&edge);
    result?;
    link(&edge);
    Ok(edge)
}

/// Removes an edge that [`attach_root`] made.
///
/// QEMU: `bdrv_root_unref_child` (block.c).
pub fn detach_root(edge: Rc<Child>) {
    let node = edge.node();
    unlink(&edge);
    // With a user less there can be no new conflict.
    let _ = refresh_perms(&[node]);
}

/// Gives an edge other permissions, if all users get on with them.
///
/// QEMU: `bdrv_child_try_set_perm` (block.c).
pub fn set_edge_perms(edge: &Rc<Child>, perms: PermPair) -> BlockResult<()> {
    try_set_perms(edge, perms)
}
