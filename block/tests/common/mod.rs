//! What the tests of the block layer's core share: a little world with one context and one graph, a
//! driver that does what a test needs, and users of nodes that write down what they are told.
#![allow(dead_code, unused_imports, unused_macros)] // Each test program uses some of it.

#[path = "driver.rs"]
mod driver;
#[path = "parent.rs"]
mod parent;

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::child::{Child, ChildRole};
use blockjob_block::{BlockBackend, BlockResult, Drained, Graph, Node, Perm, PermPair};
use blockjob_runtime::{AioContext, Coroutine};
use bytes::{Bytes, BytesMut};

pub(crate) use driver::{Pace, TestDriver};
pub(crate) use parent::TestParent;

/// Makes of each body two tests: one on this machine, one in virtual time.
macro_rules! in_both_lives {
    ($($(#[$meta:meta])* fn $name:ident($world:ident) $body:block)*) => { $(
        mod $name {
            #[allow(unused_imports)] // Not every body needs what the file imports.
            use super::*;

            fn body($world: $crate::common::World) $body

            $(#[$meta])*
            #[test]
            fn on_this_machine() {
                body($crate::common::World::real());
            }

            $(#[$meta])*
            #[test]
            fn in_virtual_time() {
                body($crate::common::World::new());
            }
        }
    )* };
}

/// A user who writes and lets nobody else.
pub(crate) const EXCLUSIVE: PermPair = PermPair::new(
    Perm::CONSISTENT_READ.or(Perm::WRITE),
    Perm::ALL.without(Perm::WRITE),
);

/// The length of most disks here.
pub(crate) const LEN: u64 = 64 << 10;

/// A user who does everything and minds nothing.
pub(crate) const LAX: PermPair = PermPair::new(Perm::ALL, Perm::ALL);

/// A context and an empty graph.
pub(crate) struct World {
    pub context: AioContext,
    pub graph: Rc<Graph>,
}

impl World {
    /// In virtual time: a wait for ever panics, and a sleep costs nothing.
    pub(crate) fn new() -> World {
        Self::on(AioContext::builder().virtual_time().build())
    }

    /// On this machine.
    pub(crate) fn real() -> World {
        Self::on(AioContext::new())
    }

    pub(crate) fn on(context: AioContext) -> World {
        let graph = Graph::new(&context);
        World { context, graph }
    }

    /// A node with a driver that the test keeps, too.
    pub(crate) fn node(
        &self,
        name: &str,
        driver: &TestDriver,
        children: &[(&'static str, ChildRole, &Rc<Node>)],
    ) -> Rc<Node> {
        self.try_node(name, driver, children)
            .expect("nobody objects")
    }

    pub(crate) fn try_node(
        &self,
        name: &str,
        driver: &TestDriver,
        children: &[(&'static str, ChildRole, &Rc<Node>)],
    ) -> BlockResult<Rc<Node>> {
        let children: Vec<_> = children
            .iter()
            .map(|(name, role, node)| (*name, *role, Rc::clone(node)))
            .collect();
        let driver = Box::new(driver.clone());
        self.graph.add_node(Some(name), driver, false, &children)
    }

    /// A disk without children.
    pub(crate) fn disk(&self, name: &str) -> (Rc<Node>, TestDriver) {
        let driver = TestDriver::new(LEN);
        (self.node(name, &driver, &[]), driver)
    }

    /// A filter on top of `below`.
    pub(crate) fn filter(&self, name: &str, below: &Rc<Node>) -> (Rc<Node>, TestDriver) {
        let driver = TestDriver::filter();
        let children = [("file", ChildRole::Filtered, below)];
        (self.node(name, &driver, &children), driver)
    }

    /// A backend with a name, or without one, on `node`.
    pub(crate) fn backend(&self, name: &str, node: &Rc<Node>) -> Rc<BlockBackend> {
        let backend = BlockBackend::new(&self.graph, name, LAX).expect("the name is free");
        backend.insert(node).expect("nobody objects");
        backend
    }

    /// Everything that a change of the graph could leave behind, as text.
    pub(crate) fn dump(&self) -> String {
        let nodes = self.graph.nodes();
        nodes.iter().map(|node| dump_node(node)).collect()
    }

    /// A backend that does and shares what `perms` says, without a name.
    pub(crate) fn user(&self, node: &Rc<Node>, perms: PermPair) -> BlockResult<Rc<BlockBackend>> {
        let backend = BlockBackend::new(&self.graph, "", perms).expect("unnamed");
        backend.insert(node)?;
        Ok(backend)
    }

    /// Runs a coroutine to its end.
    pub(crate) fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        self.context.run("test", future)
    }

    /// Starts a coroutine, and leaves it alone.
    pub(crate) fn start<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> Started<T> {
        let result = Rc::new(Cell::new(None));
        let coroutine = self.context.coroutine("started", {
            let result = result.clone();
            async move { result.set(Some(future.await)) }
        });
        self.enter(&coroutine);
        Started(result)
    }

    fn enter(&self, coroutine: &Coroutine) {
        let _current = self.context.make_current();
        coroutine.enter();
    }

    /// Polls until nothing runs any more. Time does not pass.
    pub(crate) fn settle(&self) {
        while self.context.poll(false) {}
    }

    /// Polls until `started` has ended.
    pub(crate) fn finish<T: 'static>(&self, started: &Started<T>) -> T {
        self.context.poll_while(|| !started.ended());
        started.take()
    }

    /// Begins a section as `way` says.
    pub(crate) fn drain(&self, way: Way, node: &Rc<Node>) -> Drained {
        let node = node.clone();
        let graph = self.graph.clone();
        match way {
            Way::Node => node.drained_begin("test"),
            Way::Subtree => node.subtree_drained_begin("test"),
            Way::All => graph.drain_all_begin("test"),
            Way::CoNode => self.run(async move { node.co_drained_begin("test").await }),
            Way::CoSubtree => self.run(async move { node.co_subtree_drained_begin("test").await }),
            Way::CoAll => self.run(async move { graph.co_drain_all_begin("test").await }),
        }
    }
}

fn dump_node(node: &Node) -> String {
    let mut text = format!("{} {:?}\n", node.name(), node.limits());
    text += &format!("  sections {}\n", node.quiesce_counter());
    for child in node.children() {
        text += &format!("  {}\n", dump_edge(&child));
    }
    let mut parents: Vec<_> = node.parents().iter().map(|edge| dump_edge(edge)).collect();
    // Who comes first decides nothing but which of several conflicts is reported.
    parents.sort();
    for parent in parents {
        text += &format!("  < {parent}\n");
    }
    text
}

fn dump_edge(edge: &Child) -> String {
    let parent = edge
        .parent()
        .map_or_else(String::new, |parent| parent.describe());
    let perms = edge.perms();
    format!(
        "{parent} --{} {:?}--> {} uses ({}) shares ({}) frozen {} stopped {}",
        edge.name(),
        edge.role(),
        edge.node().name(),
        perms.used,
        perms.shared,
        edge.is_frozen(),
        edge.quiesced_parent(),
    )
}

/// How to begin a drained section: of what, from the main loop or from a coroutine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Node,
    Subtree,
    All,
    CoNode,
    CoSubtree,
    CoAll,
}

impl Way {
    pub(crate) const EACH: [Way; 6] = [
        Way::Node,
        Way::Subtree,
        Way::All,
        Way::CoNode,
        Way::CoSubtree,
        Way::CoAll,
    ];

    /// Whether the section covers what is below the node, too.
    pub(crate) fn recursive(self) -> bool {
        !matches!(self, Way::Node | Way::CoNode)
    }
}

/// A coroutine that a test has started, and its result.
pub(crate) struct Started<T>(Rc<Cell<Option<T>>>);

impl<T> Started<T> {
    pub(crate) fn ended(&self) -> bool {
        let result = self.0.take();
        let ended = result.is_some();
        self.0.set(result);
        ended
    }

    pub(crate) fn take(&self) -> T {
        self.0.take().expect("it has ended")
    }
}

/// Reads `bytes` at `offset`, and says how that went.
pub(crate) async fn read(
    backend: Rc<BlockBackend>,
    offset: u64,
    bytes: usize,
) -> BlockResult<Vec<u8>> {
    let (buf, result) = backend.read(offset, BytesMut::zeroed(bytes)).await;
    result.map(|()| buf.to_vec())
}

/// Writes `bytes` copies of `pattern` at `offset`.
pub(crate) async fn write(
    backend: Rc<BlockBackend>,
    offset: u64,
    bytes: usize,
    pattern: u8,
) -> BlockResult<()> {
    backend
        .write(offset, Bytes::from(vec![pattern; bytes]))
        .await
}
