//! Changes of the graph: add and take away a child, put a node on top, replace one by another, take
//! a filter out.
//!
//! Each is done as a whole or not at all: all edges are moved first, then the permissions of
//! everything concerned are checked once, and if they do not fit the edges are moved back.
//!
//! QEMU: `bdrv_append`, `bdrv_replace_node`, `bdrv_drop_filter` (block.c).

use std::rc::Rc;

use crate::child::{Child, ChildRole};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::graph_edge::{check_no_ring, move_edge};
use crate::node::Node;
use crate::perm_update::refresh_perms;
use crate::request::BlockTrace;

/// Edges that were moved, with where they came from.
struct Moved {
    edges: Vec<(Rc<Child>, Rc<Node>)>,
}

impl Moved {
    fn undo(self) {
        for (edge, from) in self.edges.into_iter().rev() {
            move_edge(&edge, &from);
        }
    }
}

impl Graph {
    /// Puts `node` below `parent`, if all users of `node` get on with that.
    ///
    /// QEMU: `bdrv_attach_child` (block.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the parent is drained by polling.
    pub fn attach_child(
        self: &Rc<Self>,
        parent: &Rc<Node>,
        name: &'static str,
        role: ChildRole,
        node: &Rc<Node>,
    ) -> BlockResult<Rc<Child>> {
        check_no_ring(parent, name, node)?;
        let _parent = parent.drained_begin("attach-child");
        let edge = self.attach_noperm(parent, name, role, node);
        if let Err(error) = refresh_perms(std::slice::from_ref(parent)) {
            self.detach_noperm(parent, &edge);
            restore_perms(&[parent, node]);
            return Err(error);
        }
        Ok(edge)
    }

    /// Takes away a child that `parent` has.
    ///
    /// QEMU: `bdrv_unref_child` (block.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the parent is drained by polling. If the edge is not one of the
    /// parent's.
    pub fn detach_child(self: &Rc<Self>, parent: &Rc<Node>, edge: &Rc<Child>) -> BlockResult<()> {
        edge.check_not_frozen()?;
        let _parent = parent.drained_begin("detach-child");
        let node = edge.node();
        self.detach_noperm(parent, edge);
        // With a user less there can be no new conflict.
        let _ = refresh_perms(&[parent.clone(), node]);
        Ok(())
    }

    /// Gives `node` another backing node, or none, if all users of both get on with that.
    ///
    /// QEMU: `bdrv_set_backing_hd` (block.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the nodes are drained by polling.
    pub fn set_backing(
        self: &Rc<Self>,
        node: &Rc<Node>,
        backing: Option<&Rc<Node>>,
    ) -> BlockResult<()> {
        let old = node.backing();
        if let Some(edge) = &old {
            edge.check_not_frozen()?;
        }
        if let Some(backing) = backing {
            check_no_ring(node, "backing", backing)?;
        }
        let before = old.as_ref().map(|edge| edge.node());
        let _node = node.drained_begin("set-backing");
        let _before = before.as_ref().map(|it| it.drained_begin("set-backing"));
        let _backing = backing.map(|it| it.drained_begin("set-backing"));
        let detached = old.map(|edge| self.detach_noperm(node, &edge));
        let attached = backing.map(|it| self.attach_noperm(node, "backing", ChildRole::Cow, it));
        let concerned: Vec<_> = [Some(node), before.as_ref(), backing]
            .into_iter()
            .flatten()
            .collect();
        let roots: Vec<_> = concerned.iter().map(|it| Rc::clone(it)).collect();
        if let Err(error) = refresh_perms(&roots) {
            if let Some(edge) = attached {
                self.detach_noperm(node, &edge);
            }
            if let Some(detached) = detached {
                self.reattach_noperm(node, detached);
            }
            restore_perms(&concerned);
            return Err(error);
        }
        Ok(())
    }

    /// Has an edge of `parent` lead to another node, if all users of both get on with that.
    ///
    /// QEMU: `bdrv_set_file_or_backing_noperm` (block.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the nodes are drained by polling.
    pub fn set_child(
        self: &Rc<Self>,
        parent: &Rc<Node>,
        edge: &Rc<Child>,
        node: &Rc<Node>,
    ) -> BlockResult<()> {
        edge.check_not_frozen()?;
        check_no_ring(parent, edge.name(), node)?;
        let before = edge.node();
        let _parent = parent.drained_begin("set-child");
        let _before = before.drained_begin("set-child");
        let _node = node.drained_begin("set-child");
        move_edge(edge, node);
        let concerned = [parent.clone(), before.clone(), node.clone()];
        if let Err(error) = refresh_perms(&concerned) {
            move_edge(edge, &before);
            restore_perms(&[parent, &before, node]);
            return Err(error);
        }
        Ok(())
    }

