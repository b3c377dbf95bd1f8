//! Tracked requests: which ranges are being worked on, and who must wait for whom.
//!
//! Most requests may overlap: who reads and writes the same place at the same time gets what he
//! asked for. A *serialising* request may not, because it reads and writes more than it was asked
//! to: one that is padded to the alignment of the driver writes back what it has read before. It
//! waits for all that it overlaps, and they for it, but nobody waits for somebody who waits
//! already: so there is no ring.
//!
//! QEMU: `BdrvTrackedRequest`, `bdrv_wait_serialising_requests_locked` (block/io.c).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_runtime::CoQueue;
use blockjob_runtime::trace::LayerEvent;

use crate::marks;
use crate::node::Node;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Reads.
    Read,
    /// Writes, also zeroes.
    Write,
    /// Gives a range up.
    Discard,
    /// Changes the length.
    Truncate,
}

/// What stands for the node in the trace of a section that covers the whole graph.
pub const ALL_NODES: &str = "(all)";

/// What the block layer reports to a trace.
#[derive(Clone, Debug)]
pub enum BlockTrace {
    /// A request has begun at a node.
    RequestBegin {
        /// The node's name.
        node: Rc<str>,
        /// Tells the requests of a node apart; counted from 1.
        id: u64,
        /// What it does.
        kind: RequestKind,
        /// From where, in bytes.
        offset: u64,
        /// How long, in bytes.
        bytes: u64,
    },
    /// A request has ended.
    RequestEnd {
        /// The node's name.
        node: Rc<str>,
        /// As it began.
        id: u64,
        /// What it did.
        kind: RequestKind,
        /// From where, in bytes.
        offset: u64,
        /// How long, in bytes.
        bytes: u64,
    },
    /// Somebody asks for a drained section; it is not established yet.
    DrainBegin {
        /// The node's name; [`ALL_NODES`] for a section of the whole graph.
        node: Rc<str>,
        /// The section: see [`Section::id`](crate::section::Section::id).
        section: u64,
        /// Who asks.
        owner: &'static str,
    },
    /// The section is established: nothing is in flight.
    Drained {
        /// The node's name; [`ALL_NODES`] for a section of the whole graph.
        node: Rc<str>,
        /// The section: see [`Section::id`](crate::section::Section::id).
        section: u64,
        /// Who asked.
        owner: &'static str,
    },
    /// The section ends.
    DrainEnd {
        /// The node's name; [`ALL_NODES`] for a section of the whole graph.
        node: Rc<str>,
        /// The section: see [`Section::id`](crate::section::Section::id).
        section: u64,
        /// Who asked.
        owner: &'static str,
    },
    /// All users of one node now use another.
    ReplaceNode {
        /// The node that they used.
        from: Rc<str>,
        /// The node that they use.
        to: Rc<str>,
    },
}

impl LayerEvent for BlockTrace {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

struct Tracked {
    id: u64,
    kind: RequestKind,
    /// The pass in which it began.
    since_ns: u64,
    /// What was asked for, for traces.
    asked: (u64, u64),
    /// What nobody else may touch, if it is serialising: more than was asked for.
    offset: Cell<u64>,
    bytes: Cell<u64>,
    serialising: Cell<bool>,
    /// Whom it waits for, to tell a ring.
    waiting_for: RefCell<Option<Rc<Tracked>>>,
    /// Who waits for it.
    waiters: CoQueue,
}

/// A request that is under way, for whoever explains what a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// Tells the requests of a node apart; counted from 1.
    pub id: u64,
    /// What it does.
    pub kind: RequestKind,
    /// From where, in bytes.
    pub offset: u64,
    /// How long, in bytes.
    pub bytes: u64,
    /// When it began, to a pass of the event loop, in nanoseconds of the context's clock.
    pub since_ns: u64,
    /// The request of the same node that it waits for, because they must not overlap.
    pub waits_for: Option<u64>,
}

impl Tracked {
    fn info(&self) -> RequestInfo {
        RequestInfo {
            id: self.id,
            kind: self.kind,
            offset: self.asked.0,
            bytes: self.asked.1,
            since_ns: self.since_ns,
            waits_for: self.waiting_for.borrow().as_ref().map(|other| other.id),
        }
    }

    fn overlaps(&self, other: &Tracked) -> bool {
        self.offset.get() < other.offset.get() + other.bytes.get()
            && other.offset.get() < self.offset.get() + self.bytes.get()
    }
}

/// The requests of a node.
#[derive(Default)]
pub(crate) struct Requests {
    all: RefCell<Vec<Rc<Tracked>>>,
    serialising: Cell<usize>,
    /// How many there have been.
    begun: Cell<u64>,
}

impl Requests {
    pub(crate) fn begun(&self) -> u64 {
        self.begun.get()
    }

    pub(crate) fn set_begun(&self, begun: u64) {
        self.begun.set(begun);
    }
}

/// A request for as long as it is under way: tracked, and in flight.
pub(crate) struct Request<'a> {
    node: &'a Node,
    tracked: Rc<Tracked>,
    _in_flight: InFlight<'a>,
}

