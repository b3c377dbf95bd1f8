//! What exists because a user has asked for it: nodes from `blockdev-add`, drives from `--drive`.
//!
//! The graph itself knows nodes weakly; whoever uses a node keeps it. So a node that nobody uses lives
//! for as long as it is listed here.
//!
//! QEMU: `monitor_bdrv_states` (blockdev.c), `monitor_block_backends` (block/block-backend.c).

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_block::{BlockBackend, Node};

/// Where a guest finds a drive: the kind of bus, its number, and the number of the drive on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(pub &'static str, pub u32, pub u32);

/// The nodes and drives that users own, the oldest first.
#[derive(Default)]
pub struct Owned {
    nodes: RefCell<Vec<Rc<Node>>>,
    drives: RefCell<Vec<Rc<BlockBackend>>>,
    slots: RefCell<Vec<Slot>>,
}

impl Owned {
    /// The user owns `node` from now on.
    pub fn add_node(&self, node: Rc<Node>) {
        self.nodes.borrow_mut().push(node);
    }

    /// The user gives `node` up. Returns it, if it was the user's: dropped outside of any borrow, it
    /// may take its children along.
    pub fn remove_node(&self, node: &Rc<Node>) -> Option<Rc<Node>> {
        let mut nodes = self.nodes.borrow_mut();
        let index = nodes.iter().position(|owned| Rc::ptr_eq(owned, node))?;
        Some(nodes.remove(index))
    }

    /// True if the user owns `node`.
    pub fn has_node(&self, node: &Rc<Node>) -> bool {
        self.nodes
            .borrow()
            .iter()
            .any(|owned| Rc::ptr_eq(owned, node))
    }

    /// How many references to `node` are kept here.
    pub(super) fn holds(&self, node: &Node) -> usize {
        let nodes = self.nodes.borrow();
        let is_it = |owned: &&Rc<Node>| std::ptr::eq(&raw const ***owned, node);
        nodes.iter().filter(is_it).count()
    }

    /// The nodes, the oldest first.
    pub fn nodes(&self) -> Vec<Rc<Node>> {
        self.nodes.borrow().clone()
    }

    /// The user has a named drive from now on.
    pub fn add_drive(&self, drive: Rc<BlockBackend>) {
        self.drives.borrow_mut().push(drive);
    }

    /// There is a drive in `slot` from now on.
    pub fn add_slot(&self, slot: Slot) {
        self.slots.borrow_mut().push(slot);
    }

    /// True if there is a drive in `slot`.
    pub fn has_slot(&self, slot: Slot) -> bool {
        self.slots.borrow().contains(&slot)
    }

    /// The drives, the oldest first.
    pub fn drives(&self) -> Vec<Rc<BlockBackend>> {
        self.drives.borrow().clone()
    }

    /// Gives everything up, at the end: drives first, then nodes from the newest to the oldest.
    pub fn clear(&self) {
        drop(self.drives.take());
        let nodes = self.nodes.take();
        for node in nodes.into_iter().rev() {
            drop(node);
        }
    }
}
