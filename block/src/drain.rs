//! Drained sections: moments in which nothing is in flight at a node.
//!
//! A section begins in two phases. First everybody who sends requests to the node is told to stop:
//! its parents, theirs, up to the backends and jobs. This only counts and takes notes. Then the
//! caller polls (in the main loop) or waits (in a coroutine) until the node and all of those have
//! nothing in flight. Sections nest, and nodes may be attached and detached while they last: an
//! edge to a drained node stops its parent, an edge that leaves one lets it go on.
//!
//! A request that was queued because of a section counts as in flight from the moment in which it
//! is let go, not from when it runs: else a second section could begin in between.
//!
//! QEMU: `bdrv_drained_begin` (block/io.c). The section of a whole subtree is that of QEMU before
//! 8.0, `bdrv_subtree_drained_begin`.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use blockjob_runtime::{AioContext, in_coroutine};

use crate::graph::Graph;
use crate::marks;
use crate::node::Node;
use crate::request::{ALL_NODES, BlockTrace};
use crate::section::{Section, Sections};

/// What a section covers.
enum Extent {
    Node(Rc<Node>),
    Subtree(Rc<Node>),
    All(Rc<Graph>),
}

impl Extent {
    fn context(&self) -> &AioContext {
        match self {
            Extent::Node(node) | Extent::Subtree(node) => node.context(),
            Extent::All(graph) => graph.context(),
        }
    }
}

/// A drained section; dropping it ends it. It can be kept, and moved into whatever is done last.
#[must_use = "the section ends when this is dropped"]
pub struct Drained {
    extent: Extent,
    section: Rc<Section>,
}

impl Drained {
    fn begin(extent: Extent, owner: &'static str) -> Self {
        let (sections, node, subtree) = match &extent {
            Extent::Node(node) => (node.sections(), node.label(), false),
            Extent::Subtree(node) => (node.sections(), node.label(), true),
            Extent::All(graph) => (&graph.sections, &ALL_NODES.into(), true),
        };
        let since_ns = extent.context().now_ns();
        let section = Section::begin(sections, node, subtree, owner, since_ns);
        let drained = Drained { extent, section };
        drained.trace(|node, section| BlockTrace::DrainBegin {
            node,
            section,
            owner,
        });
        match &drained.extent {
            Extent::Node(node) => node.quiesce_begin(),
            Extent::Subtree(node) => node.subtree_quiesce_begin(),
            Extent::All(graph) => graph.drain_all_quiesce_begin(),
        }
        drained
    }

    /// A section of a node that has just come to be in this context, and with it nothing in flight.
    pub(crate) fn of_arrived(node: &Rc<Node>, subtree: bool, owner: &'static str) -> Self {
        let extent = match subtree {
            true => Extent::Subtree(node.clone()),
            false => Extent::Node(node.clone()),
        };
        Drained::begin(extent, owner).established()
    }

    /// The node that it drains, unless that is the whole graph, and whether also what is below it.
    pub(crate) fn node(&self) -> Option<(&Rc<Node>, bool)> {
        match &self.extent {
            Extent::Node(node) => Some((node, false)),
            Extent::Subtree(node) => Some((node, true)),
            Extent::All(_) => None,
        }
    }

    fn context(&self) -> &AioContext {
        self.extent.context()
    }

    fn trace(&self, event: impl FnOnce(Rc<str>, u64) -> BlockTrace) {
        let section = &self.section;
        self.context()
            .trace_layer(|| event(section.node.clone(), section.id));
    }

    /// True while something that the section covers is still in flight.
    pub(crate) fn busy(&self) -> bool {
        match &self.extent {
            Extent::Node(node) => node.drain_poll(),
            Extent::Subtree(node) => any_busy(node.subtree()),
            Extent::All(graph) => any_busy(graph.nodes()),
        }
    }

