//! The graph: which nodes there are, how they are called, and who uses whom.
//!
//! It lives in the main context. It changes only there, outside of coroutines, and only around
//! nodes that are drained.
//!
//! QEMU: `GLOBAL_STATE_CODE` parts of block.c, `bdrv_graph_*` (block/graph-lock.c), which is a lock
//! because there other threads walk the graph; here nobody does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use blockjob_runtime::{AioContext, CoQueue};

use crate::backend::BlockBackend;
use crate::child::ChildRole;
use crate::driver::Driver;
use crate::error::{BlockError, BlockResult, ErrorKind};
pub use crate::graph_edge::{attach_root, detach_root, set_edge_perms};
use crate::node::Node;
use crate::perm_update::refresh_perms;
use crate::section::Sections;

/// All nodes and backends of a program.
pub struct Graph {
    context: AioContext,
    nodes: RefCell<BTreeMap<String, Weak<Node>>>,
    backends: RefCell<BTreeMap<String, Weak<BlockBackend>>>,
    /// Also those without a name, the oldest first.
    all_backends: RefCell<Vec<Weak<BlockBackend>>>,
    /// How many entries there may be before those that are gone are looked for.
    sweep_nodes_at: Cell<usize>,
    sweep_backends_at: Cell<usize>,
    next_number: Cell<u64>,
    next_node_number: Cell<u64>,
    /// Coroutines that wait for the beginning of a drained section; see [`Node::drain_kick`].
    pub(crate) drain_waiters: Rc<CoQueue>,
    pub(crate) drain_all_count: Cell<u32>,
    pub(crate) sections: Rc<Sections>,
}

/// Names of nodes are shorter than this, as QEMU's are.
///
/// QEMU: `BlockDriverState::node_name` (include/block/block_int-common.h).
const NODE_NAME_END: usize = 32;

/// Fewer entries than this are not looked through for those that are gone.
const SWEEP_FROM: usize = 64;

