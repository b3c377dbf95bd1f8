//! Checks and changes of permissions, over as much of the graph as a change can reach.
//!
//! A change is tried in full before any of it holds: every edge gets its tentative permissions,
//! every driver says whether it can live with them, and then all of it comes to hold or none.
//! Nodes are visited after all their parents, because what a node does with its children follows
//! from what its parents do with it.
//!
//! QEMU: `bdrv_refresh_perms`, `bdrv_list_refresh_perms` (block.c).

use std::rc::Rc;

use crate::child::Child;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;
use crate::perm::{Perm, PermPair};

/// Computes the permissions of everything at and below `roots` anew from the edges above, and
/// makes them hold; or changes nothing and says which two users do not get on.
pub(crate) fn refresh_perms(roots: &[Rc<Node>]) -> BlockResult<()> {
    let order = parents_first(roots);
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
    // Limits come from below, so they are refreshed from the bottom up.
    for node in order.iter().rev() {
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

/// All nodes at and below `roots`, each after all its parents among them.
fn parents_first(roots: &[Rc<Node>]) -> Vec<Rc<Node>> {
    fn visit(node: &Rc<Node>, seen: &mut Vec<*const Node>, order: &mut Vec<Rc<Node>>) {
        if seen.contains(&Rc::as_ptr(node)) {
            return;
        }
        seen.push(Rc::as_ptr(node));
        for child in node.children() {
            visit(&child.node(), seen, order);
        }
        order.push(node.clone());
    }
    let mut order = Vec::new();
    let mut seen = Vec::new();
    for root in roots {
        visit(root, &mut seen, &mut order);
    }
    order.reverse();
    order
}

fn check_node(node: &Rc<Node>) -> BlockResult<PermPair> {
    let parents = node.parents();
    check_conflicts(node, &parents)?;
    let perms = node.cumulative_perms();
    let writes = Perm::WRITE | Perm::WRITE_UNCHANGED | Perm::RESIZE;
    if node.is_read_only() && perms.used.intersects(writes) {
        return Err(BlockError::new(
            ErrorKind::ReadOnly,
            format!("Block node '{}' is read-only", node.name()),
        ));
    }
    node.driver().check_perms(node, perms)?;
    for child in node.children() {
        let perms = node
            .driver()
            .child_perms(child.role(), perms, node.is_read_only());
        child.set_tentative(Some(perms));
    }
    Ok(perms)
}

/// QEMU: `bdrv_parent_perms_conflict`, `bdrv_a_allow_b` (block.c).
fn check_conflicts(node: &Node, parents: &[Rc<Child>]) -> BlockResult<()> {
    for user in parents {
        for other in parents {
            if Rc::ptr_eq(user, other) {
                continue;
            }
            let refused = user
                .tentative_perms()
                .used
                .without(other.tentative_perms().shared);
            if !refused.is_empty() {
                return Err(BlockError::new(
                    ErrorKind::InUse,
                    format!(
                        "Permission conflict on node '{}': permissions '{refused}' are both \
                         required by {} and unshared by {}",
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