    /// Makes `new_top`, which has no child of that name yet, the parent of `node` and gives it all
    /// the users that `node` had.
    ///
    /// QEMU: `bdrv_append` (block.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the nodes are drained by polling.
    pub fn append(
        self: &Rc<Self>,
        new_top: &Rc<Node>,
        child_name: &'static str,
        role: ChildRole,
        node: &Rc<Node>,
    ) -> BlockResult<()> {
        assert!(new_top.child(child_name).is_none(), "{new_top:?} has one");
        check_no_ring(new_top, child_name, node)?;
        let _top = new_top.drained_begin("append");
        let _node = node.drained_begin("append");
        let edge = self.attach_noperm(new_top, child_name, role, node);
        let result = self.replace_noperm(node, new_top).and_then(|moved| {
            refresh_perms(&[new_top.clone(), node.clone()]).inspect_err(|_| moved.undo())
        });
        if let Err(error) = result {
            self.detach_noperm(new_top, &edge);
            restore_perms(&[new_top, node]);
            return Err(error);
        }
        Ok(())
    }

    /// Gives all users of `from` to `to`. Users of whom `to` itself is made stay: else there would
    /// be a ring.
    ///
    /// QEMU: `bdrv_replace_node` (block.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the nodes are drained by polling.
    pub fn replace_node(self: &Rc<Self>, from: &Rc<Node>, to: &Rc<Node>) -> BlockResult<()> {
        let _from = from.drained_begin("replace-node");
        let _to = to.drained_begin("replace-node");
        let moved = self.replace_noperm(from, to)?;
        if let Err(error) = refresh_perms(&[to.clone(), from.clone()]) {
            moved.undo();
            restore_perms(&[from, to]);
            return Err(error);
        }
        Ok(())
    }

    /// Gives all users of a filter to the node that it filters, and lets that go.
    ///
    /// QEMU: `bdrv_drop_filter` (block.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the nodes are drained by polling.
    pub fn drop_filter(self: &Rc<Self>, filter: &Rc<Node>) -> BlockResult<()> {
        let edge = filter.filtered().ok_or_else(|| {
            BlockError::new(
                ErrorKind::Invalid,
                format!("Node '{}' is no filter", filter.name()),
            )
        })?;
        edge.check_not_frozen()?;
        let node = edge.node();
        let _filter = filter.drained_begin("drop-filter");
        let _node = node.drained_begin("drop-filter");
        let detached = self.detach_noperm(filter, &edge);
        let result = self.replace_noperm(filter, &node).and_then(|moved| {
            refresh_perms(&[filter.clone(), node.clone()]).inspect_err(|_| moved.undo())
        });
        if let Err(error) = result {
            self.reattach_noperm(filter, detached);
            restore_perms(&[filter, &node]);
            return Err(error);
        }
        Ok(())
    }

    /// QEMU: `bdrv_replace_node_noperm` (block.c).
    fn replace_noperm(&self, from: &Rc<Node>, to: &Rc<Node>) -> BlockResult<Moved> {
        let edges: Vec<_> = from
            .parents()
            .into_iter()
            .filter(|edge| should_move(edge, to))
            .collect();
        for edge in &edges {
            edge.check_not_frozen()?;
        }
        self.context().trace_layer(|| BlockTrace::ReplaceNode {
            from: from.label().clone(),
            to: to.label().clone(),
        });
        let mut moved = Moved { edges: Vec::new() };
        for edge in edges {
            move_edge(&edge, to);
            moved.edges.push((edge, from.clone()));
        }
        Ok(moved)
    }
}

/// QEMU: `should_update_child` (block.c).
fn should_move(edge: &Child, to: &Node) -> bool {
    match edge.parent() {
        Some(parent) if parent.stay_at_node() => false,
        // If `to` is made of this parent, moving its edge would close a ring.
        Some(parent) => parent.as_node().is_none_or(|node| !to.reaches(&node)),
        None => false,
    }
}

/// The graph is as it was, and so its permissions fit.
fn restore_perms(nodes: &[&Rc<Node>]) {
    let nodes: Vec<_> = nodes.iter().map(|node| Rc::clone(node)).collect();
    if let Err(error) = refresh_perms(&nodes) {
        tracing::error!(%error, "permissions that held before do not hold again");
    }
}
