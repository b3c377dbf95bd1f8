//! The driver of a node that is a qcow2 image in a simulated disk.
//!
//! The shipped driver does the work. Around it stands this one, which keeps a book of what the image must
//! show: a [`SimDisk`] without a fault, the *view*, that is changed when a request has ended well. So
//! checkers see an image as they see any other disk, and what the image really holds can be compared.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use blockjob_block::driver::qcow2::Qcow2Driver;
use blockjob_block::driver::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use blockjob_block::{BlockResult, Node, PermPair};
use bytes::{Bytes, BytesMut};

use super::{DiskWhat, SimDisk, SimDriver, UNIT_BYTES};
use crate::event::DiskKind;

mod handover;

/// See the module.
pub struct ImageDriver {
    inner: Rc<Qcow2Driver>,
    view: Rc<SimDisk>,
}

/// What the view of an image knows of requests that change it.
#[derive(Default)]
pub(super) struct Book {
    under_way: RefCell<Vec<UnderWay>>,
    next: Cell<u64>,
    /// Units of which nobody can say what they hold: two changes were under way at a time, or one failed.
    unsure: RefCell<Vec<bool>>,
    unsure_units: Cell<usize>,
    /// Changes that have ended, and how many of them the last good flush has made safe.
    changes: Cell<u64>,
    flushed: Cell<u64>,
}

struct UnderWay {
    id: u64,
    offset: u64,
    bytes: u64,
    alone: bool,
}

impl Book {
    fn begin(&self, offset: u64, bytes: u64) -> u64 {
        let id = self.next.get();
        self.next.set(id + 1);
        let mut under_way = self.under_way.borrow_mut();
        let mut alone = true;
        for other in &mut *under_way {
            if other.offset < offset + bytes && offset < other.offset + other.bytes {
                other.alone = false;
                alone = false;
            }
        }
        under_way.push(UnderWay {
            id,
            offset,
            bytes,
            alone,
        });
        id
    }

    /// A change has ended. If it is done, and was alone, it is known what `sure` holds.
    fn end(&self, id: u64, failed: bool, sure: Range<u64>) {
        let mut under_way = self.under_way.borrow_mut();
        let index = under_way.iter().position(|it| it.id == id);
        let it = under_way.swap_remove(index.expect("what ends has begun"));
        self.changes.set(self.changes.get() + 1);
        let is_unsure = failed || !it.alone;
        if !is_unsure && self.unsure_units.get() == 0 {
            return;
        }
        let mut unsure = self.unsure.borrow_mut();
        let range = match is_unsure {
            true => it.offset..it.offset + it.bytes,
            false => sure,
        };
        let end = range.end.div_ceil(UNIT_BYTES) as usize;
        if unsure.len() < end {
            unsure.resize(end, false);
        }
        for unit in (range.start / UNIT_BYTES) as usize..end {
            let before = std::mem::replace(&mut unsure[unit], is_unsure);
            let count = self.unsure_units.get() + usize::from(is_unsure) - usize::from(before);
            self.unsure_units.set(count);
        }
    }
}

impl SimDisk {
    /// Whether it is known what each place holds. Of what is no view it always is.
    pub(crate) fn is_sure(&self) -> bool {
        self.book.unsure_units.get() == 0
    }

    /// Whether it is known what the unit at `offset` holds.
    pub(crate) fn is_sure_of(&self, offset: u64) -> bool {
        let unsure = self.book.unsure.borrow();
        let unit = unsure.get((offset / UNIT_BYTES) as usize);
        !unit.copied().unwrap_or(false)
    }

    /// Whether the last good flush came after every change, so that the file has all of it.
    pub(crate) fn is_flushed(&self) -> bool {
        self.book.changes.get() == self.book.flushed.get()
            && self.book.under_way.borrow().is_empty()
    }
}

impl SimDisk {
    /// What is known after such a request: one that gives a range up leaves the parts of clusters alone.
    fn settled(&self, kind: DiskKind, (offset, bytes): (u64, u64)) -> Range<u64> {
        let end = offset + bytes;
        if kind != DiskKind::Discard {
            return offset..end;
        }
        let (size, len) = (self.spec.cluster_bytes, self.store.borrow().len());
        let start = offset.next_multiple_of(size);
        let end = if end >= len { len } else { end & !(size - 1) };
        start..end.max(start)
    }
}

impl ImageDriver {
    /// The driver `inner` of an image, of which `view` tells what it shows.
    pub fn new(inner: Qcow2Driver, view: &Rc<SimDisk>) -> ImageDriver {
        ImageDriver {
            inner: Rc::new(inner),
            view: view.clone(),
        }
    }

