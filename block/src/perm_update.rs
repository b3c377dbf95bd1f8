//! Checks and changes of permissions, over as much of the graph as a change can reach.
//!
//! A change is tried in full before any of it holds: every edge gets its tentative permissions,
//! every driver says whether it can live with them, and then all of it comes to hold or none.
//! Nodes are visited after all their parents, because what a node does with its children follows
//! from what its parents do with it.
//!
//! QEMU: `bdrv_refresh_perms`, `bdrv_list_refresh_perms` (block.c).

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::child::Child;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;
use crate::perm::{Perm, PermPair};

/// Computes the permissions of everything at and below `roots` anew from the edges above, and
/// makes them hold; or changes nothing and says which two users do not get on.
pub(crate) fn refresh_perms(roots: &[Rc<Node>]) -> BlockResult<()> {
    // A family moves whole: of one that is leaving nothing is asked here any more, and of one that
    // arrives not yet.
    let moves = |node: &Rc<Node>| {
        node.has_departed() || node.graph().is_some_and(|graph| graph.perms_later.get())
    };
    if roots.iter().any(moves) {
        return Ok(());
    }
    let order = sorted(roots, child_nodes);
    let mut checked = Vec::with_capacity(order.len());
    for node in &order {
        match check_node(node) {
            Ok(perms) => checked.push((node, perms)),
            Err(error) => {
                for (node, _) in checked.iter().rev() {
                    node.driver().abort_perms(node);
                }
                for node in &order {
                    for child in node.children() {
                        child.set_tentative(None);
                    }
                }
                return Err(error);
            }
        }
    }
    for (node, perms) in checked {
        node.driver().set_perms(node, perms);
        for child in node.children() {
            if let Some(perms) = child.take_tentative() {
                child.set_perms(perms);
            }
        }
    }
    // Limits come from below: what is above a filter that changed may not be what it was.
    for node in sorted(roots, parent_nodes) {
        node.refresh_limits();
    }
    Ok(())
}

/// Gives an edge other permissions, if everybody can live with them.
///
/// QEMU: `bdrv_child_try_set_perm` (block.c).
pub(crate) fn try_set_perms(edge: &Rc<Child>, perms: PermPair) -> BlockResult<()> {
    edge.set_tentative(Some(perms));
    let result = refresh_perms(&[edge.node()]);
    let tentative = edge.take_tentative();
    if let (Ok(()), Some(perms)) = (&result, tentative) {
        edge.set_perms(perms);
    }
    result
}

/// `roots` and all that `next` leads to, each after all those that lead to it.
fn sorted(roots: &[Rc<Node>], next: fn(&Node) -> Vec<Rc<Node>>) -> Vec<Rc<Node>> {
    fn visit(
        node: &Rc<Node>,
        next: fn(&Node) -> Vec<Rc<Node>>,
        seen: &mut BTreeSet<*const Node>,
        order: &mut Vec<Rc<Node>>,
    ) {
        if !seen.insert(Rc::as_ptr(node)) {
            return;
        }
        for node in next(node) {
            visit(&node, next, seen, order);
        }
        // All that it leads to is in the list already. Turned round, that is the order wanted; also
        // for several roots, as one that was visited late has all it leads to before it.
        order.push(node.clone());
    }
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for root in roots {
        visit(root, next, &mut seen, &mut order);
    }
    order.reverse();
    order
}

fn child_nodes(node: &Node) -> Vec<Rc<Node>> {
    node.children().iter().map(|child| child.node()).collect()
}

fn parent_nodes(node: &Node) -> Vec<Rc<Node>> {
    let parents = node.parents();
    let nodes = parents.iter().filter_map(|edge| edge.parent()?.as_node());
    nodes.collect()
}

fn check_node(node: &Rc<Node>) -> BlockResult<PermPair> {
    let parents = node.parents();
    check_conflicts(node, &parents)?;
    let perms = node.cumulative_perms();
    let writes = Perm::WRITE | Perm::WRITE_UNCHANGED | Perm::RESIZE;
    if node.is_read_only() && perms.used.intersects(writes) {
        return Err(BlockError::new(
            ErrorKind::ReadOnly,
            "Block node is read-only",
        ));
    }
    node.driver().check_perms(node, perms)?;
    for child in node.children() {
        let mut perms = node
            .driver()
            .child_perms(child.role(), perms, node.is_read_only());
        // QEMU: `bdrv_child_perm` (block.c).
        if child.node().settings().force_share {
            perms.shared = Perm::ALL;
        }
        child.set_tentative(Some(perms));
    }
    Ok(perms)
}

/// Of several conflicts the one is reported that QEMU reports: it looks at the newest user first.
///
/// QEMU: `bdrv_parent_perms_conflict`, `bdrv_a_allow_b` (block.c).
fn check_conflicts(node: &Node, parents: &[Rc<Child>]) -> BlockResult<()> {
    for other in parents.iter().rev() {
        let shared = other.tentative_perms().shared;
        for user in parents.iter().rev() {
            let refused = user.tentative_perms().used.without(shared);
            if !Rc::ptr_eq(user, other) && !refused.is_empty() {
                return Err(BlockError::new(
                    ErrorKind::InUse,
                    format!(
                        "Permission conflict on node '{}': permissions '{refused}' are both \
                         required by {} and unshared by {}.",
                        node.name(),
                        describe(user, node),
                        describe(other, node),
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn describe(edge: &Child, node: &Node) -> String {
    let parent = edge
        .parent()
        .map_or_else(|| "an unnamed user".to_owned(), |parent| parent.describe());
    format!(
        "{parent} (uses node '{}' as '{}' child)",
        node.name(),
        edge.name()
    )
}
