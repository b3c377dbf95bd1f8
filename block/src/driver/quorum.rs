//! The driver `quorum`: several disks that should be the same, and what most of them say.
//!
//! The node has children with the names of [`child_name`] and the role
//! [`Data`](crate::child::ChildRole::Data). It writes to all of them; a request succeeds if as many do as
//! the threshold says.
//!
//! QEMU: block/quorum.c.

mod children;
mod event;
mod join;
mod moving;
mod options;
mod read;
mod vote;

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use blockjob_runtime::CoRwlock;
use bytes::{Bytes, BytesMut};
use nix::libc;

pub use event::{QuorumEvent, QuorumOp, Sectors};
pub use options::{QuorumOptions, ReadPattern};

use super::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags, not_supported};
use crate::child::{Child, ChildRole};
use crate::error::{BlockError, BlockResult};
use crate::moving::PackedDriver;
use crate::node::Node;
use crate::perm::{Perm, PermPair};
use join::join_all;

/// A name is known while the program is compiled, so there is a last one.
#[rustfmt::skip]
const CHILD_NAMES: [&str; 32] = [
    "children.0", "children.1", "children.2", "children.3", "children.4", "children.5",
    "children.6", "children.7", "children.8", "children.9", "children.10", "children.11",
    "children.12", "children.13", "children.14", "children.15", "children.16", "children.17",
    "children.18", "children.19", "children.20", "children.21", "children.22", "children.23",
    "children.24", "children.25", "children.26", "children.27", "children.28", "children.29",
    "children.30", "children.31",
];

/// The name of the child with this number, counted from 0; there are 32.
pub fn child_name(index: usize) -> Option<&'static str> {
    CHILD_NAMES.get(index).copied()
}

type Sink = Rc<dyn Fn(&QuorumEvent)>;

/// The driver `quorum`.
///
/// QEMU: `BDRVQuorumState` (block/quorum.c).
pub struct QuorumDriver {
    threshold: usize,
    blkverify: bool,
    rewrite_corrupted: bool,
    read_pattern: ReadPattern,
    sink: RefCell<Option<Sink>>,
    /// Writes hold it together; a vote among children that differ holds it alone.
    calm: CoRwlock,
}

impl QuorumDriver {
    /// Whom to tell of children that fail or differ. It is called in the middle of requests, and
    /// must only take note. It does not move along with the node: whoever wants to hear of that says so
    /// again in the other context.
    pub fn on_event(&self, sink: impl Fn(&QuorumEvent) + 'static) {
        let before = self.sink.replace(Some(Rc::new(sink)));
        drop(before);
    }

    /// How many children must agree.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    fn report(&self, event: &QuorumEvent) {
        let sink = self.sink.borrow().clone();
        if let Some(sink) = sink {
            sink(event);
        }
    }

    fn report_failure(&self, node: &Node, sectors: Sectors) {
        self.report(&QuorumEvent::failure(node, sectors));
    }

    fn report_error(
        &self,
        op: QuorumOp,
        child: &Child,
        offset: u64,
        bytes: usize,
        error: &BlockError,
    ) {
        let sectors = Sectors::of(offset, bytes as u64);
        self.report(&QuorumEvent::bad(op, &child.node(), sectors, Some(error)));
    }

    /// Has all children do something at the same time, and counts how many have.
    ///
    /// QEMU: `quorum_co_pwritev`, `quorum_co_flush` (block/quorum.c).
    async fn all<F>(
        &self,
        node: &Node,
        op: QuorumOp,
        sectors: Sectors,
        work: impl Fn(Rc<Child>) -> F,
    ) -> BlockResult<()>
    where
        F: Future<Output = BlockResult<()>>,
    {
        let children = node.children();
        let each = |child: &Rc<Child>| {
            let (child, working) = (child.clone(), work(child.clone()));
            Box::pin(async move {
                let result = working.await;
                if let Err(error) = &result {
                    let bad = QuorumEvent::bad(op, &child.node(), sectors, Some(error));
                    self.report(&bad);
                }
                result
            }) as std::pin::Pin<Box<dyn Future<Output = _> + '_>>
        };
        let results = join_all(children.iter().map(each).collect()).await;
        if results.iter().flatten().count() >= self.threshold {
            return Ok(());
        }
        if op != QuorumOp::Flush {
            self.report_failure(node, sectors);
        }
        Err(voted_error(&results))
    }
}

