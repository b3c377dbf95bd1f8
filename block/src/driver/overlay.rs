//! The driver `overlay`: what was written since, in memory, on top of a backing node.
//!
//! It does what `qcow2` does with a backing file, without a file of its own: a cluster is either
//! not held, and then the backing node shows through, or held, as zeroes or as data. A write to a
//! part of a cluster that is not held first copies the rest up. Meanwhile others may write to the
//! same cluster; so what was copied up counts only if the cluster is still not held when it
//! arrives. From that look to the end of the write there is no await, so nobody's bytes are lost.
//!
//! QEMU: qcow2's copy on write, `perform_cow` (block/qcow2-cluster.c), as a node without a file.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::pages::{Page, PageStore, Part};
use super::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::moving::PackedDriver;
use crate::node::Node;

/// How an `overlay` node is made.
#[derive(Debug, Clone)]
pub struct OverlayOptions {
    len: u64,
    cluster_size: u64,
}

impl OverlayOptions {
    /// An overlay of `len` bytes in clusters of 64 KiB. Where its backing node is shorter it reads
    /// as zeroes, as it does everywhere if there is none.
    pub fn new(len: u64) -> Self {
        OverlayOptions {
            len,
            cluster_size: 64 << 10,
        }
    }

    /// The unit in which it holds data, in bytes, a power of two.
    #[must_use]
    pub fn cluster_size(mut self, cluster_size_bytes: u64) -> Self {
        self.cluster_size = cluster_size_bytes;
        self
    }

    /// The driver. Its node may have a child `backing` with the role
    /// [`Cow`](crate::child::ChildRole::Cow).
    ///
    /// # Panics
    ///
    /// If the cluster size is not a power of two.
    pub fn build(self) -> OverlayDriver {
        OverlayDriver {
            len: Cell::new(self.len),
            store: RefCell::new(PageStore::new(self.cluster_size)),
        }
    }
}

/// The driver `overlay`.
pub struct OverlayDriver {
    len: Cell<u64>,
    store: RefCell<PageStore>,
}

/// Clusters that were copied up for the two ends of a request.
type CopiedUp = Vec<(u64, BytesMut)>;

impl OverlayDriver {
    /// How many bytes of memory its clusters take up.
    pub fn allocated_bytes(&self) -> u64 {
        self.store.borrow().data_bytes()
    }

    fn check(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        let len = self.len.get();
        if offset.checked_add(bytes).is_some_and(|end| end <= len) {
            return Ok(());
        }
        Err(BlockError::new(
            ErrorKind::OutOfRange,
            format!(
                "Request of {bytes} bytes at offset {offset} ends behind the overlay, at {len}"
            ),
        ))
    }

    /// Fills `buf` from the backing node; without one, and behind its end, with zeroes.
    async fn read_below(&self, node: &Node, offset: u64, mut buf: BytesMut) -> ReadResult {
        match node.backing() {
            Some(backing) => backing.read(offset, buf).await,
            None => {
                buf.fill(0);
                (buf, Ok(()))
            }
        }
    }

    /// What a cluster that is not held shows, with zeroes behind the end of the overlay.
    async fn cluster_below(&self, node: &Node, cluster: u64) -> BlockResult<BytesMut> {
        let cluster_size = self.store.borrow().page_bytes();
        let start = cluster * cluster_size;
        let shown = self.len.get().saturating_sub(start).min(cluster_size);
        let mut buf = BytesMut::zeroed(cluster_size as usize);
        let behind = buf.split_off(shown as usize);
        let (mut buf, result) = self.read_below(node, start, buf).await;
        result?;
        buf.unsplit(behind);
        Ok(buf)
    }

    /// Copies up the clusters at the two ends of a request that are not held and that it covers
    /// only in part.
    async fn copy_up(&self, node: &Node, offset: u64, bytes: u64) -> BlockResult<CopiedUp> {
        let mut copied = Vec::new();
        if node.backing().is_none() {
            return Ok(copied);
        }
        let ends = {
            let store = self.store.borrow();
            let cluster_size = store.page_bytes();
            let last = (offset + bytes - 1) / cluster_size;
            let first = offset / cluster_size;
            let first_is_part = !offset.is_multiple_of(cluster_size)
                || (first == last && self.ends_inside(&store, offset + bytes));
            let last_is_part = first != last && self.ends_inside(&store, offset + bytes);
            [(first, first_is_part), (last, last_is_part)]
        };
        for (cluster, is_part) in ends {
            if is_part && self.store.borrow().get(cluster).is_none() {
                copied.push((cluster, self.cluster_below(node, cluster).await?));
            }
        }
        Ok(copied)
    }

    /// True if a request that ends at `end` leaves bytes of its last cluster as they are.
    fn ends_inside(&self, store: &PageStore, end: u64) -> bool {
        !end.is_multiple_of(store.page_bytes()) && end < self.len.get()
    }

    /// Makes a range zero: whole clusters at no cost, ends as data.
    async fn zero(&self, node: &Node, offset: u64, bytes: u64) -> BlockResult<()> {
        let copied = self.copy_up(node, offset, bytes).await?;
        self.zero_now(node.backing().is_some(), offset, bytes, copied);
        Ok(())
    }

