//! Requests of disks under way. They belong to the world: a request goes on when whoever waits for it
//! has lost interest.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use blockjob_block::Node;
use blockjob_block::driver::BlockStatus;
use bytes::{Bytes, BytesMut};
use slab::Slab;

use super::World;
use crate::disk::SimDisk;

/// What a request does.
pub(crate) enum OpKind {
    /// Fills the buffer; if it is `over`, only with what the disk itself holds.
    Read { buf: BytesMut, over: bool },
    /// Writes the bytes.
    Write(Bytes),
    /// Makes the range zero, as a hole if it may.
    Zero { may_unmap: bool },
    /// Gives the range up.
    Discard,
    /// Makes safe what had landed when it was asked for, which is the first so many writes.
    Flush { landed: u64 },
    /// Asks what is known of the range.
    Status,
}

/// What has come of a request.
pub(crate) struct Outcome {
    /// The buffer of a read.
    pub(crate) buf: BytesMut,
    /// What was asked, for a question of status.
    pub(crate) status: Option<BlockStatus>,
    /// The errno of a request that failed.
    pub(crate) errno: Option<i32>,
}

/// A request under way.
pub(crate) struct DiskOp {
    pub(crate) disk: Rc<SimDisk>,
    pub(crate) kind: OpKind,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// When it answers, if it does what it does before.
    pub(crate) answers_ns: Option<u64>,
    /// What has come of it, once it has landed.
    pub(crate) outcome: Option<Outcome>,
    /// Whoever waits for it may have the outcome.
    answered: bool,
    /// How it is going to fail.
    pub(crate) errno: Option<i32>,
    /// Nobody releases it before the faults end.
    pub(crate) held: bool,
    waker: Option<Waker>,
}

/// The requests of a world.
#[derive(Default)]
pub(crate) struct Ops {
    slab: RefCell<Slab<DiskOp>>,
    held: RefCell<Vec<u32>>,
    closing: Cell<bool>,
}

impl Ops {
    pub(super) fn clear(&self) {
        self.closing.set(true);
        let all = std::mem::take(&mut *self.slab.borrow_mut());
        drop(all);
        self.held.borrow_mut().clear();
    }

    /// What the request in `slot` does next, for a person.
    pub(super) fn name(&self, slot: u32) -> String {
        let slab = self.slab.borrow();
        let Some(op) = slab.get(slot as usize) else {
            return "a request that is gone".to_owned();
        };
        let what = match op.kind {
            OpKind::Read { .. } => "read",
            OpKind::Write(_) => "write",
            OpKind::Zero { .. } => "zeroes",
            OpKind::Discard => "discard",
            OpKind::Flush { .. } => "flush",
            OpKind::Status => "status",
        };
        let does = match op.outcome {
            None => "lands",
            Some(_) => "answers",
        };
        let (disk, end) = (op.disk.name(), op.offset + op.bytes);
        format!("{disk}: the {what} of {}..{end} {does}", op.offset)
    }

    /// Calls `see` for each request under way.
    pub(crate) fn for_each(&self, mut see: impl FnMut(&DiskOp)) {
        self.slab.borrow().iter().for_each(|(_, op)| see(op));
    }
}

impl World {
    /// Hands a request to its disk. It does what it does at `lands_ns`, and answers then or later.
    pub(crate) fn submit(
        self: &Rc<Self>,
        disk: &Rc<SimDisk>,
        kind: OpKind,
        (offset, bytes): (u64, u64),
        fate: Fate,
    ) -> OpFuture {
        let slot = self.ops.slab.borrow_mut().insert(DiskOp {
            disk: disk.clone(),
            kind,
            offset,
            bytes,
            answers_ns: fate.answers_ns,
            outcome: None,
            answered: false,
            errno: fate.errno,
            held: fate.held,
            waker: None,
        }) as u32;
        if fate.held {
            self.ops.held.borrow_mut().push(slot);
        } else {
            self.schedule(fate.lands_ns, slot);
        }
        OpFuture {
            world: self.clone(),
            slot,
            answered: false,
            orphans_to: None,
        }
    }

    /// Lets go of every request that is held; true if there was one.
    pub(crate) fn release_held(&self) -> bool {
        let held = std::mem::take(&mut *self.ops.held.borrow_mut());
        let any = !held.is_empty();
        for slot in held {
            self.ops.slab.borrow_mut()[slot as usize].held = false;
            self.schedule(self.now_ns(), slot);
        }
        any
    }

    /// Has the request in `slot` do what it does, or answer.
    pub(super) fn deliver(&self, slot: u32) {
        let mut slab = self.ops.slab.borrow_mut();
        let op = &mut slab[slot as usize];
        if op.outcome.is_none() {
            let disk = op.disk.clone();
            let outcome = disk.land(op);
            op.outcome = Some(outcome);
            if let Some(answers_ns) = op.answers_ns.take() {
                drop(slab);
                self.schedule(answers_ns, slot);
                return;
            }
        }
        op.answered = true;
        op.disk.ended();
        let waker = op.waker.take();
        let home = op.disk.home();
        drop(slab);
        if let Some(waker) = waker {
            // As from a handler of the context that the disk's node lives in.
            let _current = home.make_current();
            waker.wake();
        }
    }
}

/// What is in store for a request.
pub(crate) struct Fate {
    /// When it does what it does.
    pub(crate) lands_ns: u64,
    /// When it answers, if that is later.
    pub(crate) answers_ns: Option<u64>,
    /// How it fails.
    pub(crate) errno: Option<i32>,
    /// It waits until the faults end.
    pub(crate) held: bool,
}

/// The answer to a request. Dropped before, it leaves the request to itself.
pub(crate) struct OpFuture {
    world: Rc<World>,
    slot: u32,
    answered: bool,
    /// The node in which the request goes on counting when this is dropped.
    orphans_to: Option<Rc<Node>>,
}

impl OpFuture {
    /// If this is dropped, the request still counts as in flight at `node` until it has ended, as
    /// those of a driver for real disks do.
    pub(crate) fn counted_at(mut self, node: &Node) -> Self {
        self.orphans_to = Some(node.rc());
        self
    }
}

impl Future for OpFuture {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut slab = self.world.ops.slab.borrow_mut();
        let op = &mut slab[self.slot as usize];
        if !op.answered {
            op.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let op = slab.remove(self.slot as usize);
        drop(slab);
        self.answered = true;
        Poll::Ready(op.outcome.expect("it has landed before it answers"))
    }
}

impl Drop for OpFuture {
    fn drop(&mut self) {
        if self.answered || self.world.ops.closing.get() {
            return;
        }
        let Some(node) = self.orphans_to.take() else {
            return;
        };
        let rest = OpFuture {
            world: self.world.clone(),
            slot: self.slot,
            answered: false,
            orphans_to: None,
        };
        let context = node.context().clone();
        let orphan = context.coroutine("disk_orphan", async move {
            let _in_flight = node.begin_internal();
            rest.await;
        });
        let _current = context.make_current();
        orphan.enter();
    }
}
