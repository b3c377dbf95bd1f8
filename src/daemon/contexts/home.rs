//! What of a daemon travels with nodes, besides the nodes and those who use them.

use std::rc::{Rc, Weak};

use blockjob_block::Node;
use blockjob_block::moving::{Family, Home, Moved, Place};

use crate::daemon::Daemon;
use crate::daemon::facts::PackedFacts;

/// A daemon as other contexts know it. It does not keep the daemon alive.
pub struct Door(pub(super) Weak<Daemon>);

impl Door {
    /// The daemon, if it is still there.
    pub fn daemon(&self) -> Option<Rc<Daemon>> {
        self.0.upgrade()
    }
}

impl Daemon {
    /// From now on what lives here can find this daemon, and what has come from elsewhere the one that is
    /// there, by [`Common::daemon_here`](super::Common::daemon_here).
    pub(in crate::daemon) fn open_door(self: &Rc<Self>) {
        // Not by who is current: options are executed before the loop runs.
        if self.common().door_of(&self.context().handle()).is_none() {
            let door = self.context().settle(Rc::new(Door(Rc::downgrade(self))));
            self.common().add_door(door);
        }
    }
}

/// What a daemon knows of nodes, on its way.
pub struct Goods {
    /// Which nodes the user owns, and what is known of each.
    nodes: Vec<(String, bool, PackedFacts)>,
}

/// A daemon that is gone has no nodes that could be asked for.
const THERE: &str = "a daemon lives as long as its nodes";

impl Home for Door {
    type Goods = Goods;

    fn place(&self) -> Place {
        let daemon = self.daemon().expect(THERE);
        Place::new(daemon.graph())
            .with(daemon.jobs().clone())
            .with(daemon.pool().clone())
            .with(daemon)
    }

    fn holds(&self, node: &Node) -> usize {
        let daemon = self.daemon();
        daemon.map_or(0, |daemon| daemon.owned.holds(node))
    }

    fn pack(&self, family: &Family) -> Goods {
        let daemon = self.daemon().expect(THERE);
        let nodes = family.nodes().iter().map(|node| {
            let owned = daemon.owned.remove_node(node).is_some();
            let facts = daemon.facts.take(node);
            (node.name().to_owned(), owned, facts)
        });
        Goods {
            nodes: nodes.collect(),
        }
    }

    fn arrived(&self, goods: Goods, moved: &Moved) {
        let daemon = self.daemon().expect(THERE);
        for (name, owned, facts) in goods.nodes {
            let mut nodes = moved.nodes.iter();
            let Some(node) = nodes.find(|node| node.name() == name) else {
                continue;
            };
            daemon.facts.set(node, facts.unpack(daemon.graph()));
            if owned {
                daemon.owned.add_node(node.clone());
            }
        }
    }
}
