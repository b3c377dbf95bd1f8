//! Nodes that were written to and are not to be any more.
//!
//! QEMU: `bdrv_reopen_set_read_only` (block.c).

use std::rc::Rc;

use crate::child::ChildRole;
use crate::error::BlockResult;
use crate::graph::Graph;
use crate::node::Node;
use crate::perm_update::refresh_perms;

impl Graph {
    /// Makes each of `nodes` refuse to be written to, or not any more, all of them or none. Their drivers
    /// are not told: what they have open stays open as it is.
    ///
    /// # Errors
    ///
    /// Somebody does not get on with that; then nothing has changed.
    pub fn set_read_only(&self, nodes: &[(Rc<Node>, bool)]) -> BlockResult<()> {
        let mut before = Vec::new();
        for (node, read_only) in nodes {
            before.push((node, node.set_read_only(*read_only)));
        }
        let roots: Vec<_> = nodes.iter().map(|(node, _)| node.clone()).collect();
        let result = refresh_perms(&roots);
        if result.is_err() {
            for (node, read_only) in before.into_iter().rev() {
                node.set_read_only(read_only);
            }
            // As it was, and so everybody gets on with it.
            let _ = refresh_perms(&roots);
        }
        result
    }

    /// Makes `node`, and what it keeps its data in, refuse to be written to from now on. What was
    /// open for writing stays open so: the nodes refuse, not the system. The other way round an image
    /// would have to be opened anew, which this does not do.
    ///
    /// QEMU: `bdrv_reopen_set_read_only` (block.c).
    ///
    /// # Errors
    ///
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly): somebody uses one of the nodes to write. Then nothing
    /// has changed.
    pub fn make_read_only(&self, node: &Rc<Node>) -> BlockResult<()> {
        let mut changed = Vec::new();
        let mut open = vec![node.clone()];
        while let Some(node) = open.pop() {
            let children = node.children();
            let own = children.iter().filter(|edge| edge.role() != ChildRole::Cow);
            open.extend(own.map(|edge| edge.node()));
            if !node.set_read_only(true) {
                changed.push(node);
            }
        }
        let result = refresh_perms(std::slice::from_ref(node));
        if result.is_err() {
            for node in changed {
                node.set_read_only(false);
            }
            // As it was, and so everybody gets on with it.
            let _ = refresh_perms(std::slice::from_ref(node));
        }
        result
    }
}
