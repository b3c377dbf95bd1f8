//! An edge of the graph: a parent's use of a node.
//!
//! QEMU: `BdrvChild`, `BdrvChildClass` (include/block/block_int-common.h).

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use bytes::{Bytes, BytesMut};
use nix::libc;

use crate::bitmap::NodeBitmap;
use crate::driver::{ReadResult, ZeroFlags};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::moving::{PackedUser, Packer, Tie};
use crate::node::Node;
use crate::perm::{Perm, PermPair};

/// What the child is to a parent that is a node.
///
/// QEMU: `BdrvChildRole` (include/block/block-common.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildRole {
    /// It holds the parent's data, in a format that the parent knows.
    Data,
    /// The parent is a filter and shows what the child shows.
    Filtered,
    /// The parent is an overlay and reads there what it does not hold itself.
    Cow,
}

/// Who has a child: a node, a backend, or a job.
///
/// The three drain callbacks are the two phases of a drained section as a parent sees them:
/// `drained_begin` only takes note, `drained_poll` is asked until it answers false.
///
/// QEMU: `BdrvChildClass` (include/block/block_int-common.h).
pub trait ChildParent {
    /// Who it is, for messages: "node 'top'", "block device 'drive0'".
    fn describe(&self) -> String;

    /// The name of the backend that the parent is; empty if it is none, or has no name.
    ///
    /// QEMU: `get_name` of `BdrvChildClass` (include/block/block_int-common.h).
    fn backend_name(&self) -> String {
        String::new()
    }

    /// The node that the parent is, if it is one.
    fn as_node(&self) -> Option<Rc<Node>> {
        None
    }

    /// True if the edge stays where it is when its node is replaced by another: jobs mean the node
    /// that they were started on (`stay_at_node`).
    fn stay_at_node(&self) -> bool {
        false
    }

    /// Start no new requests at the child. Must not poll or wait.
    fn drained_begin(&self, child: &Child);

    /// True while the parent still has requests under way, or may yet start one. Must only look.
    /// Whoever can turn from true to false must call [`Node::drain_kick`] when that happens.
    fn drained_poll(&self, child: &Child) -> bool;

    /// Requests may be started again. Must not poll or wait; it may change the graph.
    fn drained_end(&self, child: &Child);

    /// The child was attached to a node. Called also when it moves to another. It may not be used
    /// yet: permissions are given after this.
    fn attached(&self, child: &Child) {
        let _ = child;
    }

    /// The child leaves its node, which does not count the parent among its users any more. Called
    /// also when it moves to another node.
    fn detached(&self, child: &Child) {
        let _ = child;
    }

    /// The length of the node has changed.
    fn resized(&self, child: &Child) {
        let _ = child;
    }

    /// Who moves in its stead: the job of a backend that only the job uses. That one is asked and packed,
    /// and this parent is not.
    fn owner(&self) -> Option<Rc<dyn ChildParent>> {
        None
    }

    /// Whoever else must live in the same context, besides the node by whose edge it was found: the other
    /// nodes of a job, the other jobs of its transaction.
    fn ties(&self) -> Vec<Tie> {
        Vec::new()
    }

    /// Whether it may live in another context from now on, or why not. Must only look. Not asked of
    /// nodes.
    ///
    /// QEMU: `change_aio_ctx` of `BdrvChildClass` (include/block/block_int-common.h).
    fn can_move(&self) -> BlockResult<()> {
        let text = format!("{} cannot change its context", self.describe());
        Err(BlockError::new(ErrorKind::InUse, text))
    }

    /// True if it holds nodes in other ways than by edges until it is packed. Then nobody can tell
    /// whether a stranger holds one as well.
    fn holds_nodes(&self) -> bool {
        false
    }

    /// How many drained sections it will hand to [`Packer::section`].
    fn sections(&self) -> usize {
        0
    }

    /// Hands over what it is. It lets go of its edges and of whatever else lives in this context; all
    /// nodes are drained. Called once, after [`can_move`](Self::can_move) has allowed it.
    ///
    /// # Panics
    ///
    /// If it never allows it.
    fn pack(&self, packer: &Packer<'_>) -> Box<dyn PackedUser> {
        let _ = packer;
        unreachable!("{} has not said that it can move", self.describe());
    }
}

