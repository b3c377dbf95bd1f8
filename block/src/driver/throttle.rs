//! The driver `throttle`: a filter whose requests keep to the limits of a group.
//!
//! The node has one child, `file`, with the role [`Filtered`](crate::child::ChildRole::Filtered).
//! Reads, writes, zeroes and discards wait for their turn; flushes, and everything while the node is
//! drained, pass at once.
//!
//! QEMU: block/throttle.c, block/throttle-groups.c, util/throttle.c.

mod bucket;
mod group;
mod groups;
mod limits;
mod member;
mod moving;

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

pub(crate) use moving::ArrivedGroups;

pub use group::ThrottleGroup;
pub use groups::ThrottleGroups;
pub use limits::ThrottleLimits;

use super::{Driver, IoFuture, ReadResult, ZeroFlags};
use crate::child::Child;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::moving::PackedDriver;
use crate::node::Node;
use member::{Direction, Member};

/// Membership in a group.
#[derive(Clone)]
struct Place {
    group: Rc<ThrottleGroup>,
    member: Rc<Member>,
}

impl Place {
    fn take(group: &Rc<ThrottleGroup>, limits_disabled: bool) -> Place {
        Place {
            group: group.clone(),
            member: group.join(limits_disabled),
        }
    }

    fn leave(&self) {
        self.group.leave(&self.member);
    }
}

/// The driver `throttle`.
pub struct ThrottleDriver {
    place: RefCell<Place>,
}

impl ThrottleDriver {
    /// A filter that keeps to the limits of `group`.
    ///
    /// QEMU: `throttle_open` (block/throttle.c).
    pub fn new(group: &Rc<ThrottleGroup>) -> ThrottleDriver {
        ThrottleDriver {
            place: RefCell::new(Place::take(group, false)),
        }
    }

    /// The group that it is in.
    pub fn group(&self) -> Rc<ThrottleGroup> {
        self.place.borrow().group.clone()
    }

    /// How many requests of this node wait for their turn.
    pub fn pending(&self) -> usize {
        let place = self.place.borrow();
        Direction::BOTH
            .map(|it| place.member.pending(it))
            .iter()
            .sum()
    }

    /// Keeps to the limits of another group from now on. `node` is the one that it is the driver of;
    /// it is drained for the change.
    ///
    /// QEMU: `throttle_reopen_commit` (block/throttle.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine: the node is drained by polling.
    pub fn set_group(&self, node: &Node, group: &Rc<ThrottleGroup>) {
        let _drained = node.drained_begin("throttle-reopen");
        if Rc::ptr_eq(&self.group(), group) {
            return;
        }
        let before = self.place.replace(Place::take(group, true));
        let place = self.place.borrow();
        *place.member.node.borrow_mut() = Rc::downgrade(&node.rc());
        drop(place);
        before.leave();
    }

    async fn throttle(&self, direction: Direction, bytes: u64) {
        // The node cannot change groups while a request is in flight.
        let place = self.place.borrow().clone();
        place.group.intercept(&place.member, direction, bytes).await;
    }

    fn set_limits_disabled(&self, disabled: bool) {
        let place = self.place.borrow().clone();
        place.group.set_limits_disabled(&place.member, disabled);
    }

    fn file(node: &Node) -> BlockResult<Rc<Child>> {
        node.filtered().ok_or_else(|| {
            let text = format!("Node '{}' has no file any more", node.name());
            BlockError::new(ErrorKind::NotFound, text)
        })
    }
}

impl Drop for ThrottleDriver {
    fn drop(&mut self) {
        self.place.borrow().leave();
    }
}

impl Driver for ThrottleDriver {
    fn format_name(&self) -> &'static str {
        "throttle"
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

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            self.throttle(Direction::Read, buf.len() as u64).await;
            match Self::file(node) {
                Ok(file) => file.read(offset, buf).await,
                Err(error) => (buf, Err(error)),
            }
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.throttle(Direction::Write, data.len() as u64).await;
            Self::file(node)?.write(offset, data).await
        })
    }

    /// QEMU: `throttle_co_pwrite_zeroes` (block/throttle.c).
    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.throttle(Direction::Write, bytes).await;
            Self::file(node)?.write_zeroes(offset, bytes, flags).await
        })
    }

    /// QEMU: `throttle_co_pdiscard` (block/throttle.c).
    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.throttle(Direction::Write, bytes).await;
            Self::file(node)?.discard(offset, bytes).await
        })
    }

    /// QEMU: `throttle_drain_begin` (block/throttle.c).
    fn drained_begin(&self, _node: &Node) {
        self.set_limits_disabled(true);
    }

    /// QEMU: `throttle_drain_end` (block/throttle.c).
    fn drained_end(&self, _node: &Node) {
        self.set_limits_disabled(false);
    }

    /// It is told of its file before anybody uses it.
    fn child_changed(&self, node: &Node, _child: &Child) {
        let place = self.place.borrow();
        *place.member.node.borrow_mut() = Rc::downgrade(&node.rc());
    }

    fn ties(&self, _node: &Node) -> Vec<Rc<Node>> {
        self.group().nodes()
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        self.pack_up()
    }
}
