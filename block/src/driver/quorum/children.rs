//! Children that come and go while the quorum is in use.
//!
//! QEMU: `bdrv_add_child`, `bdrv_del_child` (block.c), `quorum_add_child`, `quorum_del_child`
//! (block/quorum.c).

use std::rc::Rc;

use nix::libc;

use super::{CHILD_NAMES, QuorumDriver};
use crate::child::{Child, ChildRole};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;

impl QuorumDriver {
    /// Makes `child`, which nobody uses yet, the last child of `node`, whose driver this is. What it
    /// holds is not made to be what the others hold.
    ///
    /// QEMU: `quorum_add_child` (block/quorum.c).
    ///
    /// # Errors
    ///
    /// In QEMU's words, if the child has users already, is not of the length that the others are
    /// of (which QEMU takes), would close a ring, or makes more than two with `blkverify`; `InUse`
    /// if permissions do not fit.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the node is drained by polling.
    pub fn add_child(&self, node: &Rc<Node>, child: &Rc<Node>) -> BlockResult<Rc<Child>> {
        if !child.parents().is_empty() {
            let text = format!("The node {} already has a parent", child.name());
            return Err(BlockError::new(ErrorKind::InUse, text));
        }
        if self.blkverify {
            return refuse("Cannot add a child to a quorum in blkverify mode");
        }
        let Some(name) = free_name(node) else {
            return refuse("Too many children");
        };
        let graph = node.graph().ok_or_else(|| {
            let text = format!("Node '{}' is going away", node.name());
            BlockError::new(ErrorKind::NotFound, text)
        })?;
        if !Rc::ptr_eq(node, child) && child.len()? != node.len()? {
            let context = "Could not refresh total sector count";
            return Err(BlockError::from_errno(libc::EIO, context));
        }
        graph.attach_child(node, name, ChildRole::Data, child)
    }

    /// Takes the child of that name, `children.0` for one, away from `node`, whose driver this is.
    ///
    /// QEMU: `quorum_del_child` (block/quorum.c).
    ///
    /// # Errors
    ///
    /// In QEMU's words, if there is no such child, or too few would be left for a vote.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the node is drained by polling.
    pub fn del_child(&self, node: &Rc<Node>, name: &str) -> BlockResult<()> {
        let edge = node.child(name).ok_or_else(|| {
            let text = format!("Node '{}' does not have child '{name}'", node.name());
            BlockError::new(ErrorKind::NotFound, text)
        })?;
        if node.children().len() <= self.threshold {
            return refuse(format!(
                "The number of children cannot be lower than the vote threshold {}",
                self.threshold
            ));
        }
        match node.graph() {
            Some(graph) => graph.detach_child(node, &edge),
            None => Ok(()),
        }
    }
}

/// The name behind the last one that is in use; if that is the last one there is, the first that
/// is free.
fn free_name(node: &Node) -> Option<&'static str> {
    let children = node.children();
    let used = |name: &&str| children.iter().any(|child| child.name() == *name);
    let behind = CHILD_NAMES.iter().rposition(&used);
    let behind = behind.map_or(0, |last| last + 1);
    let mut names = CHILD_NAMES[behind..].iter().chain(&CHILD_NAMES);
    names.find(|name| !used(name)).copied()
}

fn refuse<T>(text: impl Into<String>) -> BlockResult<T> {
    Err(BlockError::new(ErrorKind::Invalid, text))
}
