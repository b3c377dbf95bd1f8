//! The graph: which nodes there are, how they are called, and who uses whom.
//!
//! Each context that has nodes has a graph of its own, with all nodes that live there. It changes only in that
//! context, outside of coroutines, and only around nodes that are drained. Nodes that edges connect are
//! in one graph; they go to another one together ([`crate::moving`]), and names are unique over all of them
//! ([`crate::directory`]).
//!
//! QEMU: `GLOBAL_STATE_CODE` parts of block.c, `bdrv_graph_*` (block/graph-lock.c), which is a lock
//! because there other threads walk the graph; here nobody does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use blockjob_runtime::sync::Arc;
use blockjob_runtime::{AioContext, CoQueue};

use crate::backend::BlockBackend;
use crate::child::ChildRole;
use crate::directory::{Directory, NameKind, ReservedName};
use crate::driver::Driver;
use crate::driver::throttle::{ArrivedGroups, ThrottleGroups};
use crate::error::{BlockError, BlockResult, ErrorKind};
pub use crate::graph_edge::{attach_root, detach_root, set_edge_perms};
use crate::moving::RemoteSection;
use crate::node::Node;
use crate::perm_update::refresh_perms;
use crate::section::Sections;

/// All nodes and backends of a context.
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
    /// So many backends were made here.
    pub(crate) backends_made: Cell<u64>,
    /// Coroutines that wait for the beginning of a drained section; see [`Node::drain_kick`].
    pub(crate) drain_waiters: Rc<CoQueue>,
    pub(crate) drain_all_count: Cell<u32>,
    pub(crate) sections: Rc<Sections>,
    /// The names of all graphs, if there are several.
    directory: Option<Arc<Directory>>,
    /// A family is arriving: permissions are computed when all of it is there.
    pub(crate) perms_later: Cell<bool>,
    /// The throttle groups whose nodes live here.
    throttle_groups: ThrottleGroups,
    /// Those that have arrived from another context.
    pub(crate) arrived_groups: ArrivedGroups,
    /// Drained sections that another context holds.
    pub(crate) remote_sections: RefCell<Vec<Weak<RemoteSection>>>,
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
    /// An empty graph in `context`, the only one of a program.
    pub fn new(context: &AioContext) -> Rc<Graph> {
        Self::build(context, None)
    }

    /// An empty graph in `context`, one of several of a program, whose names all are in `directory`.
    pub fn with_directory(context: &AioContext, directory: &Arc<Directory>) -> Rc<Graph> {
        Self::build(context, Some(directory.clone()))
    }

    fn build(context: &AioContext, directory: Option<Arc<Directory>>) -> Rc<Graph> {
        Rc::new(Graph {
            context: context.clone(),
            nodes: RefCell::default(),
            backends: RefCell::default(),
            all_backends: RefCell::default(),
            sweep_nodes_at: Cell::default(),
            sweep_backends_at: Cell::default(),
            next_number: Cell::new(0),
            next_node_number: Cell::new(0),
            backends_made: Cell::new(0),
            drain_waiters: Rc::default(),
            drain_all_count: Cell::new(0),
            sections: Rc::default(),
            directory,
            perms_later: Cell::new(false),
            throttle_groups: ThrottleGroups::new(),
            arrived_groups: RefCell::default(),
            remote_sections: RefCell::default(),
        })
    }

    /// The context in which it lives, and all that is in it.
    pub fn context(&self) -> &AioContext {
        &self.context
    }

    /// The names of all graphs, if it is one of several.
    pub fn directory(&self) -> Option<&Arc<Directory>> {
        self.directory.as_ref()
    }

    /// The throttle groups whose nodes live here.
    pub fn throttle_groups(&self) -> &ThrottleGroups {
        &self.throttle_groups
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
        let reserved = self.reserve(NameKind::Node, &name)?;
        let node = Node::new(self, name, driver, read_only);
        *node.reserved.borrow_mut() = reserved;
        for _ in 0..self.drain_all_count.get() {
            node.quiesce_begin();
        }
        for (child_name, role, child) in children {
            self.attach_noperm(&node, child_name, *role, child);
        }
        // If that is refused, the node is dropped, and takes its edges along.
        refresh_perms(std::slice::from_ref(&node))?;
        self.register_node(&node);
        Ok(node)
    }

    pub(crate) fn register_node(&self, node: &Rc<Node>) {
        let mut nodes = self.nodes.borrow_mut();
        if nodes.len() >= self.sweep_nodes_at.get() {
            nodes.retain(|_, node| node.strong_count() > 0);
            self.sweep_nodes_at.set(SWEEP_FROM.max(2 * nodes.len()));
        }
        nodes.insert(node.name().to_owned(), Rc::downgrade(node));
    }

    /// The node does not live here any more.
    pub(crate) fn forget_node(&self, node: &Node) {
        self.nodes.borrow_mut().remove(node.name());
    }

    /// The backend does not live here any more.
    pub(crate) fn forget_backend(&self, backend: &BlockBackend) {
        let is_it = |other: &Weak<BlockBackend>| std::ptr::eq(other.as_ptr(), backend);
        self.backends.borrow_mut().retain(|_, it| !is_it(it));
        self.all_backends.borrow_mut().retain(|it| !is_it(it));
    }

    /// Takes a name in the directory, if there is one.
    fn reserve(&self, kind: NameKind, name: &str) -> BlockResult<Option<ReservedName>> {
        let Some(directory) = &self.directory else {
            return Ok(None);
        };
        match directory.reserve(kind, name, &self.context.handle()) {
            Ok(reserved) => Ok(Some(reserved)),
            Err(holder) => Err(name_taken(kind, name, holder)),
        }
    }

    /// What bears the name in this graph or another one, if anything does.
    fn name_holder(&self, name: &str) -> Option<NameKind> {
        let elsewhere = |kind| {
            let directory = self.directory.as_ref();
            directory.is_some_and(|directory| directory.find(kind, name).is_some())
        };
        if self.find_backend(name).is_some() || elsewhere(NameKind::Backend) {
            return Some(NameKind::Backend);
        }
        let node = self.find_node(name).is_some() || elsewhere(NameKind::Node);
        node.then_some(NameKind::Node)
    }

    /// QEMU: `bdrv_assign_node_name` (block.c).
    fn new_name(&self, name: Option<&str>) -> BlockResult<String> {
        let Some(name) = name else {
            let number = match &self.directory {
                Some(directory) => directory.take_name_number(),
                None => self.next_number.replace(self.next_number.get() + 1),
            };
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
        if let Some(holder) = self.name_holder(name) {
            return Err(name_taken(NameKind::Node, name, holder));
        }
        if name.len() >= NODE_NAME_END {
            return refuse(ErrorKind::Invalid, "Node name too long".to_owned());
        }
        Ok(())
    }

    /// A number that no other node has, and that comes after all so far. Nodes take theirs when they are
    /// made; whoever makes one that is to come before its children takes it first.
    pub fn take_node_number(&self) -> u64 {
        match &self.directory {
            Some(directory) => directory.take_node_number(),
            None => {
                let number = self.next_node_number.get();
                self.next_node_number.set(number + 1);
                number
            }
        }
    }

    pub(crate) fn register_backend(&self, backend: &Rc<BlockBackend>) -> BlockResult<()> {
        let name = backend.name();
        if !name.is_empty() {
            if !name_wellformed(name) {
                let text = format!("Invalid device name '{name}'");
                return Err(BlockError::new(ErrorKind::Invalid, text));
            }
            if let Some(holder) = self.name_holder(name) {
                return Err(name_taken(NameKind::Backend, name, holder));
            }
            *backend.reserved.borrow_mut() = self.reserve(NameKind::Backend, name)?;
        }
        self.enter_backend(backend);
        Ok(())
    }

    /// Makes a backend known whose name is its own.
    pub(crate) fn enter_backend(&self, backend: &Rc<BlockBackend>) {
        if !backend.name().is_empty() {
            let mut backends = self.backends.borrow_mut();
            backends.retain(|_, backend| backend.strong_count() > 0);
            backends.insert(backend.name().to_owned(), Rc::downgrade(backend));
        }
        let mut all = self.all_backends.borrow_mut();
        if all.len() >= self.sweep_backends_at.get() {
            all.retain(|backend| backend.strong_count() > 0);
            self.sweep_backends_at.set(SWEEP_FROM.max(2 * all.len()));
        }
        all.push(Rc::downgrade(backend));
    }
}

/// The refusal of a name that something bears already.
fn name_taken(kind: NameKind, name: &str, holder: NameKind) -> BlockError {
    let text = match (kind, holder) {
        (NameKind::Node, NameKind::Backend) => {
            format!("node-name={name} is conflicting with a device id")
        }
        (NameKind::Node, _) => format!("Duplicate nodes with node-name='{name}'"),
        (_, NameKind::Backend) => format!("Device with id '{name}' already exists"),
        _ => format!("Device name '{name}' conflicts with an existing node name"),
    };
    BlockError::new(ErrorKind::AlreadyExists, text)
}
