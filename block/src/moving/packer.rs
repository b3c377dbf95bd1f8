//! `Packer`: by what names those who are packed speak of the nodes that are packed with them.

use std::cell::RefCell;
use std::rc::Rc;

use crate::bitmap::NodeBitmap;
use crate::drain::Drained;
use crate::moving::section::PackedSection;
use crate::moving::{PackedBitmap, PackedNode};
use crate::node::Node;

/// Given to users while they hand themselves over.
pub struct Packer<'a> {
    pub(crate) nodes: &'a [Rc<Node>],
    /// The sections that users hand over end with the old nodes.
    pub(crate) sections: RefCell<Vec<Drained>>,
}

impl<'a> Packer<'a> {
    pub(crate) fn new(nodes: &'a [Rc<Node>]) -> Packer<'a> {
        Packer {
            nodes,
            sections: RefCell::default(),
        }
    }

    /// The node, as the other side finds it.
    ///
    /// # Panics
    ///
    /// If it is not of the family.
    pub fn node(&self, node: &Node) -> PackedNode {
        self.find(node)
            .unwrap_or_else(|| panic!("{node:?} stays where it is"))
    }

    /// The node, as the other side finds it, if it is of the family.
    pub fn find(&self, node: &Node) -> Option<PackedNode> {
        let mut nodes = self.nodes.iter();
        let index = nodes.position(|it| std::ptr::eq(&raw const **it, node));
        index.map(PackedNode)
    }

    /// The bitmap, as the other side finds it. Its bits travel with its node.
    ///
    /// # Panics
    ///
    /// If no node of the family keeps it up to date.
    pub fn bitmap(&self, bitmap: &Rc<NodeBitmap>) -> PackedBitmap {
        for (number, node) in self.nodes.iter().enumerate() {
            let bitmaps = node.io.bitmaps.borrow();
            if let Some(index) = bitmaps.iter().position(|it| Rc::ptr_eq(it, bitmap)) {
                let node = PackedNode(number);
                return PackedBitmap { node, index };
            }
        }
        panic!("no node that moves keeps the bitmap {:?}", bitmap.name());
    }

    /// A drained section of one of the nodes, as the other side begins it again.
    ///
    /// # Panics
    ///
    /// If it is one of all nodes of the graph, or of a node that is not of the family.
    pub fn section(&self, section: Drained) -> PackedSection {
        let packed = PackedSection::of(self, &section);
        self.sections.borrow_mut().push(section);
        packed
    }
}