    /// Who asked for the section.
    pub fn owner(&self) -> &'static str {
        self.section.owner
    }

    pub(crate) fn established(self) -> Self {
        let owner = self.owner();
        self.section.established.set(true);
        self.trace(|node, section| BlockTrace::Drained {
            node,
            section,
            owner,
        });
        self
    }

    /// Polls until the section is established. Nobody else is let go on meanwhile.
    fn poll(self) -> Self {
        // Without this, a coroutine would get away with it whenever nothing is in flight.
        assert!(
            !in_coroutine(),
            "'{}' drains by polling, inside of a coroutine: it must await instead",
            self.owner()
        );
        let context = self.context().clone();
        context.mark_if(|| self.busy(), &marks::DRAIN_POLLED);
        // One loop at the end, and no poll before it: what runs in it may change the graph.
        context.poll_while(|| self.busy());
        self.established()
    }

    /// Waits, as a coroutine, until the section is established.
    async fn wait(self) -> Self {
        let waiters = match &self.extent {
            Extent::Node(node) | Extent::Subtree(node) => node.io.drain_waiters.clone(),
            Extent::All(graph) => graph.drain_waiters.clone(),
        };
        while self.busy() {
            self.context().mark(&marks::DRAIN_AWAITED);
            waiters.wait().await;
        }
        self.established()
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let owner = self.owner();
        self.trace(|node, section| BlockTrace::DrainEnd {
            node,
            section,
            owner,
        });
        // First the list: whoever is let go on below may look at it.
        match &self.extent {
            Extent::Node(node) => {
                self.section.end(node.sections());
                node.quiesce_end();
            }
            Extent::Subtree(node) => {
                self.section.end(node.sections());
                node.subtree_quiesce_end();
            }
            Extent::All(graph) => {
                self.section.end(&graph.sections);
                graph.drain_all_quiesce_end();
            }
        }
    }
}

impl Node {
    /// Begins a drained section, polling the main loop until it is established. `owner` says who
    /// asks, for traces and explanations.
    ///
    /// QEMU: `bdrv_drained_begin` (block/io.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: see [`co_drained_begin`](Self::co_drained_begin).
    pub fn drained_begin(&self, owner: &'static str) -> Drained {
        Drained::begin(Extent::Node(self.rc()), owner).poll()
    }

    /// Begins a drained section from a coroutine. The coroutine must not itself be counted in what
    /// it waits for, or it waits for ever.
    ///
    /// QEMU: `bdrv_co_yield_to_drain` (block/io.c).
    pub async fn co_drained_begin(&self, owner: &'static str) -> Drained {
        Drained::begin(Extent::Node(self.rc()), owner).wait().await
    }

    /// Begins a drained section from a coroutine that is itself counted in what it waits for, as
    /// a user of the node. `asking` is true while the section looks who is busy, and at no other
    /// time: by it the user's `drained_poll` tells its own section, for which it must leave itself
    /// out, from those of others, which have to wait for it.
    ///
    /// QEMU: `in_drain` of `MirrorBlockJob` (block/mirror.c), which does not tell them apart.
    pub async fn co_drained_begin_asking(
        &self,
        owner: &'static str,
        asking: &Cell<bool>,
    ) -> Drained {
        let drained = Drained::begin(Extent::Node(self.rc()), owner);
        loop {
            asking.set(true);
            let busy = drained.busy();
            asking.set(false);
            if !busy {
                return drained.established();
            }
            self.io.drain_waiters.wait().await;
        }
    }

    /// Begins a section without waiting for it: from now on nobody starts anything, but requests
    /// may be in flight.
    ///
    /// QEMU: `bdrv_do_drained_begin_quiesce` (block/io.c).
    pub fn drained_begin_no_poll(&self, owner: &'static str) -> Drained {
        Drained::begin(Extent::Node(self.rc()), owner)
    }

