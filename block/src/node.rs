//! `Node`: one image, filter or protocol in the graph, with what goes on in it.
//!
//! A node has two kinds of state, and they are kept apart because they change at different times:
//!
//! - *global state*, the edges and blockers, is touched only outside of coroutines, and only while
//!   the nodes concerned are drained ([`crate::graph`]);
//! - *I/O state* (`IoState`), the requests and bitmaps, is touched by requests.
//!
//! Both live in the node's home context. A node that goes to another one ([`crate::moving`]) is made anew
//! there, and what is left of it here has *departed*: it answers every request with an error.
//!
//! QEMU: `BlockDriverState` (include/block/block_int-common.h).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::rc::{Rc, Weak};

use blockjob_runtime::{AioContext, CoQueue};

use crate::bitmap::NodeBitmap;
use crate::child::{Child, ChildParent, ChildRole};
use crate::directory::ReservedName;
use crate::driver::{Driver, Limits};
use crate::error::BlockResult;
use crate::graph::Graph;
use crate::op_blocker::{BlockOp, OpBlock, OpBlockers};
use crate::perm::PermPair;
use crate::request::Requests;
use crate::section::Sections;
use crate::settings::NodeSettings;

/// What goes on in a node; see the module.
pub(crate) struct IoState {
    /// Requests, and whatever else must end before a drained section begins.
    pub(crate) in_flight: Cell<u64>,
    /// Open drained sections, its own and those of nodes below it.
    pub(crate) quiesce_counter: Cell<u32>,
    /// Open drained sections of the subtree: also for children that are attached later.
    pub(crate) subtree_quiesce_counter: Cell<u32>,
    /// Coroutines that wait for the beginning of a drained section, of whichever node of the graph:
    /// what one of them waits for may be anywhere above it, and edges move.
    pub(crate) drain_waiters: Rc<CoQueue>,
    /// The open drained sections of the graph.
    pub(crate) sections: Rc<Sections>,
    pub(crate) requests: Requests,
    /// See [`Node::wr_highest_offset`].
    pub(crate) wr_highest_offset: Cell<u64>,
    /// Counts the writes that have ended.
    pub(crate) write_gen: Cell<u64>,
    /// The `write_gen` that the last good flush has made safe.
    pub(crate) flushed_gen: Cell<u64>,
    pub(crate) flush_active: Cell<bool>,
    pub(crate) flush_queue: CoQueue,
    pub(crate) bitmaps: RefCell<Vec<Rc<NodeBitmap>>>,
    pub(crate) limits: Cell<Limits>,
    /// The length as of the last change of it, or of the graph, that the node has seen.
    pub(crate) known_len: Cell<u64>,
}

/// A node of the graph.
///
/// QEMU: `BlockDriverState` (include/block/block_int-common.h).
pub struct Node {
    name: Rc<str>,
    driver: Box<dyn Driver>,
    context: AioContext,
    graph: Weak<Graph>,
    myself: Weak<Node>,
    read_only: Cell<bool>,
    number: Cell<u64>,
    pub(crate) settings: Cell<NodeSettings>,
    /// See [`is_implicit`](Self::is_implicit).
    pub(crate) implicit: Cell<bool>,
    /// Keeps others from what they must not do with its backing node.
    pub(crate) backing_block: RefCell<Option<OpBlock>>,
    /// Its name, in a program with several graphs.
    pub(crate) reserved: RefCell<Option<ReservedName>>,
    /// It has moved: what is left here is empty.
    pub(crate) departed: Cell<bool>,
    pub(crate) children: RefCell<Vec<Rc<Child>>>,
    pub(crate) parents: RefCell<Vec<Weak<Child>>>,
    pub(crate) op_blockers: OpBlockers,
    pub(crate) io: IoState,
}

impl Node {
    pub(crate) fn new(
        graph: &Rc<Graph>,
        name: String,
        driver: Box<dyn Driver>,
        read_only: bool,
    ) -> Rc<Node> {
        Rc::new_cyclic(|myself| Node {
            name: name.into(),
            driver,
            context: graph.context().clone(),
            graph: Rc::downgrade(graph),
            myself: myself.clone(),
            read_only: Cell::new(read_only),
            number: Cell::new(graph.take_node_number()),
            settings: Cell::default(),
            implicit: Cell::new(false),
            backing_block: RefCell::default(),
            reserved: RefCell::default(),
            departed: Cell::new(false),
            children: RefCell::default(),
            parents: RefCell::default(),
            op_blockers: OpBlockers::default(),
            io: IoState {
                in_flight: Cell::new(0),
                quiesce_counter: Cell::new(0),
                subtree_quiesce_counter: Cell::new(0),
                drain_waiters: graph.drain_waiters.clone(),
                sections: graph.sections.clone(),
                requests: Requests::default(),
                wr_highest_offset: Cell::new(0),
                write_gen: Cell::new(0),
                flushed_gen: Cell::new(0),
                flush_active: Cell::new(false),
                flush_queue: CoQueue::new(),
                bitmaps: RefCell::default(),
                limits: Cell::new(Limits::default()),
                known_len: Cell::new(0),
            },
        })
    }

