//! Drained sections of a family, and such that travel.

use std::rc::Rc;

use blockjob_runtime::in_coroutine;

use crate::drain::Drained;
use crate::moving::packer::Packer;
use crate::moving::{Family, PackedNode};
use crate::node::Node;

/// A drained section on its way: what is needed to begin it again.
#[derive(Debug, Clone, Copy)]
pub struct PackedSection {
    pub(crate) node: PackedNode,
    pub(crate) subtree: bool,
    pub(crate) owner: &'static str,
}

impl PackedSection {
    pub(crate) fn of(packer: &Packer<'_>, section: &Drained) -> PackedSection {
        let (node, subtree) = section.node().expect("a section of one node or subtree");
        PackedSection {
            node: packer.node(node),
            subtree,
            owner: section.owner(),
        }
    }

    pub(crate) fn begin(self, nodes: &[Rc<Node>]) -> Drained {
        Drained::of_arrived(&nodes[self.node.0], self.subtree, self.owner)
    }
}

/// A drained section of every node of a family; dropping it ends it.
#[must_use = "the section ends when this is dropped"]
pub struct FamilySection {
    pub(crate) sections: Vec<Drained>,
}

impl FamilySection {
    /// Begins without waiting: nobody of the family of `root` starts anything from now on, but requests
    /// may be in flight.
    pub fn begin_no_poll(root: &Rc<Node>, owner: &'static str) -> FamilySection {
        let mut section = FamilySection {
            sections: Vec::new(),
        };
        section.cover(root, owner);
        section
    }

    /// Begins, polling the context until nothing is in flight.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn begin(root: &Rc<Node>, owner: &'static str) -> FamilySection {
        assert!(
            !in_coroutine(),
            "'{owner}' drains a family by polling, inside of a coroutine: it must await instead"
        );
        let mut section = Self::begin_no_poll(root, owner);
        loop {
            root.context().poll_while(|| section.is_busy());
            // What ran meanwhile may have changed the graph, and with it the family.
            if !section.cover(root, owner) {
                return section.established();
            }
        }
    }

    /// Begins, waiting as a coroutine that is not itself counted in what it waits for.
    pub async fn co_begin(root: &Rc<Node>, owner: &'static str) -> FamilySection {
        let mut section = Self::begin_no_poll(root, owner);
        loop {
            while section.is_busy() {
                root.io.drain_waiters.wait().await;
            }
            if !section.cover(root, owner) {
                return section.established();
            }
        }
    }

    /// Takes in who has joined the family since; false if nobody has.
    fn cover(&mut self, root: &Rc<Node>, owner: &'static str) -> bool {
        let before = self.sections.len();
        for node in Family::of(root).nodes {
            if !self.covers(&node) {
                self.sections.push(node.drained_begin_no_poll(owner));
            }
        }
        self.sections.len() > before
    }

    fn covers(&self, node: &Rc<Node>) -> bool {
        let mut covered = self.sections.iter().filter_map(Drained::node);
        covered.any(|(it, _)| Rc::ptr_eq(it, node))
    }

    /// True while something is in flight.
    pub fn is_busy(&self) -> bool {
        self.sections.iter().any(Drained::busy)
    }

    fn established(self) -> FamilySection {
        let sections = self.sections.into_iter();
        FamilySection {
            sections: sections.map(Drained::established).collect(),
        }
    }
}
