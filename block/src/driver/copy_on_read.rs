//! The driver `copy-on-read`: a filter whose reads leave in its child what the child had from its
//! backing chain.
//!
//! The node has one child, `file`, with the role [`Filtered`](crate::child::ChildRole::Filtered): an
//! overlay, or a filter on one. With a bottom node, only what the chain holds down to that one,
//! with it, is copied; the edges on the way are frozen as long as the driver lives.
//!
//! QEMU: block/copy-on-read.c.

use std::any::Any;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

use bytes::{Bytes, BytesMut};

use super::{Driver, IoFuture, ReadResult};
use crate::child::{Child, ChildRole};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::moving::PackedDriver;
use crate::node::Node;
use crate::perm::{Perm, PermPair};

/// How a `copy-on-read` node is made.
///
/// QEMU: `BlockdevOptionsCor` (qapi/block-core.json).
#[derive(Debug, Clone, Default)]
pub struct CopyOnReadOptions {
    /// The name of the last node of the chain from which something is copied; without it, all of
    /// the chain.
    pub bottom: Option<String>,
}

/// The driver `copy-on-read`.
pub struct CopyOnReadDriver {
    /// Kept alive by the edges to it, which nobody can take away.
    bottom: RefCell<Option<Weak<Node>>>,
    /// The name of a bottom node that has not arrived yet.
    awaited: RefCell<Option<String>>,
    frozen: RefCell<Vec<Weak<Child>>>,
}

impl CopyOnReadOptions {
    /// The driver of a node on top of `file`.
    ///
    /// QEMU: `cor_open` (block/copy-on-read.c).
    ///
    /// # Errors
    ///
    /// `NotFound` or `Invalid` if the bottom node is not there, is a filter, or is not below `file`;
    /// `InUse` if somebody else has frozen a link on the way there. In QEMU's words, but for the node
    /// that is not below: there QEMU looks for ever.
    pub fn build(self, file: &Rc<Node>) -> BlockResult<CopyOnReadDriver> {
        let driver = CopyOnReadDriver {
            bottom: RefCell::default(),
            awaited: RefCell::default(),
            frozen: RefCell::default(),
        };
        let Some(name) = self.bottom else {
            return Ok(driver);
        };
        let graph = file.graph();
        let bottom = graph.and_then(|graph| graph.find_node(&name));
        let bottom = bottom.ok_or_else(|| {
            let text = format!("Bottom node '{name}' not found");
            BlockError::new(ErrorKind::NotFound, text)
        })?;
        // `raw` is a format to QEMU, also where it shows all of its file.
        if bottom.driver().is_filter() && bottom.driver().format_name() != "raw" {
            let text = format!("Bottom node '{name}' is a filter");
            return Err(BlockError::new(ErrorKind::Invalid, text));
        }
        for edge in chain(file, &bottom)? {
            driver.freeze(&edge);
        }
        Ok(CopyOnReadDriver {
            bottom: RefCell::new(Some(Rc::downgrade(&bottom))),
            awaited: RefCell::default(),
            frozen: RefCell::new(driver.frozen.take()),
        })
    }
}

/// The edges that lead from `top` to `bottom`, none of which is frozen.
///
/// QEMU: `bdrv_is_backing_chain_frozen` (block.c).
fn chain(top: &Rc<Node>, bottom: &Rc<Node>) -> BlockResult<Vec<Rc<Child>>> {
    let mut edges = Vec::new();
    let mut node = top.clone();
    while !Rc::ptr_eq(&node, bottom) {
        let edge = node.filtered().or_else(|| node.backing()).ok_or_else(|| {
            let text = format!(
                "Bottom node '{}' is not in the backing chain of '{}'",
                bottom.name(),
                top.name()
            );
            BlockError::new(ErrorKind::Invalid, text)
        })?;
        let below = edge.node();
        if edge.is_frozen() {
            let text = format!(
                "Cannot change '{}' link from '{}' to '{}'",
                edge.name(),
                node.name(),
                below.name()
            );
            return Err(BlockError::new(ErrorKind::InUse, text));
        }
        edges.push(edge);
        node = below;
    }
    Ok(edges)
}

impl CopyOnReadDriver {
    /// The last node of the chain from which something is copied, if there is such a limit.
    pub fn bottom(&self) -> Option<Rc<Node>> {
        self.bottom.borrow().as_ref()?.upgrade()
    }

    /// Lets the links to the bottom node be changed again: the filter is about to be taken out.
    ///
    /// QEMU: `bdrv_cor_filter_drop` (block/copy-on-read.c).
    pub fn unfreeze(&self) {
        for edge in self.frozen.take() {
            if let Some(edge) = edge.upgrade() {
                edge.set_frozen(false);
            }
        }
    }