/// One thing in flight at a node; dropping it ends it.
///
/// QEMU: `bdrv_inc_in_flight`, `bdrv_dec_in_flight` (block/io.c).
pub struct InFlight<'a> {
    node: &'a Node,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let in_flight = &self.node.io.in_flight;
        in_flight.set(in_flight.get() - 1);
        if in_flight.get() == 0 {
            self.node.drain_kick();
        }
    }
}

impl Node {
    /// Something goes on in the node that a drained section must wait for, until the value
    /// returned is dropped.
    pub fn begin_internal(&self) -> InFlight<'_> {
        let in_flight = &self.io.in_flight;
        in_flight.set(in_flight.get() + 1);
        InFlight { node: self }
    }

    /// How many requests, and other things, are in flight.
    pub fn in_flight(&self) -> u64 {
        self.io.in_flight.get()
    }

    /// The requests that are under way, oldest first.
    pub fn requests(&self) -> Vec<RequestInfo> {
        let all = self.io.requests.all.borrow();
        all.iter().map(|request| request.info()).collect()
    }

    /// Begins a request. It does not wait yet: see [`Request::wait_serialising`].
    ///
    /// QEMU: `tracked_request_begin` (block/io.c).
    pub(crate) fn begin_request(&self, kind: RequestKind, offset: u64, bytes: u64) -> Request<'_> {
        let requests = &self.io.requests;
        let id = requests.begun.get() + 1;
        requests.begun.set(id);
        let tracked = Rc::new(Tracked {
            id,
            kind,
            since_ns: self.context().pass_ns(),
            asked: (offset, bytes),
            offset: Cell::new(offset),
            bytes: Cell::new(bytes),
            serialising: Cell::new(false),
            waiting_for: RefCell::new(None),
            waiters: CoQueue::new(),
        });
        requests.all.borrow_mut().push(tracked.clone());
        self.context().trace_layer(|| BlockTrace::RequestBegin {
            node: self.label().clone(),
            id,
            kind,
            offset,
            bytes,
        });
        Request {
            node: self,
            tracked,
            _in_flight: self.begin_internal(),
        }
    }
}

impl Request<'_> {
    /// From now on nothing may overlap the request, widened to multiples of `align`.
    ///
    /// QEMU: `tracked_request_set_serialising` (block/io.c).
    pub(crate) fn set_serialising(&self, align: u64) {
        let request = &self.tracked;
        let start = request.offset.get() & !(align - 1);
        let end = (request.offset.get() + request.bytes.get()).next_multiple_of(align);
        request.offset.set(start);
        request.bytes.set(end - start);
        if !request.serialising.replace(true) {
            let count = &self.node.io.requests.serialising;
            count.set(count.get() + 1);
        }
    }

    pub(crate) fn kind(&self) -> RequestKind {
        self.tracked.kind
    }

    /// Where the range ends that it may touch.
    pub(crate) fn end(&self) -> u64 {
        self.tracked.offset.get() + self.tracked.bytes.get()
    }

    /// Waits for every request that it must not overlap.
    ///
    /// QEMU: `bdrv_wait_serialising_requests` (block/io.c).
    pub(crate) async fn wait_serialising(&self) {
        if self.node.io.requests.serialising.get() == 0 {
            return;
        }
        while let Some(conflict) = self.find_conflict() {
            self.node.context().mark(&marks::SERIALISED);
            let waiting = Waiting::begin(&self.tracked, conflict.clone());
            conflict.waiters.wait().await;
            drop(waiting);
        }
    }

    /// QEMU: `bdrv_find_conflicting_request` (block/io.c).
    fn find_conflict(&self) -> Option<Rc<Tracked>> {
        let all = self.node.io.requests.all.borrow();
        let conflict = all.iter().find(|other| {
            !Rc::ptr_eq(other, &self.tracked)
                && (other.serialising.get() || self.tracked.serialising.get())
                && other.overlaps(&self.tracked)
                // If it waits itself, it may be for us. It will look again when it wakes, and
                // then find us: so we need not wait for it.
                && other.waiting_for.borrow().is_none()
        });
        conflict.cloned()
    }
}

/// Marks a request as waiting, also when its future is dropped meanwhile.
struct Waiting<'a>(&'a Rc<Tracked>);

impl<'a> Waiting<'a> {
    fn begin(request: &'a Rc<Tracked>, conflict: Rc<Tracked>) -> Self {
        request.waiting_for.replace(Some(conflict));
        Waiting(request)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting_for.replace(None);
    }
}

impl Drop for Request<'_> {
    /// QEMU: `tracked_request_end` (block/io.c).
    fn drop(&mut self) {
        let requests = &self.node.io.requests;
        if self.tracked.serialising.get() {
            requests.serialising.set(requests.serialising.get() - 1);
        }
        let mut all = requests.all.borrow_mut();
        if let Some(index) = all.iter().position(|t| Rc::ptr_eq(t, &self.tracked)) {
            all.remove(index);
        }
        drop(all);
        self.tracked.waiters.wake_all();
        self.node.context().trace_layer(|| BlockTrace::RequestEnd {
            node: self.node.label().clone(),
            id: self.tracked.id,
            kind: self.tracked.kind,
            offset: self.tracked.asked.0,
            bytes: self.tracked.asked.1,
        });
    }
}