    fn zero_now(&self, backed: bool, offset: u64, bytes: u64, mut copied: CopiedUp) {
        let mut store = self.store.borrow_mut();
        for part in store.parts(offset, bytes as usize) {
            let end = offset + (part.at + part.bytes) as u64;
            if part.within == 0 && !self.ends_inside(&store, end) {
                // Also without a backing node: it may get one.
                store.set_zero(part.page);
                continue;
            }
            match (store.get(part.page), backed) {
                (Some(Page::Zero), _) | (None, false) => {}
                (Some(Page::Data(_)), _) | (None, true) => {
                    held(&mut store, part, &mut copied).fill(0);
                }
            }
        }
    }

    /// New bytes are zeroes also where the backing node has something to show.
    async fn grow(&self, node: &Node, old: u64, new: u64) -> BlockResult<()> {
        if let Some(backing) = node.backing() {
            let cluster_size = self.store.borrow().page_bytes();
            let shown = new.min(backing.node().len()?);
            if shown > old {
                let start = old / cluster_size;
                let mut copied = Vec::new();
                if !old.is_multiple_of(cluster_size) && self.store.borrow().get(start).is_none() {
                    // Zero behind the old end, which is the end until all of this is done.
                    copied.push((start, self.cluster_below(node, start).await?));
                }
                // What is behind the new end in the last cluster is zero in any case.
                let end = shown.next_multiple_of(cluster_size);
                self.zero_now(true, old, end - old, copied);
            }
        }
        self.len.set(new);
        Ok(())
    }
}

/// The bytes of `part` in its cluster, which is held from now on: as it was, or else as it was
/// copied up.
fn held<'a>(store: &'a mut PageStore, part: Part, copied: &mut CopiedUp) -> &'a mut [u8] {
    let bytes = store.data_mut(part.page, |fresh| {
        if let Some((_, copy)) = copied.iter().find(|(cluster, _)| *cluster == part.page) {
            fresh.copy_from_slice(copy);
        }
    });
    &mut bytes[part.within..part.within + part.bytes]
}

impl Driver for OverlayDriver {
    fn format_name(&self) -> &'static str {
        "overlay"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, _node: &Node) -> Limits {
        Limits {
            cluster_size: self.store.borrow().page_bytes(),
            ..Limits::default()
        }
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(self.len.get())
    }

    fn has_zero_init(&self, _node: &Node) -> bool {
        true
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            let mut offset = offset;
            let mut rest = buf;
            let mut done = BytesMut::new();
            while !rest.is_empty() {
                let (own, run) = self.run_at(offset, rest.len() as u64);
                let mut part = rest.split_to(run as usize);
                if own {
                    self.read_own(offset, &mut part);
                } else {
                    let result;
                    (part, result) = self.read_below(node, offset, part).await;
                    if result.is_err() {
                        done.unsplit(part);
                        done.unsplit(rest);
                        return (done, result);
                    }
                }
                done.unsplit(part);
                offset += run;
            }
            (done, Ok(()))
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.check(offset, data.len() as u64)?;
            let mut copied = self.copy_up(node, offset, data.len() as u64).await?;
            let mut store = self.store.borrow_mut();
            for part in store.parts(offset, data.len()) {
                held(&mut store, part, &mut copied)
                    .copy_from_slice(&data[part.at..part.at + part.bytes]);
            }
            Ok(())
        })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        _flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.check(offset, bytes)?;
            self.zero(node, offset, bytes).await
        })
    }

    /// What is given up reads as zeroes: the backing node does not show through again.
    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        self.write_zeroes(node, offset, bytes, ZeroFlags::default())
    }

    fn block_status<'a>(
        &'a self,
        _node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            let store = self.store.borrow();
            let kind = |page| match store.get(page) {
                None => BlockStatus::unallocated(0),
                Some(Page::Zero) => BlockStatus::zero(0),
                Some(Page::Data(_)) => BlockStatus::data(0),
            };
            let status = kind(offset / store.page_bytes());
            let bytes = store.run(offset, bytes, |page| kind(page) == status);
            Ok(BlockStatus { bytes, ..status })
        })
    }

    fn truncate<'a>(&'a self, node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let old = self.len.get();
            if len > old {
                return self.grow(node, old, len).await;
            }
            self.len.set(len);
            self.store.borrow_mut().cut(len);
            Ok(())
        })
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        let page_bytes = self.store.borrow().page_bytes();
        Box::new(PackedOverlay(OverlayDriver {
            len: Cell::new(self.len.take()),
            store: RefCell::new(self.store.replace(PageStore::new(page_bytes))),
        }))
    }
}

/// Its clusters.
struct PackedOverlay(OverlayDriver);

impl PackedDriver for PackedOverlay {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(self.0)
    }
}

impl OverlayDriver {
    /// Whether the clusters at `offset` are held, and for how many of `bytes` that is so.
    fn run_at(&self, offset: u64, bytes: u64) -> (bool, u64) {
        let store = self.store.borrow();
        let own = store.get(offset / store.page_bytes()).is_some();
        let run = store.run(offset, bytes, |page| store.get(page).is_some() == own);
        (own, run)
    }

    fn read_own(&self, offset: u64, out: &mut [u8]) {
        let store = self.store.borrow();
        for part in store.parts(offset, out.len()) {
            let out = &mut out[part.at..part.at + part.bytes];
            match store.get(part.page) {
                Some(Page::Data(bytes)) => {
                    out.copy_from_slice(&bytes[part.within..part.within + part.bytes]);
                }
                _ => out.fill(0),
            }
        }
    }
}
