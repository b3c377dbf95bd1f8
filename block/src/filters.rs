//! Filters in a chain: who put them there, and what is seen past them.
//!
//! QEMU: `bdrv_skip_implicit_filters`, `bdrv_is_root_node` (block.c).

use std::rc::Rc;

use crate::node::Node;

impl Node {
    /// True if nobody has asked for the node by name: a job has put it there for its own sake, and
    /// queries pass over it.
    ///
    /// QEMU: `implicit` of `BlockDriverState` (include/block/block_int-common.h).
    pub fn is_implicit(&self) -> bool {
        self.implicit.get()
    }

    /// Makes the node one that nobody has asked for.
    pub fn set_implicit(&self, implicit: bool) {
        self.implicit.set(implicit);
    }

    /// The first node at or below this one that is no filter which a job has put there.
    ///
    /// QEMU: `bdrv_skip_implicit_filters` (block.c).
    pub fn skip_implicit_filters(&self) -> Rc<Node> {
        let mut node = self.rc();
        while node.driver().is_filter() && node.is_implicit() {
            match node.filtered() {
                Some(child) => node = child.node(),
                None => break,
            }
        }
        node
    }

    /// True if nobody but backends uses it: no other node is made of it, and no job works on it.
    ///
    /// QEMU: `bdrv_is_root_node` (block.c).
    pub fn is_root_node(&self) -> bool {
        let parents = self.parents();
        let mut parents = parents.iter().filter_map(|edge| edge.parent());
        parents.all(|parent| parent.as_node().is_none() && !parent.stay_at_node())
    }
}
