//! Op blockers: operations that must not be begun on a node while somebody relies on it.
//!
//! Older than permissions, and coarser; the checks before a job starts still ask them first.
//!
//! QEMU: `bdrv_op_block` (block.c), `BlockOpType` (include/block/block-common.h).

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;

/// An operation that can be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // The names are the documentation: QEMU's, without `BLOCK_OP_TYPE_`.
pub enum BlockOp {
    BackupSource,
    BackupTarget,
    Change,
    CommitSource,
    CommitTarget,
    Dataplane,
    DriveDel,
    Eject,
    ExternalSnapshot,
    InternalSnapshot,
    InternalSnapshotDelete,
    MirrorSource,
    MirrorTarget,
    Resize,
    Stream,
    Replace,
}

struct Blocker {
    reason: String,
    /// None blocks every operation.
    op: Option<BlockOp>,
    /// Operations that are let through although all are blocked.
    except: RefCell<Vec<BlockOp>>,
}

#[derive(Default)]
pub(crate) struct OpBlockers {
    blockers: RefCell<Vec<Rc<Blocker>>>,
}

/// Blocks operations on a node until it is dropped.
#[must_use = "the operations are blocked until this is dropped"]
pub struct OpBlock {
    node: Weak<Node>,
    blocker: Rc<Blocker>,
}

impl OpBlock {
    /// Lets `op` through after all.
    ///
    /// QEMU: `bdrv_op_unblock` (block.c).
    pub fn except(self, op: BlockOp) -> Self {
        self.blocker.except.borrow_mut().push(op);
        self
    }
}

impl Drop for OpBlock {
    fn drop(&mut self) {
        if let Some(node) = self.node.upgrade() {
            let mut blockers = node.op_blockers.blockers.borrow_mut();
            blockers.retain(|blocker| !Rc::ptr_eq(blocker, &self.blocker));
        }
    }
}

impl Node {
    /// Blocks `op`, or every operation, for a reason that the refusal will name.
    ///
    /// QEMU: `bdrv_op_block`, `bdrv_op_block_all` (block.c).
    pub fn op_block(&self, op: Option<BlockOp>, reason: impl Into<String>) -> OpBlock {
        let blocker = Rc::new(Blocker {
            reason: reason.into(),
            op,
            except: RefCell::default(),
        });
        self.op_blockers.blockers.borrow_mut().push(blocker.clone());
        OpBlock {
            node: Rc::downgrade(&self.rc()),
            blocker,
        }
    }

    /// The name of a backend on top of it, under which users know it; its own if there is none.
    ///
    /// QEMU: `bdrv_get_device_or_node_name` (block.c).
    pub fn device_or_node_name(&self) -> String {
        let parents = self.parents().into_iter();
        let mut names = parents.filter_map(|edge| Some(edge.parent()?.backend_name()));
        names
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| self.name().to_owned())
    }

    /// Fails if `op` is blocked, naming the node and the reason.
    ///
    /// QEMU: `bdrv_op_is_blocked` (block.c).
    pub fn check_op(&self, op: BlockOp) -> BlockResult<()> {
        let blockers = self.op_blockers.blockers.borrow();
        // Of several the newest is named.
        let holder = blockers.iter().rev().find(|blocker| match blocker.op {
            Some(blocked) => blocked == op,
            None => !blocker.except.borrow().contains(&op),
        });
        match holder {
            None => Ok(()),
            Some(blocker) => Err(BlockError::new(
                ErrorKind::InUse,
                format!(
                    "Node '{}' is busy: {}",
                    self.device_or_node_name(),
                    blocker.reason
                ),
            )),
        }
    }
}
