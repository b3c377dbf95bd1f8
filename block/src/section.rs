//! The list of the drained sections that are open, for whoever explains why something waits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::graph::Graph;
use crate::node::Node;
use crate::request::ALL_NODES;

/// An open drained section.
#[derive(Debug)]
pub struct Section {
    pub(crate) id: u64,
    pub(crate) node: Rc<str>,
    pub(crate) subtree: bool,
    pub(crate) owner: &'static str,
    pub(crate) since_ns: u64,
    pub(crate) established: Cell<bool>,
}

/// The open sections of a graph, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    open: RefCell<Vec<Rc<Section>>>,
    /// How many there have been.
    begun: Cell<u64>,
}

impl Section {
    pub(crate) fn begin(
        sections: &Sections,
        node: &Rc<str>,
        subtree: bool,
        owner: &'static str,
        since_ns: u64,
    ) -> Rc<Section> {
        let id = sections.begun.get() + 1;
        sections.begun.set(id);
        let section = Rc::new(Section {
            id,
            node: node.clone(),
            subtree,
            owner,
            since_ns,
            established: Cell::new(false),
        });
        sections.open.borrow_mut().push(section.clone());
        section
    }

    pub(crate) fn end(&self, sections: &Sections) {
        sections.open.borrow_mut().retain(|open| open.id != self.id);
    }

    /// Tells the sections of a graph apart; counted from 1.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The name of the node that it drains; [`ALL_NODES`] if that is the
    /// whole graph.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Whether it covers what is below the node, too.
    pub fn subtree(&self) -> bool {
        self.subtree
    }

    /// Who asked for it.
    pub fn owner(&self) -> &'static str {
        self.owner
    }

    /// When it was asked for, in nanoseconds of the clock of the graph's context.
    pub fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// Whether it keeps the users of `node`, which is one of `graph`, from it.
    pub fn covers(&self, graph: &Graph, node: &Node) -> bool {
        if &*self.node == ALL_NODES {
            return true;
        }
        let Some(drained) = graph.find_node(&self.node) else {
            return false;
        };
        node.reaches(&drained) || (self.subtree && drained.reaches(node))
    }

    /// False while it waits for something in flight.
    pub fn established(&self) -> bool {
        self.established.get()
    }
}

impl Graph {
    /// The drained sections that are open, in the order in which they were asked for.
    pub fn open_sections(&self) -> Vec<Rc<Section>> {
        self.sections.open.borrow().clone()
    }
}