    /// Its name, unique in the graph.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name, to be kept: as [`name`](Self::name).
    pub fn label(&self) -> &Rc<str> {
        &self.name
    }

    /// What it does its work with.
    pub fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    /// The context in which its I/O state lives.
    ///
    /// QEMU: `bdrv_get_aio_context` (block.c).
    pub fn context(&self) -> &AioContext {
        &self.context
    }

    /// The graph that it is part of, unless that is going away.
    pub fn graph(&self) -> Option<Rc<Graph>> {
        self.graph.upgrade()
    }

    /// A new owner of this node.
    pub fn rc(&self) -> Rc<Node> {
        self.myself.upgrade().expect("a node that is in use exists")
    }

    /// How many nodes of the graph were made before it.
    pub fn number(&self) -> u64 {
        self.number.get()
    }

    /// Gives the node a number that [`Graph::take_node_number`] has kept for it: its place before the
    /// nodes that its driver opens for itself.
    pub fn set_number(&self, number: u64) {
        self.number.set(number);
    }

    /// The end of the highest write so far, in bytes.
    ///
    /// QEMU: `wr_highest_offset` of `BlockDriverState` (include/block/block_int-common.h).
    pub fn wr_highest_offset(&self) -> u64 {
        self.io.wr_highest_offset.get()
    }

    /// True if it refuses to be written to.
    ///
    /// QEMU: `bdrv_is_read_only` (block.c).
    pub fn is_read_only(&self) -> bool {
        self.read_only.get()
    }

    /// Whether it refused before.
    pub(crate) fn set_read_only(&self, read_only: bool) -> bool {
        self.read_only.replace(read_only)
    }

    /// What it can take, as of the last change of the graph.
    pub fn limits(&self) -> Limits {
        self.io.limits.get()
    }

    /// Asks the driver again what it can take.
    ///
    /// QEMU: `bdrv_refresh_limits` (block/io.c).
    pub fn refresh_limits(&self) {
        let limits = self.driver.limits(self);
        assert!(limits.request_alignment.is_power_of_two());
        self.io.limits.set(limits);
        self.io.known_len.set(self.len().unwrap_or(0));
    }

    /// Its length in bytes.
    ///
    /// QEMU: `bdrv_getlength` (block.c).
    pub fn len(&self) -> BlockResult<u64> {
        self.check_not_departed()?;
        self.driver.length(self)
    }