    /// What the image shows.
    pub(crate) fn view(&self) -> &Rc<SimDisk> {
        &self.view
    }

    /// Runs a request to its end, whether or not somebody waits for it.
    async fn request<T: 'static>(
        &self,
        node: &Node,
        kind: DiskKind,
        range: (u64, u64),
        request: impl AsyncFnOnce(&Qcow2Driver, &Node) -> T + 'static,
        land: impl FnOnce(&Node, &SimDisk, &T) -> bool + 'static,
    ) -> T {
        let (view, inner, node) = (self.view.clone(), self.inner.clone(), node.rc());
        view.in_flight.set(view.in_flight.get() + 1);
        view.tell(kind, range, DiskWhat::Begins);
        let changes = kind.changes();
        let id = changes.then(|| view.book.begin(range.0, range.1));
        let (sender, receiver) = handover::pair();
        let context = node.context().clone();
        let coroutine = context.coroutine("image", async move {
            let _in_flight = node.begin_internal();
            let before = view.book.changes.get();
            let output = request(&inner, &node).await;
            let done = land(&node, &view, &output);
            if let Some(id) = id {
                view.book.end(id, !done, view.settled(kind, range));
            }
            if kind == DiskKind::Flush && done {
                view.book.flushed.set(before.max(view.book.flushed.get()));
            }
            view.tell(kind, range, DiskWhat::Lands { failed: !done });
            view.ended();
            sender.give(output);
        });
        coroutine.enter();
        receiver.await
    }
}

/// Has the view hold what it shows of its base in clusters of which a part is to be changed.
fn copy_up(node: &Node, view: &SimDisk, offset: u64, bytes: u64) {
    let parts = view.store.borrow().to_copy_up(offset, bytes);
    for (start, bytes) in parts {
        let mut buf = vec![0; bytes as usize];
        if let Some(below) = node.backing()
            && let Some(base) = below.node().driver().as_any().downcast_ref::<SimDriver>()
        {
            base.0.store.borrow().read(start, &mut buf);
        }
        view.store.borrow_mut().put_copied_up(start, &buf);
    }
}

impl Driver for ImageDriver {
    fn format_name(&self) -> &'static str {
        self.inner.format_name()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, node: &Node) -> Limits {
        self.inner.limits(node)
    }

    fn length(&self, node: &Node) -> BlockResult<u64> {
        self.inner.length(node)
    }

    fn has_zero_init(&self, node: &Node) -> bool {
        self.inner.has_zero_init(node)
    }

    fn check_perms(&self, node: &Node, perms: PermPair) -> BlockResult<()> {
        self.inner.check_perms(node, perms)
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        let range = (offset, buf.len() as u64);
        Box::pin(self.request(
            node,
            DiskKind::Read,
            range,
            async move |inner, node| inner.read(node, offset, buf).await,
            |_, _, (_, result)| result.is_ok(),
        ))
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        let (range, copy) = ((offset, data.len() as u64), data.clone());
        Box::pin(self.request(
            node,
            DiskKind::Write,
            range,
            async move |inner, node| inner.write(node, offset, data).await,
            move |node, view, result| {
                if result.is_ok() {
                    copy_up(node, view, range.0, range.1);
                    view.store.borrow_mut().write(offset, &copy);
                }
                result.is_ok()
            },
        ))
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(self.request(
            node,
            DiskKind::Zero,
            (offset, bytes),
            async move |inner, node| inner.write_zeroes(node, offset, bytes, flags).await,
            move |node, view, result| {
                if result.is_ok() {
                    copy_up(node, view, offset, bytes);
                    let mut store = view.store.borrow_mut();
                    store.zero(offset, bytes, flags.may_unmap);
                }
                result.is_ok()
            },
        ))
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(self.request(
            node,
            DiskKind::Discard,
            (offset, bytes),
            async move |inner, node| inner.discard(node, offset, bytes).await,
            move |_, view, result| {
                if result.is_ok() {
                    view.store.borrow_mut().discard(offset, bytes);
                }
                result.is_ok()
            },
        ))
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(self.request(
            node,
            DiskKind::Flush,
            (0, 0),
            async move |inner, node| inner.flush(node).await,
            |_, _, result| result.is_ok(),
        ))
    }

    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(self.request(
            node,
            DiskKind::Status,
            (offset, bytes),
            async move |inner, node| inner.block_status(node, offset, bytes).await,
            |_, _, result| result.is_ok(),
        ))
    }

    fn truncate<'a>(&'a self, node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        self.inner.truncate(node, len)
    }
}
