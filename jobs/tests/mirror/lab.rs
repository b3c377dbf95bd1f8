//! A disk in memory that answers when it likes, and counts what it is asked.
//!
//! What a write does is done at some moment between its begin and its end, and so is what a read
//! sees: requests overtake each other, and an old copy can land after a newer one.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use blockjob_block::driver::mem::{Fill, MemDisk};
use blockjob_block::driver::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use blockjob_block::{BlockResult, Node};
use bytes::{Bytes, BytesMut};

/// A stream of numbers that only depends on its seed (xorshift).
pub(crate) struct Dice(Cell<u64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }

    pub(crate) fn next(&self) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        x >> 11
    }

    /// One of `range`.
    pub(crate) fn within(&self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start).max(1)
    }
}

/// What a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    Zero,
    Discard,
    Flush,
}

/// One request, as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Io {
    pub(crate) kind: Kind,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) at_ns: u64,
    pub(crate) may_unmap: bool,
}

/// How a lab disk is made.
#[derive(Clone)]
pub(crate) struct LabOptions {
    pub(crate) len: u64,
    pub(crate) fill: Fill,
    /// How long each half of a request takes: before and after it does what it does.
    pub(crate) half_ns: Range<u64>,
    /// How long the answer takes what is known of a range.
    pub(crate) status_ns: Range<u64>,
    /// The unit of allocation, and whether the limits say so.
    pub(crate) page_bytes: u64,
    pub(crate) limits: Limits,
    pub(crate) seed: u64,
}

impl LabOptions {
    /// Answers at once, is noise, and allocates in sectors.
    pub(crate) fn new(len: u64) -> Self {
        LabOptions {
            len,
            fill: Fill::Noise(3),
            half_ns: 0..0,
            status_ns: 0..0,
            page_bytes: 512,
            limits: Limits::default(),
            seed: 1,
        }
    }

    pub(crate) fn fill(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    pub(crate) fn half_ns(mut self, half_ns: Range<u64>) -> Self {
        self.half_ns = half_ns;
        self
    }

    pub(crate) fn status_ns(mut self, status_ns: Range<u64>) -> Self {
        self.status_ns = status_ns;
        self
    }

    pub(crate) fn page_bytes(mut self, page_bytes: u64) -> Self {
        self.page_bytes = page_bytes;
        self
    }

    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// What a test holds of a lab disk.
pub(crate) struct Lab {
    pub(crate) disk: MemDisk,
    options: LabOptions,
    pub(crate) half_ns: RefCell<Range<u64>>,
    pub(crate) status_ns: RefCell<Range<u64>>,
    dice: Dice,
    /// Reads, writes and zeroes.
    pub(crate) in_flight: Cell<usize>,
    pub(crate) bytes_in_flight: Cell<u64>,
    pub(crate) log: RefCell<Vec<Io>>,
    /// Called whenever what is in flight changes.
    pub(crate) on_change: RefCell<Option<Rc<dyn Fn()>>>,
}

impl Lab {
    pub(crate) fn driver(options: LabOptions) -> LabDriver {
        LabDriver(Rc::new(Lab {
            disk: MemDisk::new(options.len, options.fill, options.page_bytes),
            half_ns: RefCell::new(options.half_ns.clone()),
            status_ns: RefCell::new(options.status_ns.clone()),
            dice: Dice::new(options.seed),
            options,
            in_flight: Cell::new(0),
            bytes_in_flight: Cell::new(0),
            log: RefCell::default(),
            on_change: RefCell::default(),
        }))
    }

    /// How many requests of a kind it has got.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        let log = self.log.borrow();
        log.iter().filter(|io| io.kind == kind).count()
    }

    /// How many bytes were moved by requests of a kind.
    pub(crate) fn moved_bytes(&self, kind: Kind) -> u64 {
        let log = self.log.borrow();
        let ios = log.iter().filter(|io| io.kind == kind);
        ios.map(|io| io.bytes).sum()
    }

    pub(crate) fn requests(&self) -> usize {
        self.log.borrow().len()
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.disk.len() as usize];
        self.disk.read_at(0, &mut bytes);
        bytes
    }

    /// How much of a request lies in the disk: one that is padded to its last unit ends behind it.
    fn inside(&self, offset: u64, bytes: u64) -> usize {
        bytes.min(self.disk.len().saturating_sub(offset)) as usize
    }

    async fn half(&self, node: &Node) {
        let range = self.half_ns.borrow().clone();
        if range.end > 0 {
            node.context().sleep(self.dice.within(range)).await;
        }
    }

    fn changed(&self) {
        let hook = self.on_change.borrow().clone();
        if let Some(hook) = hook {
            hook();
        }
    }
}

/// One request for as long as it takes.
struct UnderWay<'a>(&'a Lab, u64);

impl<'a> UnderWay<'a> {
    fn begin(lab: &'a Lab, node: &Node, kind: Kind, offset: u64, bytes: u64, unmap: bool) -> Self {
        lab.log.borrow_mut().push(Io {
            kind,
            offset,
            bytes,
            at_ns: node.context().now_ns(),
            may_unmap: unmap,
        });
        lab.in_flight.set(lab.in_flight.get() + 1);
        lab.bytes_in_flight.set(lab.bytes_in_flight.get() + bytes);
        lab.changed();
        UnderWay(lab, bytes)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let lab = self.0;
        lab.in_flight.set(lab.in_flight.get() - 1);
        lab.bytes_in_flight.set(lab.bytes_in_flight.get() - self.1);
        lab.changed();
    }
}

pub(crate) struct LabDriver(pub(crate) Rc<Lab>);

impl Driver for LabDriver {
    fn format_name(&self) -> &'static str {
        "lab"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, _node: &Node) -> Limits {
        self.0.options.limits
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(self.0.disk.len())
    }

    fn has_zero_init(&self, _node: &Node) -> bool {
        self.0.options.fill == Fill::Zeroes
    }

    fn read<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        mut buf: BytesMut,
    ) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            let lab = &*self.0;
            let _io = UnderWay::begin(lab, node, Kind::Read, offset, buf.len() as u64, false);
            lab.half(node).await;
            lab.disk.read_at(offset, &mut buf);
            lab.half(node).await;
            (buf, Ok(()))
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let lab = &*self.0;
            let _io = UnderWay::begin(lab, node, Kind::Write, offset, data.len() as u64, false);
            lab.half(node).await;
            lab.disk
                .write_at(offset, &data[..lab.inside(offset, data.len() as u64)]);
            lab.half(node).await;
            Ok(())
        })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let lab = &*self.0;
            let _io = UnderWay::begin(lab, node, Kind::Zero, offset, bytes, flags.may_unmap);
            lab.half(node).await;
            let inside = lab.inside(offset, bytes) as u64;
            lab.disk.zero_at(offset, inside, flags.may_unmap);
            lab.half(node).await;
            Ok(())
        })
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let lab = &*self.0;
            let _io = UnderWay::begin(lab, node, Kind::Discard, offset, bytes, true);
            lab.half(node).await;
            lab.disk
                .discard_at(offset, lab.inside(offset, bytes) as u64);
            lab.half(node).await;
            Ok(())
        })
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let _io = UnderWay::begin(&self.0, node, Kind::Flush, 0, 0, false);
            self.0.half(node).await;
            Ok(())
        })
    }

    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            let lab = &*self.0;
            // What is known is known before the answer arrives.
            let status = lab.disk.status_at(offset, bytes);
            let range = lab.status_ns.borrow().clone();
            if range.end > 0 {
                node.context().sleep(lab.dice.within(range)).await;
            }
            Ok(status)
        })
    }
}
