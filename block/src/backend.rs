//! `BlockBackend`: how a guest, an export or a job uses a node.
//!
//! Every request of a backend runs in a coroutine of its own, as QEMU's `blk_aio_*` do, and so to
//! its end: a caller who loses interest and drops the future stops waiting, not the request, which
//! stays tracked and in flight until the driver has done with it.
//!
//! QEMU: block/block-backend.c.

mod io;
mod io_status;
mod moving;
mod trace;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::{Rc, Weak};

use blockjob_runtime::{AioContext, bug};

use crate::child::{Child, ChildParent};
use crate::directory::ReservedName;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::{Graph, attach_root, detach_root, set_edge_perms};
use crate::marks;
use crate::moving::{PackedBackend, PackedDevice, PackedUser, Packer};
use crate::node::Node;
use crate::oneshot::Sender;
use crate::perm::PermPair;
use io_status::Errors;
pub use io_status::IoError;
pub use trace::{BackendKind, BackendTrace, BackendWhat};

/// What a device does when its backend is drained. All three must only take note, or look.
///
/// QEMU: `BlockDevOps` (include/system/block-backend-common.h).
pub trait DeviceOps {
    /// Start nothing new.
    fn drained_begin(&self) {}

    /// True while the device has something under way that no request of the backend shows. When
    /// that ends, the device must call [`BlockBackend::drain_kick`].
    fn drained_poll(&self) -> bool {
        false
    }

    /// Go on.
    fn drained_end(&self) {}

    /// The length of the medium has changed.
    fn resized(&self) {}

    /// Whether the device may live in another context from now on, or why not. Must only look.
    ///
    /// QEMU: `blk_root_change_aio_ctx` (block/block-backend.c).
    fn can_move(&self) -> BlockResult<()> {
        Err(cannot_move())
    }

    /// True if it holds nodes in other ways than by the backend, until it is packed.
    fn holds_nodes(&self) -> bool {
        false
    }

    /// Hands over what the device is. It takes its requests back that wait in the backend: none of them
    /// has begun, and it repeats them on the other side. Called once, after
    /// [`can_move`](Self::can_move) has allowed it; the backend forgets the device.
    ///
    /// # Panics
    ///
    /// If it never allows it.
    fn pack(&self, packer: &Packer<'_>) -> Box<dyn PackedDevice> {
        let _ = packer;
        unreachable!("the device has not said that it can move");
    }

    /// A request has failed, and the policy has said what is done about it.
    fn io_error(&self, error: &IoError) {
        let _ = error;
    }
}

/// A request that waits for the end of a drained section.
struct Queued {
    /// Set to true by who lets it go, and then it is counted in flight on its behalf; to false if the
    /// backend lives elsewhere now.
    released: Sender<bool>,
}

/// QEMU: `blk_root_change_aio_ctx` (block/block-backend.c).
fn cannot_move() -> BlockError {
    let text = "Cannot change iothread of active block backend";
    BlockError::new(ErrorKind::InUse, text)
}

/// A user's access to a node.
///
/// QEMU: `BlockBackend` (block/block-backend.c).
pub struct BlockBackend {
    name: String,
    context: AioContext,
    graph: Weak<Graph>,
    myself: Weak<BlockBackend>,
    root: RefCell<Option<Rc<Child>>>,
    perms: Cell<PermPair>,
    quiesce_counter: Cell<u32>,
    in_flight: Cell<u64>,
    queued: RefCell<VecDeque<Queued>>,
    queue_requests: Cell<bool>,
    device: RefCell<Option<Rc<dyn DeviceOps>>>,
    errors: Errors,
    allow_move: Cell<bool>,
    /// See [`set_owner`](Self::set_owner).
    owner: RefCell<Option<Weak<dyn ChildParent>>>,
    /// Tells it apart from the others of its graph, counted from 1.
    serial: u64,
    /// How many of its requests a recorder was told of.
    asked: Cell<u64>,
    /// Its name, in a program with several graphs.
    pub(crate) reserved: RefCell<Option<ReservedName>>,
}

impl BlockBackend {
    /// Makes a backend without a medium. Users of its node must get on with `perms`. An empty name
    /// is none, as jobs have it; others are unique and can be looked up.
    ///
    /// QEMU: `blk_new` (block/block-backend.c).
    pub fn new(graph: &Rc<Graph>, name: &str, perms: PermPair) -> BlockResult<Rc<BlockBackend>> {
        let backend = Self::build(graph, name.to_owned(), perms);
        graph.register_backend(&backend)?;
        Ok(backend)
    }

