//! Packing: a family leaves its context.

use std::rc::Rc;

use crate::bitmap::{PackedBits, PackedNodeBitmap};
use crate::child::{Child, ChildRole};
use crate::directory::ReservedName;
use crate::driver::Limits;
use crate::moving::family::Family;
use crate::moving::packer::Packer;
use crate::moving::remote::PackedRemote;
use crate::moving::section::PackedSection;
use crate::moving::{PackedDriver, PackedNode, PackedUser};
use crate::node::Node;
use crate::perm::PermPair;
use crate::settings::NodeSettings;

/// A family on its way. Dropping it loses the family.
#[must_use = "the family is lost when this is dropped"]
pub struct Parcel {
    pub(crate) nodes: Vec<NodeState>,
    pub(crate) bits: PackedBits,
    pub(crate) users: Vec<Box<dyn PackedUser>>,
    pub(crate) kept: Vec<PackedSection>,
    pub(crate) remote: Vec<PackedRemote>,
}

/// An edge to another node of the parcel.
pub(crate) struct PackedEdge {
    pub(crate) name: &'static str,
    pub(crate) role: ChildRole,
    pub(crate) to: PackedNode,
    pub(crate) frozen: bool,
    /// To be compared there.
    pub(crate) perms: PermPair,
}

/// An edge from another node of the parcel.
pub(crate) struct PackedParent {
    pub(crate) node: PackedNode,
    /// Which of its edges.
    pub(crate) edge: usize,
}

/// What a node is, without whom it uses and who uses it.
pub(crate) struct NodeState {
    pub(crate) name: String,
    pub(crate) reserved: Option<ReservedName>,
    pub(crate) driver: Box<dyn PackedDriver>,
    pub(crate) edges: Vec<PackedEdge>,
    /// In their order; none for those that are not nodes.
    pub(crate) parents: Vec<Option<PackedParent>>,
    pub(crate) read_only: bool,
    pub(crate) implicit: bool,
    pub(crate) number: u64,
    pub(crate) settings: NodeSettings,
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) bitmaps: Vec<PackedNodeBitmap>,
}

/// What a node has counted.
#[derive(Clone, Copy)]
pub(crate) struct Counters {
    requests_begun: u64,
    wr_highest_offset: u64,
    write_gen: u64,
    flushed_gen: u64,
    known_len: u64,
}

impl Counters {
    fn of(node: &Node) -> Counters {
        Counters {
            requests_begun: node.io.requests.begun(),
            wr_highest_offset: node.io.wr_highest_offset.get(),
            write_gen: node.io.write_gen.get(),
            flushed_gen: node.io.flushed_gen.get(),
            known_len: node.io.known_len.get(),
        }
    }

    pub(crate) fn restore(self, node: &Node) {
        node.io.requests.set_begun(self.requests_begun);
        node.io.wr_highest_offset.set(self.wr_highest_offset);
        node.io.write_gen.set(self.write_gen);
        node.io.flushed_gen.set(self.flushed_gen);
        node.io.known_len.set(self.known_len);
    }
}

/// Packs a family that is drained, and of which everybody has said that he can move. What is left of the
/// nodes here answers every request with an error. Sections that the family does not keep end without
/// effect.
///
/// # Panics
///
/// If the family is not drained.
pub fn pack(family: Family) -> Parcel {
    assert!(
        family.is_drained(),
        "a family is packed while it is drained"
    );
    let remote = family.remote_sections();
    let Family { nodes, users, kept } = family;
    let some_hold_nodes = users.iter().any(|user| user.holds_nodes());
    let packer = Packer::new(&nodes);
    let edges: Vec<_> = nodes.iter().map(|node| edges_of(&packer, node)).collect();
    let parents: Vec<_> = nodes.iter().map(|it| parents_of(&packer, it)).collect();
    let packed_kept = kept.iter().map(|it| PackedSection::of(&packer, it));
    let packed_kept = packed_kept.collect();
    let remote = remote.iter().filter_map(|section| section.pack(&packer));
    let remote = remote.collect();
    // From here on whatever is taken apart tells nobody.
    nodes.iter().for_each(|node| node.depart());
    drop(kept);
    let users = users.into_iter().map(|user| user.pack(&packer)).collect();
    drop(packer.sections.take());
    let drivers: Vec<_> = nodes.iter().map(|node| node.driver().pack(node)).collect();
    let mut bits = PackedBits::default();
    let rest = edges.into_iter().zip(parents).zip(drivers);
    let packed = nodes.iter().zip(rest);
    let packed = packed.map(|(node, ((edges, parents), driver))| NodeState {
        edges,
        parents,
        ..take_apart(node, driver, &mut bits)
    });
    let packed = packed.collect();
    nodes.iter().for_each(|node| node.shed_edges());
    for node in nodes {
        // Whoever waits for a section of this node need not wait any more.
        node.drain_kick();
        debug_assert!(
            some_hold_nodes || Rc::strong_count(&node) == 1,
            "somebody has kept {node:?}"
        );
    }
    Parcel {
        nodes: packed,
        bits,
        users,
        kept: packed_kept,
        remote,
    }
}

fn edges_of(packer: &Packer<'_>, node: &Node) -> Vec<PackedEdge> {
    let edges = node.children();
    let edges = edges.iter().map(|edge| PackedEdge {
        name: edge.name(),
        role: edge.role(),
        to: packer.node(&edge.node()),
        frozen: edge.is_frozen(),
        perms: edge.perms(),
    });
    edges.collect()
}

fn parents_of(packer: &Packer<'_>, node: &Node) -> Vec<Option<PackedParent>> {
    let place = |edge: &Rc<Child>| {
        let parent = edge.parent()?.as_node()?;
        Some(PackedParent {
            node: packer.node(&parent),
            edge: parent.child_index(edge),
        })
    };
    node.parents().iter().map(place).collect()
}

/// All of it but its edges.
fn take_apart(node: &Rc<Node>, driver: Box<dyn PackedDriver>, bits: &mut PackedBits) -> NodeState {
    if let Some(graph) = node.graph() {
        graph.forget_node(node);
    }
    let bitmaps = node.io.bitmaps.take();
    NodeState {
        name: node.name().to_owned(),
        reserved: node.reserved.take(),
        driver,
        edges: Vec::new(),
        parents: Vec::new(),
        read_only: node.is_read_only(),
        implicit: node.is_implicit(),
        number: node.number(),
        settings: node.settings(),
        limits: node.limits(),
        counters: Counters::of(node),
        bitmaps: bitmaps.iter().map(|bitmap| bitmap.pack(bits)).collect(),
    }
}
