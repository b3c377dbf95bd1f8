//! A member of a throttle group: a node, and its requests that wait.
//!
//! QEMU: `ThrottleGroupMember` (include/block/throttle-groups.h).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Weak;

use crate::node::Node;
use crate::oneshot::Sender;

/// What a request does, as far as limits go.
///
/// QEMU: `ThrottleDirection` (include/qemu/throttle.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

impl Direction {
    pub(super) const BOTH: [Direction; 2] = [Direction::Read, Direction::Write];
}

/// A request that waits.
pub(super) struct Waiter {
    pub(super) id: u64,
    pub(super) bytes: u64,
    pub(super) granted: Sender<()>,
}

/// A member.
pub(super) struct Member {
    pub(super) id: u64,
    /// The node is drained: its requests do not wait.
    pub(super) limits_disabled: Cell<bool>,
    /// The node, once it is known.
    pub(super) node: RefCell<Weak<Node>>,
    queues: [RefCell<VecDeque<Waiter>>; 2],
}

impl Member {
    pub(super) fn new(id: u64, limits_disabled: bool) -> Member {
        Member {
            id,
            limits_disabled: Cell::new(limits_disabled),
            node: RefCell::default(),
            queues: Default::default(),
        }
    }

    fn queue(&self, direction: Direction) -> &RefCell<VecDeque<Waiter>> {
        &self.queues[direction as usize]
    }

    pub(super) fn push(&self, direction: Direction, waiter: Waiter) {
        self.queue(direction).borrow_mut().push_back(waiter);
    }

    /// The request that came first.
    pub(super) fn pop(&self, direction: Direction) -> Option<Waiter> {
        self.queue(direction).borrow_mut().pop_front()
    }

    /// Forgets a request that is not wanted any more; false if it waits no longer.
    pub(super) fn remove(&self, direction: Direction, id: u64) -> bool {
        let mut queue = self.queue(direction).borrow_mut();
        let before = queue.len();
        queue.retain(|waiter| waiter.id != id);
        queue.len() < before
    }

    /// How many requests wait.
    pub(super) fn pending(&self, direction: Direction) -> usize {
        self.queue(direction).borrow().len()
    }
}