    /// A backend that was made in another context, without a medium yet.
    pub(crate) fn arrive(graph: &Rc<Graph>, state: PackedBackend) -> Rc<BlockBackend> {
        if let Some(reserved) = &state.reserved {
            reserved.moved_to(&graph.context().handle());
        }
        let backend = Self::build(graph, state.name, state.perms);
        backend.queue_requests.set(state.queue_requests);
        backend.allow_move.set(state.allow_move);
        backend.set_on_error(state.on_error.0, state.on_error.1);
        backend.errors.set_status(state.status);
        *backend.reserved.borrow_mut() = state.reserved;
        graph.enter_backend(&backend);
        backend
    }

    fn build(graph: &Rc<Graph>, name: String, perms: PermPair) -> Rc<BlockBackend> {
        let serial = graph.backends_made.get() + 1;
        graph.backends_made.set(serial);
        Rc::new_cyclic(|myself| BlockBackend {
            name,
            serial,
            context: graph.context().clone(),
            graph: Rc::downgrade(graph),
            myself: myself.clone(),
            root: RefCell::new(None),
            perms: Cell::new(perms),
            quiesce_counter: Cell::new(0),
            in_flight: Cell::new(0),
            queued: RefCell::default(),
            queue_requests: Cell::new(true),
            device: RefCell::new(None),
            errors: Errors::default(),
            allow_move: Cell::new(false),
            owner: RefCell::default(),
            asked: Cell::new(0),
            reserved: RefCell::default(),
        })
    }

    /// Its name; empty if it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node that it uses now.
    ///
    /// QEMU: `blk_bs` (block/block-backend.c).
    pub fn node(&self) -> Option<Rc<Node>> {
        self.root.borrow().as_ref().map(|root| root.node())
    }

    /// The graph that it is part of, unless that is going away.
    pub fn graph(&self) -> Option<Rc<Graph>> {
        self.graph.upgrade()
    }

    /// Its edge to the node.
    pub fn root(&self) -> Option<Rc<Child>> {
        self.root.borrow().clone()
    }

    /// Uses `node` from now on.
    ///
    /// QEMU: `blk_insert_bs` (block/block-backend.c).
    ///
    /// # Panics
    ///
    /// If it has a medium already.
    pub fn insert(&self, node: &Rc<Node>) -> BlockResult<()> {
        assert!(self.root.borrow().is_none(), "'{}' has a medium", self.name);
        let myself: Weak<dyn ChildParent> = self.myself.clone();
        let root = attach_root("root", myself, node, self.perms.get())?;
        *self.root.borrow_mut() = Some(root);
        Ok(())
    }

    /// Gives the medium up, after all requests have ended.
    ///
    /// QEMU: `blk_remove_bs` (block/block-backend.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the node is drained by polling.
    pub fn remove(&self) {
        if let Some(node) = self.node() {
            let drained = node.drained_begin("blk-remove");
            let root = self.root.borrow_mut().take();
            if let Some(root) = root {
                detach_root(root);
            }
            drop(drained);
        }
    }

    /// What it does with its node, and lets others do.
    ///
    /// QEMU: `blk_get_perm` (block/block-backend.c).
    pub fn perms(&self) -> PermPair {
        self.perms.get()
    }

    /// Does something else with its node from now on, if others get on with it.
    ///
    /// QEMU: `blk_set_perm` (block/block-backend.c).
    pub fn set_perms(&self, perms: PermPair) -> BlockResult<()> {
        if let Some(root) = self.root() {
            set_edge_perms(&root, perms)?;
        }
        self.perms.set(perms);
        Ok(())
    }

    /// Whom to tell of drained sections; a section that has begun already is told at once. A device
    /// that holds the backend must be taken away again, or both live for ever.
    ///
    /// QEMU: `blk_set_dev_ops` (block/block-backend.c).
    pub fn set_device_ops(&self, device: Option<Rc<dyn DeviceOps>>) {
        // The old one is dropped when nothing is borrowed: it may call back.
        let before = self.device.replace(device.clone());
        drop(before);
        if let Some(device) = device
            && self.quiesce_counter.get() > 0
        {
            device.drained_begin();
        }
        // Whoever waits for the old one need not any more.
        self.drain_kick();
    }

    /// Has those look again who wait for a drained section. Called by a device whose
    /// [`drained_poll`](DeviceOps::drained_poll) has turned false.
    ///
    /// QEMU: `aio_wait_kick` (util/aio-wait.c).
    pub fn drain_kick(&self) {
        if let Some(node) = self.node() {
            node.drain_kick();
        }
    }