    /// True if it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len().is_ok_and(|len| len == 0)
    }

    /// True if a fresh image of this kind reads as zeroes.
    ///
    /// QEMU: `bdrv_has_zero_init` (block.c).
    pub fn has_zero_init(&self) -> bool {
        // An overlay reads as its backing node, whatever its own format promises.
        let backed = self.child_by_role(ChildRole::Cow).is_some();
        !backed && !self.departed.get() && self.driver.has_zero_init(self)
    }

    /// Its children.
    pub fn children(&self) -> Vec<Rc<Child>> {
        self.children.borrow().clone()
    }

    /// The child of that name.
    pub fn child(&self, name: &str) -> Option<Rc<Child>> {
        let children = self.children.borrow();
        children.iter().find(|child| child.name() == name).cloned()
    }

    fn child_by_role(&self, role: ChildRole) -> Option<Rc<Child>> {
        let children = self.children.borrow();
        children.iter().find(|child| child.role() == role).cloned()
    }

    /// The child that it filters, if it is a filter.
    ///
    /// QEMU: `bdrv_filter_child` (block.c).
    pub fn filtered(&self) -> Option<Rc<Child>> {
        // The format `raw` shows what its file shows, and is no filter all the same.
        let child = self.child_by_role(ChildRole::Filtered);
        child.filter(|_| self.driver.is_filter())
    }

    /// The child that it reads from what it does not hold.
    ///
    /// QEMU: `bdrv_cow_child` (block.c).
    pub fn backing(&self) -> Option<Rc<Child>> {
        self.child_by_role(ChildRole::Cow)
    }

    /// The next node down the chain: below a filter, or the backing node.
    ///
    /// QEMU: `bdrv_filter_or_cow_bs` (include/block/block_int-io.h).
    pub fn filter_or_cow(&self) -> Option<Rc<Node>> {
        let child = self.filtered().or_else(|| self.backing())?;
        Some(child.node())
    }

    /// The first node at or below this one that is not a filter.
    ///
    /// QEMU: `bdrv_skip_filters` (block.c).
    pub fn skip_filters(&self) -> Rc<Node> {
        let mut node = self.rc();
        while node.driver.is_filter() {
            match node.filtered() {
                Some(child) => node = child.node(),
                None => break,
            }
        }
        node
    }

    /// The edges that lead to it.
    pub fn parents(&self) -> Vec<Rc<Child>> {
        let parents = self.parents.borrow();
        parents.iter().filter_map(Weak::upgrade).collect()
    }

    /// What all its users do with it, taken together.
    ///
    /// QEMU: `bdrv_get_cumulative_perm` (block.c).
    pub fn cumulative_perms(&self) -> PermPair {
        let parents = self.parents();
        parents.iter().fold(PermPair::HARMLESS, |sum, edge| {
            sum.and(edge.tentative_perms())
        })
    }

    /// Who changes a backing node changes what its overlays show.
    ///
    /// QEMU: `bdrv_backing_attach` (block.c).
    fn block_backing(&self, backing: &Node) {
        let text = format!("node is used as backing hd of '{}'", self.name);
        let block = backing.op_block(None, text);
        let block = block
            .except(BlockOp::CommitTarget)
            .except(BlockOp::Stream)
            .except(BlockOp::BackupSource)
            .except(BlockOp::BackupTarget);
        *self.backing_block.borrow_mut() = Some(block);
    }

    pub(crate) fn add_parent(&self, edge: &Rc<Child>) {
        self.parents.borrow_mut().push(Rc::downgrade(edge));
    }

    pub(crate) fn remove_parent(&self, edge: &Child) {
        self.parents
            .borrow_mut()
            .retain(|parent| !std::ptr::eq(parent.as_ptr(), edge));
    }

    pub(crate) fn add_child(&self, edge: Rc<Child>) {
        self.children.borrow_mut().push(edge);
    }

    pub(crate) fn insert_child(&self, index: usize, edge: Rc<Child>) {
        self.children.borrow_mut().insert(index, edge);
    }

    /// Where among the children `edge` is.
    pub(crate) fn child_index(&self, edge: &Rc<Child>) -> usize {
        let children = self.children.borrow();
        let index = children.iter().position(|child| Rc::ptr_eq(child, edge));
        index.unwrap_or_else(|| panic!("{edge:?} is not a child of {self:?}"))
    }

    pub(crate) fn remove_child(&self, edge: &Rc<Child>) {
        let index = self.child_index(edge);
        let removed = self.children.borrow_mut().remove(index);
        drop(removed);
    }

    /// The node and all that is below it, each once.
    pub(crate) fn subtree(&self) -> Vec<Rc<Node>> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        let mut open = vec![self.rc()];
        while let Some(node) = open.pop() {
            if seen.insert(Rc::as_ptr(&node)) {
                open.extend(node.children().iter().map(|child| child.node()));
                found.push(node);
            }
        }
        found
    }

    /// True if `other` is this node or can be reached from it downwards.
    pub fn reaches(&self, other: &Node) -> bool {
        let subtree = self.subtree();
        subtree
            .iter()
            .any(|node| std::ptr::eq(&raw const **node, other))
    }
}

impl ChildParent for Node {
    fn describe(&self) -> String {
        format!("node '{}'", self.name)
    }

    fn as_node(&self) -> Option<Rc<Node>> {
        self.myself.upgrade()
    }

    fn drained_begin(&self, _child: &Child) {
        self.quiesce_begin();
    }

    fn drained_poll(&self, _child: &Child) -> bool {
        self.drain_poll()
    }

    fn drained_end(&self, _child: &Child) {
        self.quiesce_end();
    }

    fn attached(&self, child: &Child) {
        if child.role() == ChildRole::Cow {
            self.block_backing(&child.node());
        }
        for _ in 0..self.io.subtree_quiesce_counter.get() {
            child.node().subtree_quiesce_begin();
        }
        self.driver.child_changed(self, child);
    }

    fn detached(&self, child: &Child) {
        if child.role() == ChildRole::Cow {
            self.backing_block.borrow_mut().take();
        }
        self.driver.child_changed(self, child);
        for _ in 0..self.io.subtree_quiesce_counter.get() {
            child.node().subtree_quiesce_end();
        }
    }

    fn resized(&self, _child: &Child) {
        // A filter has changed with it; the length of a format is its own, however its file grows.
        if let Ok(len) = self.len() {
            self.resized_to(len);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        debug_assert_eq!(self.io.in_flight.get(), 0, "'{}' is busy", self.name);
        for child in self.children.take() {
            let node = child.node();
            node.remove_parent(&child);
            // With a user less there can be no new conflict.
            let _ = crate::perm_update::refresh_perms(&[node]);
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({}: {})", self.name, self.driver.format_name())
    }
}
