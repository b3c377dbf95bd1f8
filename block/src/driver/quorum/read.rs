//! Reads of a quorum.
//!
//! Children that are read while somebody writes to them may differ, and none of them is wrong. So a
//! difference counts only if it is still there when nobody writes: then all children are read
//! again, the writes that come wait, and the children vote. For the same reason children that are
//! in the minority are corrected before any write goes on; else a correction could undo it.
//!
//! QEMU: `read_quorum_children`, `quorum_vote`, `read_fifo_child` (block/quorum.c), which votes on
//! what it has read first.

use std::pin::Pin;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use nix::libc;

use super::event::{QuorumEvent, QuorumOp, Sectors};
use super::join::join_all;
use super::vote;
use super::{QuorumDriver, voted_error};
use crate::child::Child;
use crate::driver::ReadResult;
use crate::error::{BlockError, BlockResult};
use crate::node::Node;
use crate::to_the_end::to_the_end;

/// What each child says.
type Copies = Vec<BlockResult<BytesMut>>;

impl QuorumDriver {
    /// QEMU: `read_fifo_child` (block/quorum.c).
    pub(super) async fn read_fifo(
        &self,
        node: &Node,
        offset: u64,
        mut buf: BytesMut,
    ) -> ReadResult {
        let mut result = Err(no_children(node));
        for child in node.children() {
            (buf, result) = child.read(offset, buf).await;
            match &result {
                Ok(()) => break,
                Err(error) => self.report_error(QuorumOp::Read, &child, offset, buf.len(), error),
            }
        }
        (buf, result)
    }

    pub(super) async fn read_voted(
        &self,
        node: &Node,
        offset: u64,
        mut buf: BytesMut,
    ) -> ReadResult {
        let bytes = buf.len();
        let copies = self.read_children(node, offset, bytes, &[]).await;
        let result = match self.unanimous(node, offset, &copies, bytes) {
            Ok(Some(copy)) => {
                buf.copy_from_slice(copy);
                Ok(())
            }
            Ok(None) => {
                let failed: Vec<bool> = copies.iter().map(Result::is_err).collect();
                drop(copies);
                self.settle(node, offset, bytes, failed)
                    .await
                    .map(|copy| buf.copy_from_slice(&copy))
            }
            Err(error) => Err(error),
        };
        (buf, result)
    }

    /// Reads all children. Those that fail are reported, unless they have failed before.
    async fn read_children(
        &self,
        node: &Node,
        offset: u64,
        bytes: usize,
        failed_before: &[bool],
    ) -> Copies {
        let children = node.children();
        let read = |(index, child): (usize, &Rc<Child>)| {
            let child = child.clone();
            let reported = failed_before.get(index).copied().unwrap_or(false);
            let memory_alignment = child.node().limits().memory_alignment;
            Box::pin(async move {
                let buf = crate::buf::aligned(bytes, memory_alignment);
                let (buf, result) = child.read(offset, buf).await;
                if let (Err(error), false) = (&result, reported) {
                    self.report_error(QuorumOp::Read, &child, offset, bytes, error);
                }
                result.map(|()| buf)
            }) as Pin<Box<dyn Future<Output = _>>>
        };
        join_all(children.iter().enumerate().map(read).collect()).await
    }

    /// What all children say that say anything; `None` if they differ.
    ///
    /// # Errors
    ///
    /// Too few have answered; or they differ, and may not.
    fn unanimous<'c>(
        &self,
        node: &Node,
        offset: u64,
        copies: &'c Copies,
        bytes: usize,
    ) -> BlockResult<Option<&'c BytesMut>> {
        let mut good = copies.iter().flatten();
        if good.clone().count() < self.threshold {
            self.report_failure(node, Sectors::of(offset, bytes as u64));
            return Err(voted_error(copies));
        }
        let first = good.next().ok_or_else(|| no_children(node))?;
        Ok(good.all(|copy| copy == first).then_some(first))
    }

    /// Reads again while nobody writes, lets the children vote, and corrects those that are in the
    /// minority. Begun, that runs to its end.
    async fn settle(
        &self,
        node: &Node,
        offset: u64,
        bytes: usize,
        failed: Vec<bool>,
    ) -> BlockResult<Bytes> {
        let node = node.rc();
        let context = node.context().clone();
        to_the_end(&context, "quorum", async move {
            let _in_flight = node.begin_internal();
            let driver = node.driver().as_any().downcast_ref::<QuorumDriver>();
            let driver = driver.expect("a node keeps its driver");
            let _calm = driver.calm.write().await;
            let copies = driver.read_children(&node, offset, bytes, &failed).await;
            driver.vote(&node, offset, bytes, copies).await
        })
        .await
    }

    /// QEMU: `quorum_vote` (block/quorum.c).
    async fn vote(
        &self,
        node: &Node,
        offset: u64,
        bytes: usize,
        mut copies: Copies,
    ) -> BlockResult<Bytes> {
        let unanimous = self.unanimous(node, offset, &copies, bytes)?.is_some();
        if self.blkverify && !unanimous {
            return Err(self.mismatch(node, offset, &copies));
        }
        let good = copies.iter().enumerate();
        let good = good.filter_map(|(index, copy)| Some((index, copy.as_ref().ok()?)));
        let mut parties = vote::count(good, |one, other| one == other);
        let winner = parties.remove(vote::winner(&parties));
        if winner.len() < self.threshold {
            self.report_failure(node, Sectors::of(offset, bytes as u64));
            let text = "Too few children of the quorum agree";
            return Err(BlockError::from_errno(libc::EIO, text));
        }
        let copy = std::mem::replace(&mut copies[winner[0]], Ok(BytesMut::new()));
        let copy = copy?.freeze();
        // In QEMU's order: the party that was seen last comes first, and its last voter.
        let bad: Vec<usize> = parties.into_iter().flatten().collect();
        let children = node.children();
        for index in bad.iter().rev() {
            let sectors = Sectors::of(offset, bytes as u64);
            let child = children[*index].node();
            self.report(&QuorumEvent::bad(QuorumOp::Read, &child, sectors, None));
        }
        if self.rewrite_corrupted {
            for index in bad {
                // It is but an attempt: whoever fails here will be in the minority again.
                let _ = children[index].write(offset, copy.clone()).await;
            }
        }
        Ok(copy)
    }

    /// QEMU: `quorum_compare`, `quorum_err` (block/quorum.c), which exits.
    fn mismatch(&self, node: &Node, offset: u64, copies: &Copies) -> BlockError {
        let both: Vec<_> = copies.iter().flatten().collect();
        let same = both[0]
            .iter()
            .zip(both[1])
            .take_while(|(one, other)| one == other);
        let at = offset + same.count() as u64;
        self.report(&QuorumEvent::Mismatch {
            node_name: node.name().to_owned(),
            offset: at,
        });
        BlockError::from_errno(libc::EIO, format!("contents mismatch at offset {at}"))
    }
}

fn no_children(node: &Node) -> BlockError {
    let text = format!("Quorum '{}' has no children", node.name());
    BlockError::from_errno(libc::EIO, text)
}