/// True if `name` is made as names of nodes must be: a letter, then letters, digits, `-`, `.`, `_`.
///
/// QEMU: `id_wellformed` (util/id.c).
pub fn name_wellformed(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

impl Graph {
    /// An empty graph whose main context is `context`.
    pub fn new(context: &AioContext) -> Rc<Graph> {
        Rc::new(Graph {
            context: context.clone(),
            nodes: RefCell::default(),
            backends: RefCell::default(),
            all_backends: RefCell::default(),
            sweep_nodes_at: Cell::default(),
            sweep_backends_at: Cell::default(),
            next_number: Cell::new(0),
            next_node_number: Cell::new(0),
            drain_waiters: Rc::default(),
            drain_all_count: Cell::new(0),
            sections: Rc::default(),
        })
    }

    /// The main context.
    pub fn context(&self) -> &AioContext {
        &self.context
    }

    /// Every node, in order of names.
    pub fn nodes(&self) -> Vec<Rc<Node>> {
        self.nodes
            .borrow()
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// Every backend, also those without a name, the oldest first.
    ///
    /// QEMU: `blk_all_next` (block/block-backend.c).
    pub fn backends(&self) -> Vec<Rc<BlockBackend>> {
        let backends = self.all_backends.borrow();
        backends.iter().filter_map(Weak::upgrade).collect()
    }

    /// The node of that name.
    ///
    /// QEMU: `bdrv_find_node` (block.c).
    pub fn find_node(&self, name: &str) -> Option<Rc<Node>> {
        self.nodes.borrow().get(name)?.upgrade()
    }

    /// The backend of that name.
    ///
    /// QEMU: `blk_by_name` (block/block-backend.c).
    pub fn find_backend(&self, name: &str) -> Option<Rc<BlockBackend>> {
        self.backends.borrow().get(name)?.upgrade()
    }

    /// The node that a reference names: that of a backend, or a node itself.
    ///
    /// QEMU: `bdrv_lookup_bs` (block.c).
    pub fn lookup(&self, reference: &str) -> BlockResult<Rc<Node>> {
        if let Some(backend) = self.find_backend(reference) {
            return backend.node().ok_or_else(|| {
                BlockError::new(
                    ErrorKind::NotFound,
                    format!("Device '{reference}' has no medium"),
                )
            });
        }
        self.find_node(reference).ok_or_else(|| {
            BlockError::new(
                ErrorKind::NotFound,
                format!("Cannot find device='{reference}' nor node-name='{reference}'"),
            )
        })
    }

    /// Makes a node with the children given, as `(name, role, node)`, or nothing if a user of them
    /// does not get on with it. Without a name it gets one that no user could give.
    ///
    /// QEMU: `bdrv_open_driver` (block.c).
    pub fn add_node(
        self: &Rc<Self>,
        name: Option<&str>,
        driver: Box<dyn Driver>,
        read_only: bool,
        children: &[(&'static str, ChildRole, Rc<Node>)],
    ) -> BlockResult<Rc<Node>> {
        let name = self.new_name(name)?;
        let node = Node::new(self, name.clone(), driver, read_only);
        for _ in 0..self.drain_all_count.get() {
            node.quiesce_begin();
        }
        for (child_name, role, child) in children {
            self.attach_noperm(&node, child_name, *role, child);
        }
        // If that is refused, the node is dropped, and takes its edges along.
        refresh_perms(std::slice::from_ref(&node))?;
        let mut nodes = self.nodes.borrow_mut();
        if nodes.len() >= self.sweep_nodes_at.get() {
            nodes.retain(|_, node| node.strong_count() > 0);
            self.sweep_nodes_at.set(SWEEP_FROM.max(2 * nodes.len()));
        }
        nodes.insert(name, Rc::downgrade(&node));
        drop(nodes);
        Ok(node)
    }

    /// QEMU: `bdrv_assign_node_name` (block.c).
    fn new_name(&self, name: Option<&str>) -> BlockResult<String> {
        let Some(name) = name else {
            let number = self.next_number.get();
            self.next_number.set(number + 1);
            return Ok(format!("#block{number:03}"));
        };
        self.check_node_name(name)?;
        Ok(name.to_owned())
    }

    /// Fails if a new node cannot have that name: it is none, or it is taken.
    ///
    /// QEMU: `bdrv_assign_node_name` (block.c).
    pub fn check_node_name(&self, name: &str) -> BlockResult<()> {
        let refuse = |kind, text: String| Err(BlockError::new(kind, text));
        if !name_wellformed(name) {
            return refuse(ErrorKind::Invalid, format!("Invalid node-name: '{name}'"));
        }
        if self.find_backend(name).is_some() {
            return refuse(
                ErrorKind::AlreadyExists,
                format!("node-name={name} is conflicting with a device id"),
            );
        }
        if self.find_node(name).is_some() {
            return refuse(
                ErrorKind::AlreadyExists,
                format!("Duplicate nodes with node-name='{name}'"),
            );
        }
        if name.len() >= NODE_NAME_END {
            return refuse(ErrorKind::Invalid, "Node name too long".to_owned());
        }
        Ok(())
    }

    /// A number that no other node has, and that comes after all so far. Nodes take theirs when they are
    /// made; whoever makes one that is to come before its children takes it first.
    pub fn take_node_number(&self) -> u64 {
        let number = self.next_node_number.get();
        self.next_node_number.set(number + 1);
        number
    }

    pub(crate) fn register_backend(&self, backend: &Rc<BlockBackend>) -> BlockResult<()> {
        if !backend.name().is_empty() {
            self.register_backend_name(backend)?;
        }
        let mut all = self.all_backends.borrow_mut();
        if all.len() >= self.sweep_backends_at.get() {
            all.retain(|backend| backend.strong_count() > 0);
            self.sweep_backends_at.set(SWEEP_FROM.max(2 * all.len()));
        }
        all.push(Rc::downgrade(backend));
        Ok(())
    }

    fn register_backend_name(&self, backend: &Rc<BlockBackend>) -> BlockResult<()> {
        let name = backend.name();
        let refuse = |text: String| Err(BlockError::new(ErrorKind::AlreadyExists, text));
        if !name_wellformed(name) {
            return Err(BlockError::new(
                ErrorKind::Invalid,
                format!("Invalid device name '{name}'"),
            ));
        }
        if self.find_backend(name).is_some() {
            return refuse(format!("Device with id '{name}' already exists"));
        }
        if self.find_node(name).is_some() {
            return refuse(format!(
                "Device name '{name}' conflicts with an existing node name"
            ));
        }
        let mut backends = self.backends.borrow_mut();
        backends.retain(|_, backend| backend.strong_count() > 0);
        backends.insert(name.to_owned(), Rc::downgrade(backend));
        Ok(())
    }
}
