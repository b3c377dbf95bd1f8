//! The driver of a simulated disk's node.

use std::any::Any;
use std::rc::Rc;

use blockjob_block::child::Child;
use blockjob_block::driver::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use blockjob_block::moving::PackedDriver;
use blockjob_block::{BlockError, BlockResult, ErrorKind, Graph, Node};
use bytes::{Bytes, BytesMut};
use fragile::Fragile;

use super::{DiskWhat, Fill, SimDisk};
use crate::event::DiskKind;
use crate::world::{OpFuture, OpKind};

/// The driver of a node that is a simulated disk. With a child of the role
/// [`ChildRole::Cow`](blockjob_block::child::ChildRole), what the disk does not hold is the child's.
pub struct SimDriver(pub Rc<SimDisk>);

impl SimDriver {
    fn submit(&self, node: &Node, kind: OpKind, what: DiskKind, range: (u64, u64)) -> OpFuture {
        let disk = &self.0;
        if disk.home.borrow().as_ref() != Some(node.context()) {
            *disk.home.borrow_mut() = Some(node.context().clone());
        }
        disk.in_flight.set(disk.in_flight.get() + 1);
        disk.tell(what, range, DiskWhat::Begins);
        let fate = disk.fate(what);
        disk.world.submit(disk, kind, range, fate).counted_at(node)
    }

    async fn change(
        &self,
        node: &Node,
        kind: OpKind,
        what: DiskKind,
        range: (u64, u64),
    ) -> BlockResult<()> {
        if node.backing().is_some() {
            self.copy_up(node, range).await?;
        }
        let outcome = self.submit(node, kind, what, range).await;
        check(&self.0, outcome.errno)
    }

    /// Has the clusters that are changed in part allocated before.
    async fn copy_up(&self, node: &Node, (offset, bytes): (u64, u64)) -> BlockResult<()> {
        let parts = self.0.store.borrow().to_copy_up(offset, bytes);
        for (start, bytes) in parts {
            let Some(backing) = node.backing() else {
                continue;
            };
            let (buf, result) = backing.read(start, BytesMut::zeroed(bytes as usize)).await;
            result?;
            self.0.store.borrow_mut().put_copied_up(start, &buf);
        }
        Ok(())
    }
}

fn read(buf: BytesMut, over: bool) -> OpKind {
    OpKind::Read { buf, over }
}

fn check(disk: &SimDisk, errno: Option<i32>) -> BlockResult<()> {
    match errno {
        None => Ok(()),
        Some(errno) => {
            let text = format!("the disk '{}' fails the request", disk.name());
            Err(BlockError::new(ErrorKind::Io, text).with_errno(errno))
        }
    }
}

impl Driver for SimDriver {
    fn format_name(&self) -> &'static str {
        "sim"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, _node: &Node) -> Limits {
        Limits {
            request_alignment: self.0.spec.alignment.max(1),
            // Also if nobody named it: whole blocks are written, and so allocated.
            cluster_size: self.0.spec.cluster_bytes.max(self.0.spec.alignment),
            ..Limits::default()
        }
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(self.0.store.borrow().len())
    }

    fn has_zero_init(&self, _node: &Node) -> bool {
        self.0.spec.fill == Fill::Holes
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            let range = (offset, buf.len() as u64);
            let Some(backing) = node.backing() else {
                let outcome = self.submit(node, read(buf, false), DiskKind::Read, range);
                let outcome = outcome.await;
                return (outcome.buf, check(&self.0, outcome.errno));
            };
            let (buf, result) = backing.read(offset, buf).await;
            if result.is_err() {
                return (buf, result);
            }
            // What this disk holds is put over it when the request lands.
            let outcome = self.submit(node, read(buf, true), DiskKind::Read, range);
            let outcome = outcome.await;
            (outcome.buf, check(&self.0, outcome.errno))
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        let range = (offset, data.len() as u64);
        Box::pin(self.change(node, OpKind::Write(data), DiskKind::Write, range))
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        let may_unmap = flags.may_unmap;
        Box::pin(self.change(
            node,
            OpKind::Zero { may_unmap },
            DiskKind::Zero,
            (offset, bytes),
        ))
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(self.change(node, OpKind::Discard, DiskKind::Discard, (offset, bytes)))
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let landed = self.0.store.borrow().landed();
            let flush = OpKind::Flush { landed };
            let outcome = self.submit(node, flush, DiskKind::Flush, (0, 0)).await;
            check(&self.0, outcome.errno)
        })
    }

    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            if self.0.spec.status != super::StatusKind::Slow && self.0.spec.read_error == 0 {
                return Ok(self.0.status(offset, bytes));
            }
            let range = (offset, bytes);
            let outcome = self
                .submit(node, OpKind::Status, DiskKind::Status, range)
                .await;
            check(&self.0, outcome.errno)?;
            Ok(outcome.status.expect("it was asked for"))
        })
    }

    fn truncate<'a>(&'a self, _node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.0.store.borrow_mut().truncate(len);
            Ok(())
        })
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        Box::new(PackedDisk(Fragile::new(self.0.clone())))
    }

    fn child_changed(&self, node: &Node, _child: &Child) {
        let has_backing = node.backing().is_some();
        self.0.store.borrow_mut().set_backing(has_backing);
    }
}

/// A disk on its way to a node of another context. All contexts of a world are one thread.
struct PackedDisk(Fragile<Rc<SimDisk>>);

impl PackedDriver for PackedDisk {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(SimDriver(self.0.into_inner()))
    }
}
