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