/// The error that most of those have who have failed.
///
/// QEMU: `quorum_vote_error` (block/quorum.c).
fn voted_error<T>(results: &[BlockResult<T>]) -> BlockError {
    let errors = results.iter().enumerate();
    let errors: Vec<_> = errors
        .filter_map(|(index, result)| Some((index, result.as_ref().err()?)))
        .collect();
    let parties = vote::count(errors.iter().copied(), |one, other| {
        one.errno() == other.errno()
    });
    if parties.is_empty() {
        return BlockError::from_errno(libc::EIO, "The quorum has too few children");
    }
    let first = parties[vote::winner(&parties)][0];
    let winner = errors.iter().find(|(index, _)| *index == first);
    winner.map_or_else(
        || BlockError::from_errno(libc::EIO, "The quorum has failed"),
        |(_, error)| (*error).clone(),
    )
}

impl Driver for QuorumDriver {
    fn format_name(&self) -> &'static str {
        "quorum"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, node: &Node) -> Limits {
        // The children pad what is not aligned for them, and split what is too long.
        let children = node.children();
        let alignments = children.iter().map(|child| child.node().limits());
        let alignments = alignments.map(|limits| limits.memory_alignment);
        Limits {
            memory_alignment: alignments.max().unwrap_or(1),
            ..Limits::default()
        }
    }

    /// QEMU: `quorum_co_getlength` (block/quorum.c).
    fn length(&self, node: &Node) -> BlockResult<u64> {
        let mut lengths = node.children().into_iter().map(|child| child.node().len());
        let differ = || BlockError::from_errno(libc::EIO, "The children differ in length");
        let first = lengths.next().ok_or_else(differ)??;
        for len in lengths {
            if len? != first {
                return Err(differ());
            }
        }
        Ok(first)
    }

    /// QEMU: `quorum_child_perm` (block/quorum.c).
    fn child_perms(&self, _role: ChildRole, parents: PermPair, _read_only: bool) -> PermPair {
        let mut used = parents.used;
        if self.rewrite_corrupted {
            used |= Perm::WRITE_UNCHANGED;
        }
        // Whoever writes to one child, or resizes it, makes it differ from the others.
        PermPair {
            used,
            shared: parents.shared.without(Perm::WRITE | Perm::RESIZE),
        }
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        match self.read_pattern {
            ReadPattern::Quorum => Box::pin(self.read_voted(node, offset, buf)),
            ReadPattern::Fifo => Box::pin(self.read_fifo(node, offset, buf)),
        }
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let _writing = self.calm.read().await;
            let sectors = Sectors::of(offset, data.len() as u64);
            self.all(node, QuorumOp::Write, sectors, |child| {
                let data = data.clone();
                async move { child.write(offset, data).await }
            })
            .await
        })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        if flags.no_fallback {
            // One child could and another not, and then they would differ.
            return not_supported("zero quickly in all children");
        }
        Box::pin(async move {
            let _writing = self.calm.read().await;
            let sectors = Sectors::of(offset, bytes);
            self.all(node, QuorumOp::Write, sectors, |child| async move {
                child.write_zeroes(offset, bytes, flags).await
            })
            .await
        })
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let nowhere = Sectors { num: 0, count: 0 };
            self.all(node, QuorumOp::Flush, nowhere, |child| async move {
                child.node().flush().await
            })
            .await
        })
    }

    /// Zeroes where all children know of zeroes, as far as all do; else data, as far as one does.
    ///
    /// QEMU: `quorum_co_block_status` (block/quorum.c).
    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            let (mut zero, mut data) = (bytes, 0);
            for child in node.children() {
                match child.node().block_status_above(None, offset, bytes).await {
                    Ok(status) if status.zero => zero = zero.min(status.bytes),
                    Ok(status) => data = data.max(status.bytes),
                    Err(error) => {
                        let len = usize::try_from(bytes).unwrap_or(usize::MAX);
                        self.report_error(QuorumOp::Read, &child, offset, len, &error);
                        data = bytes;
                        break;
                    }
                }
            }
            Ok(match data {
                0 => BlockStatus::zero(zero),
                data => BlockStatus::data(data),
            })
        })
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        self.pack_up()
    }
}