    fn freeze(&self, edge: &Rc<Child>) {
        edge.set_frozen(true);
        self.frozen.borrow_mut().push(Rc::downgrade(edge));
    }

    fn file(node: &Node) -> BlockResult<Rc<Child>> {
        node.filtered().ok_or_else(|| {
            let text = format!("Node '{}' has no file any more", node.name());
            BlockError::new(ErrorKind::NotFound, text)
        })
    }

    /// Whether what `file` shows at `offset` is to be copied, and for how many of `bytes` that
    /// holds. If that is not known, it is.
    async fn is_to_copy(&self, file: &Node, offset: u64, bytes: u64) -> (bool, u64) {
        let (held, run) = match file.holds_itself(offset, bytes).await {
            Ok(answer) => answer,
            Err(_) => return (true, bytes),
        };
        let (false, Some(bottom)) = (held, self.bottom()) else {
            return (!held, run);
        };
        let below = bottom.skip_filters().backing().map(|edge| edge.node());
        let Some(backing) = file.skip_filters().backing() else {
            return (false, run);
        };
        let chain = backing.node();
        let status = chain.is_allocated_above(below.as_deref(), offset, run);
        status.await.unwrap_or((true, run))
    }

    /// QEMU: `cor_co_preadv_part` (block/copy-on-read.c).
    async fn read_copying(&self, node: &Node, offset: u64, buf: BytesMut) -> ReadResult {
        let file = match Self::file(node) {
            Ok(file) => file,
            Err(error) => return (buf, Err(error)),
        };
        let (mut at, mut rest, mut done) = (offset, buf, BytesMut::new());
        while !rest.is_empty() {
            let (copy, run) = self.is_to_copy(&file.node(), at, rest.len() as u64).await;
            let part = rest.split_to(run as usize);
            let (part, result) = if copy {
                debug_assert!(file.perms().used.contains(Perm::WRITE_UNCHANGED));
                file.node().co_read_copying_up(at, part).await
            } else {
                file.read(at, part).await
            };
            done.unsplit(part);
            if result.is_err() {
                done.unsplit(rest);
                return (done, result);
            }
            at += run;
        }
        (done, Ok(()))
    }
}

impl Drop for CopyOnReadDriver {
    fn drop(&mut self) {
        self.unfreeze();
    }
}

impl Driver for CopyOnReadDriver {
    fn format_name(&self) -> &'static str {
        "copy-on-read"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_filter(&self) -> bool {
        true
    }

    fn length(&self, node: &Node) -> BlockResult<u64> {
        Self::file(node)?.node().len()
    }

    /// Besides what its users do, it writes what does not change anything, and minds nobody else who
    /// does.
    ///
    /// QEMU: `cor_child_perm` (block/copy-on-read.c).
    fn child_perms(&self, _role: ChildRole, parents: PermPair, _read_only: bool) -> PermPair {
        PermPair {
            used: parents.used | Perm::WRITE_UNCHANGED,
            shared: parents.shared | Perm::WRITE_UNCHANGED,
        }
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        Box::pin(self.read_copying(node, offset, buf))
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move { Self::file(node)?.write(offset, data).await })
    }

    /// Its own link belongs to the way to the bottom node.
    fn child_changed(&self, _node: &Node, child: &Child) {
        if self.bottom.borrow().is_none() {
            return;
        }
        let users = child.node().parents();
        let attached = users
            .into_iter()
            .find(|user| std::ptr::eq(&raw const **user, child));
        if let Some(edge) = attached {
            self.freeze(&edge);
        }
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        let bottom = self.bottom().map(|bottom| bottom.name().to_owned());
        Box::new(PackedCopyOnRead { bottom })
    }

    /// The edges are frozen as they were; now it is known again that this is its doing.
    fn arrived(&self, node: &Node) {
        let name = self.awaited.take();
        let (Some(name), Some(graph)) = (name, node.graph()) else {
            return;
        };
        let bottom = graph.find_node(&name);
        let bottom = bottom.expect("it has moved along");
        *self.bottom.borrow_mut() = Some(Rc::downgrade(&bottom));
        let mut above = node.rc();
        while !Rc::ptr_eq(&above, &bottom) {
            let Some(edge) = above.filtered().or_else(|| above.backing()) else {
                return;
            };
            if edge.is_frozen() {
                self.frozen.borrow_mut().push(Rc::downgrade(&edge));
            }
            above = edge.node();
        }
    }
}

/// The name of the bottom node.
struct PackedCopyOnRead {
    bottom: Option<String>,
}

impl PackedDriver for PackedCopyOnRead {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(CopyOnReadDriver {
            bottom: RefCell::default(),
            awaited: RefCell::new(self.bottom),
            frozen: RefCell::default(),
        })
    }
}