/// One edge. It is made by [`Graph::attach_child`](crate::graph::Graph::attach_child) and its
/// relatives and owned by the parent, while the node below knows it weakly.
///
/// QEMU: `BdrvChild` (include/block/block_int-common.h).
pub struct Child {
    name: &'static str,
    role: ChildRole,
    node: RefCell<Rc<Node>>,
    parent: Weak<dyn ChildParent>,
    perms: Cell<PermPair>,
    /// What the permissions are to be, while a change of the graph is being checked.
    tentative: Cell<Option<PermPair>>,
    /// The parent was told to stop through this edge, and not yet to go on.
    quiesced_parent: Cell<bool>,
    frozen: Cell<bool>,
}

impl Child {
    pub(crate) fn new(
        name: &'static str,
        role: ChildRole,
        node: Rc<Node>,
        parent: Weak<dyn ChildParent>,
        perms: PermPair,
    ) -> Rc<Child> {
        Rc::new(Child {
            name,
            role,
            node: RefCell::new(node),
            parent,
            perms: Cell::new(perms),
            tentative: Cell::new(None),
            quiesced_parent: Cell::new(false),
            frozen: Cell::new(false),
        })
    }

    /// What the parent calls it: `file`, `backing`, `root`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is to its parent.
    pub fn role(&self) -> ChildRole {
        self.role
    }

    /// The node below.
    pub fn node(&self) -> Rc<Node> {
        self.node.borrow().clone()
    }

    pub(crate) fn set_node(&self, node: Rc<Node>) -> Rc<Node> {
        self.node.replace(node)
    }

    /// The parent, unless it is going away.
    pub fn parent(&self) -> Option<Rc<dyn ChildParent>> {
        self.parent.upgrade()
    }

    /// The permissions that hold.
    pub fn perms(&self) -> PermPair {
        self.perms.get()
    }

    pub(crate) fn set_perms(&self, perms: PermPair) {
        self.perms.set(perms);
    }

    /// The permissions that a change under way would give it, or else those that hold.
    pub(crate) fn tentative_perms(&self) -> PermPair {
        self.tentative.get().unwrap_or(self.perms.get())
    }

    pub(crate) fn set_tentative(&self, perms: Option<PermPair>) {
        self.tentative.set(perms);
    }

    pub(crate) fn take_tentative(&self) -> Option<PermPair> {
        self.tentative.take()
    }

    /// True while the parent is stopped through this edge.
    pub fn quiesced_parent(&self) -> bool {
        self.quiesced_parent.get()
    }

    /// Stops the parent: the first phase of a drained section.
    ///
    /// QEMU: `bdrv_parent_drained_begin_single` (block/io.c).
    pub(crate) fn parent_drained_begin(&self) {
        assert!(!self.quiesced_parent.replace(true), "told once an edge");
        if let Some(parent) = self.parent() {
            parent.drained_begin(self);
        }
    }

    /// The node below moves to another context, and its parent with it: whether that is stopped is
    /// decided there.
    pub(crate) fn forget_quiesced(&self) {
        self.quiesced_parent.set(false);
    }

    /// QEMU: `bdrv_parent_drained_end_single` (block/io.c).
    pub(crate) fn parent_drained_end(&self) {
        assert!(self.quiesced_parent.replace(false), "stopped before");
        if let Some(parent) = self.parent() {
            parent.drained_end(self);
        }
    }

    /// A frozen edge can not be moved or detached: a job relies on it.
    ///
    /// QEMU: `bdrv_freeze_backing_chain` (block.c).
    pub fn set_frozen(&self, frozen: bool) {
        self.frozen.set(frozen);
    }

    /// True while the edge is frozen.
    pub fn is_frozen(&self) -> bool {
        self.frozen.get()
    }

    fn need(&self, perm: Perm) {
        let used = self.perms.get().used;
        assert!(
            used.contains(perm),
            "{self:?} uses ({used}) and now asks for ({perm})"
        );
    }

    /// Reads. See [`Node`]'s requests.
    ///
    /// QEMU: `bdrv_co_preadv` (block/io.c).
    pub async fn read(&self, offset: u64, buf: BytesMut) -> ReadResult {
        self.node().co_read(offset, buf).await
    }

    /// Writes.
    ///
    /// QEMU: `bdrv_co_pwritev` (block/io.c).
    ///
    /// # Errors
    ///
    /// Also [`ErrorKind::ReadOnly`], if the node is.
    ///
    /// # Panics
    ///
    /// If the edge does not use [`Perm::WRITE`] or [`Perm::WRITE_UNCHANGED`].
    pub async fn write(&self, offset: u64, data: Bytes) -> BlockResult<()> {
        self.writable()?.co_write(offset, data).await
    }