    /// Whether requests that come while the node is drained wait until it is not. A job turns this
    /// off for itself: it pauses instead, and its own last requests must get through.
    ///
    /// QEMU: `blk_set_disable_request_queuing` (block/block-backend.c).
    pub fn set_queue_requests(&self, queue_requests: bool) {
        self.queue_requests.set(queue_requests);
    }

    /// Requests in flight, with those that were let go and have not run yet.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.get()
    }

    /// Requests that wait for the end of a drained section.
    pub fn queued(&self) -> usize {
        self.queued.borrow().len()
    }

    /// The length of the medium in bytes.
    ///
    /// QEMU: `blk_getlength` (block/block-backend.c).
    pub fn len(&self) -> BlockResult<u64> {
        self.medium()?.node().len()
    }

    /// True if the medium has no bytes, or is missing.
    pub fn is_empty(&self) -> bool {
        self.len().unwrap_or(0) == 0
    }

    fn medium(&self) -> BlockResult<Rc<Child>> {
        self.root().ok_or_else(|| {
            BlockError::new(
                ErrorKind::NotFound,
                format!("Device '{}' has no medium", self.name),
            )
            .with_errno(ENOMEDIUM)
        })
    }
}

const ENOMEDIUM: i32 = 123;

impl ChildParent for BlockBackend {
    fn describe(&self) -> String {
        if self.name.is_empty() {
            "an unnamed block device".to_owned()
        } else {
            format!("block device '{}'", self.name)
        }
    }

    fn backend_name(&self) -> String {
        self.name.clone()
    }

    /// QEMU: `blk_root_drained_begin` (block/block-backend.c).
    fn drained_begin(&self, _child: &Child) {
        let before = self.quiesce_counter.get();
        self.quiesce_counter.set(before + 1);
        self.context
            .mark_if(|| self.in_flight() > 0, &marks::DRAIN_OVER_FLIGHT);
        let device = self.device.borrow().clone();
        if let (0, Some(device)) = (before, device) {
            device.drained_begin();
        }
    }

    /// QEMU: `blk_root_drained_poll` (block/block-backend.c).
    fn drained_poll(&self, _child: &Child) -> bool {
        let device = self.device.borrow().clone();
        self.in_flight.get() > 0 || device.is_some_and(|device| device.drained_poll())
    }

    /// QEMU: `blk_root_drained_end` (block/block-backend.c).
    fn drained_end(&self, _child: &Child) {
        let before = self.quiesce_counter.get();
        assert!(before > 0, "'{}' is not drained", self.name);
        self.quiesce_counter.set(before - 1);
        if before > 1 {
            return;
        }
        let device = self.device.borrow().clone();
        if let Some(device) = device {
            device.drained_end();
        }
        let queued = std::mem::take(&mut *self.queued.borrow_mut());
        self.context
            .mark_if(|| !queued.is_empty(), &marks::QUEUE_RELEASED);
        for request in queued {
            // From here on it is in flight, although it has not run yet.
            self.in_flight.set(self.in_flight.get() + 1);
            if !request.released.send(true) || bug!(DRN_01) {
                self.end_one();
            }
        }
    }

    fn attached(&self, _child: &Child) {
        self.context
            .mark_if(|| self.queued() > 0, &marks::QUEUE_MOVED);
    }

    fn resized(&self, _child: &Child) {
        let device = self.device.borrow().clone();
        if let Some(device) = device {
            device.resized();
        }
    }

    fn owner(&self) -> Option<Rc<dyn ChildParent>> {
        self.owner.borrow().as_ref()?.upgrade()
    }

    /// QEMU: `blk_root_change_aio_ctx` (block/block-backend.c).
    fn can_move(&self) -> BlockResult<()> {
        self.check_move()
    }

    fn holds_nodes(&self) -> bool {
        let device = self.device.borrow().clone();
        device.is_some_and(|device| device.holds_nodes())
    }

    fn pack(&self, packer: &Packer<'_>) -> Box<dyn PackedUser> {
        Box::new(self.pack_owned(packer))
    }
}

impl Drop for BlockBackend {
    fn drop(&mut self) {
        if let Some(root) = self.root.take() {
            detach_root(root);
        }
    }
}

impl fmt::Debug for BlockBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockBackend({}, on {:?})", self.name, self.node())
    }
}
