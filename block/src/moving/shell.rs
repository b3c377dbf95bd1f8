//! A node when it comes and when it has gone: made of what arrives, and the empty shell that is left.

use std::rc::Rc;

use crate::child::Child;
use crate::driver::Driver;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::node::Node;

impl Node {
    /// A node that was made in another context, without anything around it yet.
    pub(crate) fn arrive(
        graph: &Rc<Graph>,
        name: String,
        driver: Box<dyn Driver>,
        read_only: bool,
        number: u64,
    ) -> Rc<Node> {
        let node = Self::new(graph, name, driver, read_only);
        node.set_number(number);
        node
    }

    /// True if it lives in another context now. Who still holds it here finds that nothing works.
    pub fn has_departed(&self) -> bool {
        self.departed.get()
    }

    /// The error for whoever asks something of a node that lives elsewhere now.
    pub(crate) fn check_not_departed(&self) -> BlockResult<()> {
        if !self.departed.get() {
            return Ok(());
        }
        let text = format!("Node '{}' has moved to another context", self.name());
        Err(BlockError::new(ErrorKind::Canceled, text))
    }

    /// It is about to live elsewhere: from now on nothing here follows from its edges and sections.
    pub(crate) fn depart(&self) {
        self.departed.set(true);
        for edge in self.parents() {
            edge.forget_quiesced();
        }
    }

    /// Takes its edges apart after it has departed.
    pub(crate) fn shed_edges(&self) {
        debug_assert!(self.departed.get(), "it is in use");
        self.backing_block.take();
        // Nobody is told: those below have departed as well.
        let edges = self.children.take();
        drop(edges);
    }

    /// Puts the edges that lead to it into another order.
    pub(crate) fn set_parents(&self, parents: &[Rc<Child>]) {
        let parents = parents.iter().map(Rc::downgrade);
        *self.parents.borrow_mut() = parents.collect();
    }
}