    /// Makes a range read as zeroes. Errors and panics as [`write`](Self::write) does.
    ///
    /// QEMU: `bdrv_co_pwrite_zeroes` (block/io.c).
    pub async fn write_zeroes(&self, offset: u64, bytes: u64, flags: ZeroFlags) -> BlockResult<()> {
        let node = self.writable()?;
        node.co_write_zeroes(offset, bytes, flags).await
    }

    /// Gives a range up. Errors and panics as [`write`](Self::write) does.
    ///
    /// QEMU: `bdrv_co_pdiscard` (block/io.c).
    pub async fn discard(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        self.writable()?.co_discard(offset, bytes).await
    }

    /// As [`write`](Self::write), but `keeper` takes no note of it: see
    /// [`Node::co_write_unseen_by`].
    pub async fn write_unseen_by(
        &self,
        keeper: &NodeBitmap,
        offset: u64,
        data: Bytes,
    ) -> BlockResult<()> {
        let node = self.writable()?;
        node.co_write_unseen_by(Some(keeper), offset, data).await
    }

    /// As [`write_zeroes`](Self::write_zeroes), but `keeper` takes no note of it: see
    /// [`Node::co_write_zeroes_unseen_by`].
    pub async fn write_zeroes_unseen_by(
        &self,
        keeper: &NodeBitmap,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> BlockResult<()> {
        let node = self.writable()?;
        node.co_write_zeroes_unseen_by(Some(keeper), offset, bytes, flags)
            .await
    }

    /// As [`discard`](Self::discard), but `keeper` takes no note of it: see
    /// [`Node::co_discard_unseen_by`].
    pub async fn discard_unseen_by(
        &self,
        keeper: &NodeBitmap,
        offset: u64,
        bytes: u64,
    ) -> BlockResult<()> {
        let node = self.writable()?;
        node.co_discard_unseen_by(Some(keeper), offset, bytes).await
    }

    /// Changes the length.
    ///
    /// QEMU: `bdrv_co_truncate` (block/io.c).
    ///
    /// # Errors
    ///
    /// Also [`ErrorKind::ReadOnly`], if the node is.
    ///
    /// # Panics
    ///
    /// If the edge does not use [`Perm::RESIZE`].
    pub async fn truncate(&self, len: u64) -> BlockResult<()> {
        let node = self.node();
        if node.is_read_only() {
            let error = BlockError::new(ErrorKind::ReadOnly, "Image is read-only");
            return Err(error.with_errno(libc::EACCES));
        }
        self.need(Perm::RESIZE);
        node.co_truncate(len).await
    }

    /// The node below, if it may be written to. A guest may try that with a read-only disk; only
    /// who has forgotten to ask for the permission has a bug.
    ///
    /// QEMU: `bdrv_co_write_req_prepare` (block/io.c).
    fn writable(&self) -> BlockResult<Rc<Node>> {
        let node = self.node();
        if node.is_read_only() {
            let text = format!("Block node '{}' is read-only", node.name());
            return Err(BlockError::new(ErrorKind::ReadOnly, text));
        }
        let used = self.perms.get().used;
        assert!(
            used.intersects(Perm::WRITE | Perm::WRITE_UNCHANGED),
            "{self:?} uses ({used}) and now writes"
        );
        Ok(node)
    }

    /// The error for an edge that may not be moved now.
    pub(crate) fn check_not_frozen(&self) -> BlockResult<()> {
        if !self.frozen.get() {
            return Ok(());
        }
        let parent = self.parent().map_or_else(String::new, |p| p.describe());
        Err(BlockError::new(
            ErrorKind::InUse,
            format!(
                "Cannot change '{}' link of {parent} to '{}': it is frozen",
                self.name,
                self.node().name()
            ),
        ))
    }
}

impl Drop for Child {
    /// An edge that its owner has dropped without detaching it is not waited for any more.
    fn drop(&mut self) {
        let node = self.node.get_mut().clone();
        node.remove_parent(self);
        node.drain_kick();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = self.parent();
        let parent = parent.map_or_else(|| "(gone)".to_owned(), |p| p.describe());
        write!(f, "'{}' of {parent}", self.name)
    }
}
