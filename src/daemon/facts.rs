//! What is known of a node that the node itself does not know: how it was opened.
//!
//! The block layer needs none of it for I/O; queries, `blockdev-reopen` and `drive-mirror` do.
//!
//! QEMU: `open_flags`, `options`, `explicit_options`, `exact_filename`, `backing_file` of
//! `BlockDriverState` (include/block/block_int-common.h).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use blockjob_block::settings::ZeroDetection;
use blockjob_block::{Graph, Node};

use crate::daemon::open::options::Options;

/// How a node was opened. All of it may change when the node is reopened.
///
/// A node that was not opened by options, such as the filter of a mirror, has the default.
///
/// QEMU: `BlockDriverState` (include/block/block_int-common.h).
#[derive(Debug, Default)]
pub struct NodeFacts {
    /// What the user said, without what its children were told.
    pub explicit_options: RefCell<Options>,
    /// What holds: with what was inherited and what is assumed.
    pub options: RefCell<Options>,
    /// `cache.direct`.
    pub cache_direct: Cell<bool>,
    /// `cache.no-flush`.
    pub cache_no_flush: Cell<bool>,
    /// `auto-read-only`.
    pub auto_read_only: Cell<bool>,
    /// `force-share`.
    pub force_share: Cell<bool>,
    /// Whether `discard` is `unmap`.
    pub discard_unmap: Cell<bool>,
    /// `detect-zeroes`.
    pub detect_zeroes: Cell<ZeroDetection>,
    /// The format was guessed from the content.
    pub probed: Cell<bool>,
    /// No backing file was wanted (`backing: null`), whatever the header says.
    pub no_backing: Cell<bool>,
    /// The name that the driver was given for what it opened; empty if it opened nothing by name.
    pub opened_name: RefCell<String>,
    /// The name of the backing file as the header has it, or as it was changed since; empty if there is
    /// none.
    pub backing_file: RefCell<String>,
    /// What the backing file of the header turned out to be called when it was opened.
    pub auto_backing_file: RefCell<String>,
    /// The format of the backing file as the header has it; empty if it says nothing.
    pub backing_format: RefCell<String>,
    /// The node was opened on behalf of this one, and follows it when that is reopened.
    pub inherits_from: RefCell<Weak<Node>>,
}

/// Facts on their way to another context.
pub struct PackedFacts {
    explicit_options: Options,
    options: Options,
    cache_direct: bool,
    cache_no_flush: bool,
    auto_read_only: bool,
    force_share: bool,
    discard_unmap: bool,
    detect_zeroes: ZeroDetection,
    probed: bool,
    no_backing: bool,
    opened_name: String,
    backing_file: String,
    auto_backing_file: String,
    backing_format: String,
    /// The name of the node.
    inherits_from: Option<String>,
}

impl NodeFacts {
    fn pack(&self) -> PackedFacts {
        let leader = self.inherits_from.borrow().upgrade();
        PackedFacts {
            explicit_options: self.explicit_options.borrow().clone(),
            options: self.options.borrow().clone(),
            cache_direct: self.cache_direct.get(),
            cache_no_flush: self.cache_no_flush.get(),
            auto_read_only: self.auto_read_only.get(),
            force_share: self.force_share.get(),
            discard_unmap: self.discard_unmap.get(),
            detect_zeroes: self.detect_zeroes.get(),
            probed: self.probed.get(),
            no_backing: self.no_backing.get(),
            opened_name: self.opened_name.borrow().clone(),
            backing_file: self.backing_file.borrow().clone(),
            auto_backing_file: self.auto_backing_file.borrow().clone(),
            backing_format: self.backing_format.borrow().clone(),
            inherits_from: leader.map(|leader| leader.name().to_owned()),
        }
    }
}

