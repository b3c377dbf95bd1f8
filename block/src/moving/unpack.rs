//! Unpacking: a family arrives in its new context.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::backend::BlockBackend;
use crate::bitmap::{NodeBitmap, SharedBits};
use crate::drain::Drained;
use crate::graph::Graph;
use crate::moving::pack::{NodeState, PackedEdge, PackedParent, Parcel};
use crate::moving::{PackedBitmap, PackedNode, Place};
use crate::node::Node;
use crate::perm_update::refresh_perms;

/// Given to users while they come to be again.
pub struct Arrival<'a> {
    place: &'a Place,
    nodes: &'a [Rc<Node>],
    backends: RefCell<Vec<Rc<BlockBackend>>>,
}

impl Arrival<'_> {
    /// Where the family is to live.
    pub fn place(&self) -> &Place {
        self.place
    }

    /// The node that [`Packer::node`](super::Packer::node) has named. It is drained.
    pub fn node(&self, node: PackedNode) -> Rc<Node> {
        self.nodes[node.0].clone()
    }

    /// The bitmap that [`Packer::bitmap`](super::Packer::bitmap) has named.
    pub fn bitmap(&self, bitmap: PackedBitmap) -> Rc<NodeBitmap> {
        let node = &self.nodes[bitmap.node.0];
        let bitmaps = node.io.bitmaps.borrow();
        bitmaps[bitmap.index].clone()
    }

    /// The drained section that [`Packer::section`](super::Packer::section) has named.
    pub fn section(&self, section: super::PackedSection) -> Drained {
        section.begin(self.nodes)
    }

    /// Keeps a backend until whoever is to own it takes it from [`Moved::backends`].
    pub fn keep_backend(&self, backend: Rc<BlockBackend>) {
        self.backends.borrow_mut().push(backend);
    }
}

/// A family that has arrived, still drained as it was when it left. Owners take their references; the
/// rest is dropped with this, and the sections end.
pub struct Moved {
    /// All nodes, in the order in which they were first made.
    pub nodes: Vec<Rc<Node>>,
    /// The backends that nobody owns but the caller.
    pub backends: Vec<Rc<BlockBackend>>,
    sections: Vec<Drained>,
    /// Such that nobody else holds.
    _others: Vec<Drained>,
}

impl Moved {
    /// The sections that [`Family::keep`](super::Family::keep) was given, in that order.
    pub fn sections(&mut self) -> Vec<Drained> {
        std::mem::take(&mut self.sections)
    }
}

/// Unpacks a family in the current context, which is that of `place`.
///
/// # Panics
///
/// If a name of the family is taken in the graph of `place`. With a
/// [`Directory`](crate::directory::Directory) over both graphs it cannot be.
pub fn unpack(parcel: Parcel, place: &Place) -> Moved {
    let graph = place.graph();
    let later = graph.perms_later.replace(true);
    assert!(!later, "two families arrive at the same time");
    let Parcel {
        nodes: mut packed,
        bits,
        users,
        kept,
        remote,
    } = parcel;
    let bits = bits.unpack();
    let edges = packed.iter_mut().map(|it| std::mem::take(&mut it.edges));
    let edges: Vec<_> = edges.collect();
    let parents = packed.iter_mut().map(|it| std::mem::take(&mut it.parents));
    let parents: Vec<_> = parents.collect();
    let nodes = packed.into_iter().map(|state| build(graph, state, &bits));
    let nodes: Vec<_> = nodes.collect();
    // Before there is anybody who could send a request.
    let sections = kept.into_iter().map(|it| it.begin(&nodes)).collect();
    let remote = remote.into_iter().map(|it| it.begin(&nodes));
    let remote: Vec<_> = remote.collect();
    // If it was drained by a section of all nodes that were there with it, that one is not here.
    let free = nodes.iter().filter(|node| node.quiesce_counter() == 0);
    let free = free.map(|node| Drained::of_arrived(node, false, "arrival"));
    let mut others: Vec<_> = free.collect();
    for (node, edges) in nodes.iter().zip(&edges) {
        attach(graph, &nodes, node, edges);
    }
    nodes.iter().for_each(|node| node.driver().arrived(node));
    let arrival = Arrival {
        place,
        nodes: &nodes,
        backends: RefCell::default(),
    };
    users.into_iter().for_each(|user| user.unpack(&arrival));
    let backends = arrival.backends.take();
    for (node, were) in nodes.iter().zip(parents) {
        order_parents(&nodes, node, &were);
    }
    graph.perms_later.set(false);
    hold_perms(&nodes, &edges);
    // Whoever has let go of one meanwhile has done so before this, and then it ends with what is returned.
    others.extend(remote.into_iter().flat_map(|it| it.settle(graph)));
    Moved {
        nodes,
        backends,
        sections,
        _others: others,
    }
}

/// Has the permissions of all nodes come to hold, as they were.
fn hold_perms(nodes: &[Rc<Node>], edges: &[Vec<PackedEdge>]) {
    if let Err(error) = refresh_perms(nodes) {
        // They held before, and nobody else uses these nodes.
        tracing::error!(%error, "permissions that held in one context do not hold in another");
        debug_assert!(false, "permissions do not hold any more: {error}");
    }
    for (node, were) in nodes.iter().zip(edges) {
        for (edge, was) in node.children().iter().zip(were) {
            debug_assert_eq!(edge.perms(), was.perms, "{edge:?} on its way");
        }
    }
}

/// Parents are told of sections, and named in refusals, in the order in which they came.
fn order_parents(nodes: &[Rc<Node>], node: &Node, were: &[Option<PackedParent>]) {
    let mut users: VecDeque<_> = node.parents().into();
    users.retain(|edge| edge.parent().is_none_or(|it| it.as_node().is_none()));
    let parents = were.iter().filter_map(|was| match was {
        Some(PackedParent { node, edge }) => nodes[node.0].children().get(*edge).cloned(),
        None => users.pop_front(),
    });
    let mut parents: Vec<_> = parents.collect();
    parents.extend(users);
    node.set_parents(&parents);
}

/// A node without edges, in as many sections as there are of the whole graph.
fn build(graph: &Rc<Graph>, state: NodeState, bits: &[SharedBits]) -> Rc<Node> {
    let taken = graph.find_node(&state.name).is_some();
    assert!(!taken, "the name '{}' is taken", state.name);
    if let Some(reserved) = &state.reserved {
        let known = graph.directory().is_some_and(|it| reserved.is_of(it));
        assert!(
            known,
            "'{}' moves to a graph of another program",
            state.name
        );
        reserved.moved_to(&graph.context().handle());
    }
    let driver = state.driver.unpack(graph);
    let node = Node::arrive(graph, state.name, driver, state.read_only, state.number);
    node.set_settings(state.settings);
    node.implicit.set(state.implicit);
    *node.reserved.borrow_mut() = state.reserved;
    node.io.limits.set(state.limits);
    state.counters.restore(&node);
    for bitmap in state.bitmaps {
        // One by one: those that have no name are told apart by those that are there.
        let bitmap = bitmap.unpack(bits, &node);
        node.io.bitmaps.borrow_mut().push(bitmap);
    }
    for _ in 0..graph.drain_all_count.get() {
        node.quiesce_begin();
    }
    graph.register_node(&node);
    node
}

fn attach(graph: &Rc<Graph>, nodes: &[Rc<Node>], node: &Rc<Node>, edges: &[PackedEdge]) {
    for edge in edges {
        let attached = graph.attach_noperm(node, edge.name, edge.role, &nodes[edge.to.0]);
        attached.set_frozen(edge.frozen);
    }
}