    /// Begins a drained section of the node and of all that is below it.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn subtree_drained_begin(&self, owner: &'static str) -> Drained {
        Drained::begin(Extent::Subtree(self.rc()), owner).poll()
    }

    /// Begins a drained section of the node and of all that is below it, from a coroutine that is
    /// not itself counted in what it waits for.
    pub async fn co_subtree_drained_begin(&self, owner: &'static str) -> Drained {
        Drained::begin(Extent::Subtree(self.rc()), owner)
            .wait()
            .await
    }

    /// Waits, polling, until nothing is in flight at the node.
    ///
    /// QEMU: `bdrv_drain` (block/io.c).
    pub fn drain(&self, owner: &'static str) {
        drop(self.drained_begin(owner));
    }

    /// Waits, as a coroutine, until nothing is in flight at the node.
    ///
    /// QEMU: `bdrv_co_drain` (block/io.c, up to 7.2).
    pub async fn co_drain(&self, owner: &'static str) {
        drop(self.co_drained_begin(owner).await);
    }

    /// How many drained sections the node is in.
    pub fn quiesce_counter(&self) -> u32 {
        self.io.quiesce_counter.get()
    }

    /// QEMU: `bdrv_do_drained_begin_quiesce` (block/io.c).
    pub(crate) fn quiesce_begin(&self) {
        if self.has_departed() {
            return;
        }
        let counter = &self.io.quiesce_counter;
        counter.set(counter.get() + 1);
        if counter.get() > 1 {
            self.context().mark(&marks::DRAIN_NESTED);
            return;
        }
        for edge in self.parents() {
            if !edge.quiesced_parent() {
                edge.parent_drained_begin();
            }
        }
        self.driver().drained_begin(self);
    }

    /// QEMU: `bdrv_drain_poll` (block/io.c).
    pub(crate) fn drain_poll(&self) -> bool {
        any_busy(vec![self.rc()])
    }

    /// QEMU: `bdrv_do_drained_end` (block/io.c).
    pub(crate) fn quiesce_end(&self) {
        if self.has_departed() {
            return;
        }
        let counter = &self.io.quiesce_counter;
        assert!(counter.get() > 0, "'{}' is not drained", self.name());
        counter.set(counter.get() - 1);
        if counter.get() > 0 {
            return;
        }
        self.driver().drained_end(self);
        for edge in self.parents() {
            // A parent that went on before this one may have begun a section anew; then those who
            // are still stopped stay so.
            if counter.get() > 0 {
                return;
            }
            // Or it may have moved the edge to a node that is drained.
            if edge.quiesced_parent() && std::ptr::eq(self, &raw const *edge.node()) {
                edge.parent_drained_end();
            }
        }
    }

    pub(crate) fn subtree_quiesce_begin(&self) {
        if self.has_departed() {
            return;
        }
        let counter = &self.io.subtree_quiesce_counter;
        counter.set(counter.get() + 1);
        self.quiesce_begin();
        for child in self.children() {
            child.node().subtree_quiesce_begin();
        }
    }

    pub(crate) fn subtree_quiesce_end(&self) {
        if self.has_departed() {
            return;
        }
        let counter = &self.io.subtree_quiesce_counter;
        counter.set(counter.get() - 1);
        // The nodes, not the edges: whoever is let go here may move an edge, and then it takes the
        // sections that are left along, but not this one.
        let below: Vec<_> = self.children().iter().map(|child| child.node()).collect();
        for node in below {
            node.subtree_quiesce_end();
        }
        self.quiesce_end();
    }

    /// Has those look again who wait, as coroutines, for a drained section anywhere in the graph.
    /// Called when something that they wait for may have ended: whoever is the parent of a node
    /// and answered true to `drained_poll` must see to it that this is called before they can hear
    /// false.
    ///
    /// QEMU: `bdrv_wakeup` (block/io.c), `aio_wait_kick` (util/aio-wait.c).
    pub fn drain_kick(&self) {
        self.io.drain_waiters.wake_all();
    }

    fn sections(&self) -> &Rc<Sections> {
        &self.io.sections
    }
}

impl Graph {
    /// Begins a drained section of every node there is, and of every node that is made while it
    /// lasts.
    ///
    /// QEMU: `bdrv_drain_all_begin` (block/io.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn drain_all_begin(self: &Rc<Self>, owner: &'static str) -> Drained {
        Drained::begin(Extent::All(self.clone()), owner).poll()
    }

    /// Begins a drained section of every node, as [`drain_all_begin`](Self::drain_all_begin) does,
    /// from a coroutine that is not itself counted in what it waits for.
    pub async fn co_drain_all_begin(self: &Rc<Self>, owner: &'static str) -> Drained {
        Drained::begin(Extent::All(self.clone()), owner)
            .wait()
            .await
    }

    fn drain_all_quiesce_begin(&self) {
        self.drain_all_count.set(self.drain_all_count.get() + 1);
        for node in self.nodes() {
            node.quiesce_begin();
        }
    }

    fn drain_all_quiesce_end(&self) {
        // First the count: a node that is made by whoever is let go on here is not in the loop.
        self.drain_all_count.set(self.drain_all_count.get() - 1);
        for node in self.nodes() {
            node.quiesce_end();
        }
    }
}

/// Whether one of `nodes`, or anybody who sends requests to it, has something under way. Each node
/// is asked once, however many paths lead to it.
///
/// QEMU: `bdrv_drain_poll`, `bdrv_parent_drained_poll` (block/io.c), which ask once a path.
fn any_busy(nodes: Vec<Rc<Node>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = nodes;
    while let Some(node) = open.pop() {
        if !seen.insert(Rc::as_ptr(&node)) {
            continue;
        }
        if node.io.in_flight.get() > 0 {
            return true;
        }
        for edge in node.parents() {
            let Some(parent) = edge.parent() else {
                continue;
            };
            match parent.as_node() {
                Some(node) => open.push(node),
                None if parent.drained_poll(&edge) => return true,
                None => {}
            }
        }
    }
    false
}