impl PackedFacts {
    /// The facts again, when the nodes are there.
    pub fn unpack(self, graph: &Graph) -> Rc<NodeFacts> {
        let leader = self.inherits_from.and_then(|name| graph.find_node(&name));
        let leader = leader.map_or_else(Weak::new, |leader| Rc::downgrade(&leader));
        Rc::new(NodeFacts {
            explicit_options: RefCell::new(self.explicit_options),
            options: RefCell::new(self.options),
            cache_direct: Cell::new(self.cache_direct),
            cache_no_flush: Cell::new(self.cache_no_flush),
            auto_read_only: Cell::new(self.auto_read_only),
            force_share: Cell::new(self.force_share),
            discard_unmap: Cell::new(self.discard_unmap),
            detect_zeroes: Cell::new(self.detect_zeroes),
            probed: Cell::new(self.probed),
            no_backing: Cell::new(self.no_backing),
            opened_name: RefCell::new(self.opened_name),
            backing_file: RefCell::new(self.backing_file),
            auto_backing_file: RefCell::new(self.auto_backing_file),
            backing_format: RefCell::new(self.backing_format),
            inherits_from: RefCell::new(leader),
        })
    }
}

/// The facts of all nodes of a daemon. It keeps no node alive.
#[derive(Default)]
pub struct Facts {
    /// By the names of the nodes, which are unique among those that live.
    nodes: RefCell<BTreeMap<Rc<str>, Entry>>,
    /// How many entries there may be before those of nodes that are gone are looked for.
    sweep_at: Cell<usize>,
}

/// A node, and what is known of it.
type Entry = (Weak<Node>, Rc<NodeFacts>);

/// Fewer entries than this are never swept.
const SWEEP_FROM: usize = 64;

impl Facts {
    /// What is known of `node`.
    pub fn of(&self, node: &Rc<Node>) -> Rc<NodeFacts> {
        if let Some((known, facts)) = self.nodes.borrow().get(node.name())
            && Weak::ptr_eq(known, &Rc::downgrade(node))
        {
            return facts.clone();
        }
        let facts = Rc::<NodeFacts>::default();
        self.set(node, facts.clone());
        facts
    }

    /// What is known of `node`, which leaves this context.
    pub(in crate::daemon) fn take(&self, node: &Rc<Node>) -> PackedFacts {
        let facts = self.of(node).pack();
        self.nodes.borrow_mut().remove(node.name());
        facts
    }

    /// Notes what is known of `node` from now on.
    pub fn set(&self, node: &Rc<Node>, facts: Rc<NodeFacts>) {
        let mut nodes = self.nodes.borrow_mut();
        nodes.insert(node.label().clone(), (Rc::downgrade(node), facts));
        if nodes.len() >= self.sweep_at.get().max(SWEEP_FROM) {
            nodes.retain(|_, (node, _)| node.strong_count() > 0);
            self.sweep_at.set(nodes.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::Daemon;
    use blockjob_block::driver::mem::MemOptions;
    use blockjob_runtime::AioContext;

    fn node(daemon: &Daemon, name: &str) -> Rc<Node> {
        let disk = Box::new(MemOptions::new(512).build());
        let graph = daemon.graph();
        graph
            .add_node(Some(name), disk, false, &[])
            .expect("the name is free")
    }

    #[test]
    fn a_node_that_was_not_opened_by_options_has_facts_that_last() {
        let context = AioContext::new();
        let _current = context.make_current();
        let daemon = Daemon::new(&context);
        let disk = node(&daemon, "disk");
        daemon.facts.of(&disk).cache_direct.set(true);
        assert!(daemon.facts.of(&disk).cache_direct.get());
    }

    #[test]
    fn a_new_node_of_an_old_name_has_its_own_facts() {
        let context = AioContext::new();
        let _current = context.make_current();
        let daemon = Daemon::new(&context);
        let before = node(&daemon, "disk");
        daemon.facts.of(&before).probed.set(true);
        drop(before);
        let after = node(&daemon, "disk");
        assert!(!daemon.facts.of(&after).probed.get());
    }

    #[test]
    fn facts_of_nodes_that_are_gone_do_not_pile_up() {
        let context = AioContext::new();
        let _current = context.make_current();
        let daemon = Daemon::new(&context);
        for number in 0..1000 {
            drop(daemon.facts.of(&node(&daemon, &format!("disk{number}"))));
        }
        assert!(daemon.facts.nodes.borrow().len() <= 2 * SWEEP_FROM);
    }
}
