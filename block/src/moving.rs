//! Moving: nodes leave their context for another one, with everybody who uses them.
//!
//! What lives in a context never leaves it, so nothing is lifted over as it is. A *family*, which is
//! all nodes that edges connect and all users of these, is drained, *packed* into a [`Parcel`] that may
//! travel, and *unpacked* in the other context, where the same nodes come to be under the same names,
//! with the same edges, permissions, bitmaps and open drained sections. Drivers hand over what they
//! hold, an open file or a buffer in memory; jobs and exports hand over their state.
//!
//! Before anything is touched everybody is asked whether that can be ([`check_move`]). From then on
//! nothing fails: a family is never lost on the way.
//!
//! | step | where | what |
//! |---|---|---|
//! | [`check_move`] | here | everybody is asked; whoever cannot move says why |
//! | [`FamilySection::begin`] | here | the family is drained, and asked again, for the last time: jobs may have ended meanwhile |
//! | [`pack`] | here | users, then drivers, hand over what they are; the old nodes are empty shells |
//! | [`unpack`] | there | nodes, drained; their edges; their sections; their users; permissions, at last |
//! | end of [`Moved`] | there | the section ends, and requests go on |
//!
//! [`set_aio_context`] is all of this in one call of the main context. Locks on images belong to the open
//! file, which travels as it is: there is no moment without them, and since permissions are computed once,
//! when everybody is there again, none in which they are less.
//!
//! Contexts among which something moves share a clock, the real one or one virtual one, but not its origin: what
//! goes on there, as the levels of a throttle group do, moves as distances in time, not as moments.
//!
//! QEMU: `bdrv_try_change_aio_context`, `bdrv_change_aio_context` (block.c), which point the same
//! objects at another thread, and walk the edges in the same way.

mod backend;
mod family;
mod home;
mod pack;
mod packer;
mod remote;
mod section;
mod shell;
mod unpack;

use std::any::Any;
use std::rc::Rc;

use crate::child::ChildParent;
use crate::driver::Driver;
use crate::graph::Graph;
use crate::node::Node;

pub use backend::{PackedBackend, PackedDevice};
pub use family::{Family, check_move};
pub use home::{Home, co_set_aio_context, set_aio_context};
pub use pack::{Parcel, pack};
pub use packer::Packer;
pub(crate) use remote::RemoteSection;
pub use remote::{
    RemoteDrained, co_drain_all_begin, co_drained_begin, drain_all_begin, drained_begin,
};
pub use section::{FamilySection, PackedSection};
pub use unpack::{Arrival, Moved, unpack};

/// What a driver has handed over.
pub trait PackedDriver: Send {
    /// The driver again, in the context of `graph`. Its node does not exist yet. A driver that finds
    /// itself unable to go on becomes one that answers every request with the reason.
    fn unpack(self: Box<Self>, graph: &Rc<Graph>) -> Box<dyn Driver>;
}

/// What a user of nodes that is not itself a node has handed over: a job, or a backend with whoever
/// speaks through it.
pub trait PackedUser: Send {
    /// The user again. The nodes are there, and drained. It attaches itself to them as it was.
    fn unpack(self: Box<Self>, arrival: &Arrival<'_>);
}

/// Somebody who must live in the same context as whoever names him; see [`ChildParent::ties`].
pub enum Tie {
    /// A node.
    Node(Rc<Node>),
    /// Another user of nodes.
    User(Rc<dyn ChildParent>),
}

/// A node of a parcel, by its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackedNode(pub(crate) usize);

/// A bitmap of a parcel, by its numbers there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackedBitmap {
    pub(crate) node: PackedNode,
    pub(crate) index: usize,
}

/// Where a family is to live: a graph, and the other things of that context that users look for.
#[derive(Clone)]
pub struct Place {
    graph: Rc<Graph>,
    things: Vec<Rc<dyn Any>>,
}

impl Place {
    /// A place with nothing but nodes.
    pub fn new(graph: &Rc<Graph>) -> Place {
        Place {
            graph: graph.clone(),
            things: Vec::new(),
        }
    }

    /// The place with one more thing to be found: the list of jobs, the exports.
    #[must_use]
    pub fn with<T: 'static>(mut self, thing: Rc<T>) -> Place {
        self.things.push(thing);
        self
    }

    /// The nodes of the place.
    pub fn graph(&self) -> &Rc<Graph> {
        &self.graph
    }

    /// The `T` of the place, if it has one.
    pub fn find<T: 'static>(&self) -> Option<Rc<T>> {
        let mut found = self.things.iter().cloned();
        found.find_map(|thing| thing.downcast().ok())
    }
}
