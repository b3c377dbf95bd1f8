//! The family: who moves together, and whether all of them can.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::child::ChildParent;
use crate::drain::Drained;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::moving::Tie;
use crate::moving::remote::RemoteSection;
use crate::moving::section::FamilySection;
use crate::node::Node;

/// All that must live in one context because a node of it does, and the drained sections that travel
/// with it.
///
/// QEMU: what `bdrv_change_aio_context` (block.c) visits.
pub struct Family {
    /// In the order in which they were made.
    pub(crate) nodes: Vec<Rc<Node>>,
    /// Each once, in the order in which they were found from the oldest node on.
    pub(crate) users: Vec<Rc<dyn ChildParent>>,
    /// See [`Family::keep`].
    pub(crate) kept: Vec<Drained>,
}

/// Asks everybody who would have to move with `root`, before anything is touched. `holds` says how many
/// references to a node the caller has, and whoever the caller speaks for; they must be gone when the
/// family is packed.
///
/// QEMU: the first half of `bdrv_try_change_aio_context` (block.c).
///
/// # Errors
///
/// Whatever the first one says who cannot move.
pub fn check_move(root: &Rc<Node>, holds: &dyn Fn(&Node) -> usize) -> BlockResult<Family> {
    let family = Family::of(root);
    family.check(holds)?;
    Ok(family)
}

impl Family {
    /// Everybody whom edges, owners, and other ties connect with `root`.
    pub fn of(root: &Rc<Node>) -> Family {
        let mut walk = Walk::default();
        walk.open.push(Tie::Node(root.clone()));
        walk.run();
        let mut nodes = walk.nodes;
        nodes.sort_by_key(|node| node.number());
        Family {
            users: in_order(&nodes, walk.users),
            nodes,
            kept: Vec::new(),
        }
    }

    /// Its nodes, in the order in which they were made.
    pub fn nodes(&self) -> &[Rc<Node>] {
        &self.nodes
    }

    /// Its users that are not nodes and move by themselves.
    pub fn users(&self) -> &[Rc<dyn ChildParent>] {
        &self.users
    }

    /// True if `node` is one of it.
    pub fn contains(&self, node: &Node) -> bool {
        self.nodes
            .iter()
            .any(|it| std::ptr::eq(&raw const **it, node))
    }

    /// Has a drained section travel along: [`Moved::sections`](super::Moved::sections) has it again.
    ///
    /// # Panics
    ///
    /// If it is one of all nodes of the graph, or of a node that is not of the family.
    pub fn keep(&mut self, section: Drained) {
        let (node, _) = section.node().expect("a section of one node or subtree");
        assert!(self.contains(node), "{node:?} stays where it is");
        self.kept.push(section);
    }

    /// Has a drained section of the whole family travel along.
    pub fn keep_all(&mut self, section: FamilySection) {
        section.sections.into_iter().for_each(|it| self.keep(it));
    }

    /// The sections that were to travel, when nothing comes of it.
    pub fn give_back(self) -> Vec<Drained> {
        self.kept
    }

    /// True while something is in flight at one of the nodes, or at somebody who uses them.
    pub fn is_busy(&self) -> bool {
        self.nodes.iter().any(|node| node.drain_poll())
    }

    /// True if every node is drained, and nothing in flight.
    pub fn is_drained(&self) -> bool {
        self.nodes.iter().all(|node| node.quiesce_counter() > 0) && !self.is_busy()
    }

    /// Asks everybody whether he can move; see [`check_move`].
    ///
    /// # Errors
    ///
    /// Whatever the first one says who cannot.
    pub fn check(&self, holds: &dyn Fn(&Node) -> usize) -> BlockResult<()> {
        for node in &self.nodes {
            node.driver().can_move(node)?;
        }
        for user in &self.users {
            user.can_move()?;
        }
        // Before it is drained, requests hold what they work on.
        if self.is_drained() {
            self.check_sections()?;
            self.check_strangers(holds)?;
        }
        Ok(())
    }

    pub(crate) fn remote_sections(&self) -> Vec<Rc<RemoteSection>> {
        let graph = self.nodes.first().and_then(|node| node.graph());
        let sections = graph.map(|graph| graph.remote_sections.borrow().clone());
        let sections = sections.unwrap_or_default();
        let alive = sections.iter().filter_map(std::rc::Weak::upgrade);
        alive.filter(|section| section.count_in(self) > 0).collect()
    }

    /// A section that nobody hands over would end at nodes that are not there any more.
    fn check_sections(&self) -> BlockResult<()> {
        let remote = self.remote_sections();
        let asked: usize = remote
            .iter()
            .map(|section| section.count_in(self))
            .sum::<usize>()
            + self.users.iter().map(|user| user.sections()).sum::<usize>()
            + self.kept.len();
        let open = self.open_sections();
        if open.len() > asked {
            let (node, owner) = open.last().expect("there are more than none");
            return Err(in_use(format!(
                "A drained section of node '{node}' is held by '{owner}', who has not been asked"
            )));
        }
        Ok(())
    }

    fn open_sections(&self) -> Vec<(String, &'static str)> {
        let graph = self.nodes.first().and_then(|node| node.graph());
        let open = graph.map(|graph| graph.open_sections()).unwrap_or_default();
        let ours = open.iter().filter(|section| {
            let mut nodes = self.nodes.iter();
            nodes.any(|node| Rc::ptr_eq(node.label(), &section.node))
        });
        ours.map(|section| (section.node().to_owned(), section.owner()))
            .collect()
    }

    /// Whoever holds a node and is not asked would be left with an empty shell.
    fn check_strangers(&self, holds: &dyn Fn(&Node) -> usize) -> BlockResult<()> {
        if self.users.iter().any(|user| user.holds_nodes()) {
            return Ok(());
        }
        let sections = self.open_sections();
        for node in &self.nodes {
            let sections = sections.iter().filter(|(name, _)| name == node.name());
            // An edge each, a section each, and this family.
            let known = node.parents().len() + sections.count() + 1 + holds(node);
            if Rc::strong_count(node) > known {
                return Err(in_use(format!(
                    "Node '{}' is in use by somebody who has not been asked",
                    node.name()
                )));
            }
        }
        Ok(())
    }
}

fn in_use(text: String) -> BlockError {
    BlockError::new(ErrorKind::InUse, text)
}

/// What makes two users the same: where they are.
fn place_of(user: &Rc<dyn ChildParent>) -> *const () {
    Rc::as_ptr(user).cast()
}

#[derive(Default)]
struct Walk {
    open: Vec<Tie>,
    seen_nodes: BTreeSet<*const Node>,
    seen_users: BTreeSet<*const ()>,
    nodes: Vec<Rc<Node>>,
    users: Vec<Rc<dyn ChildParent>>,
}

impl Walk {
    fn run(&mut self) {
        while let Some(tie) = self.open.pop() {
            match tie {
                Tie::Node(node) => self.visit_node(node),
                Tie::User(user) => self.visit_user(user),
            }
        }
    }

    fn visit_node(&mut self, node: Rc<Node>) {
        if !self.seen_nodes.insert(Rc::as_ptr(&node)) {
            return;
        }
        let below = node.children();
        let below = below.iter().map(|edge| edge.node());
        let tied = node.driver().ties(&node);
        self.open.extend(below.chain(tied).map(Tie::Node));
        let above = node.parents();
        let above = above.iter().filter_map(|edge| edge.parent());
        self.open.extend(above.map(|parent| match parent.as_node() {
            Some(node) => Tie::Node(node),
            None => Tie::User(parent),
        }));
        self.nodes.push(node);
    }

    fn visit_user(&mut self, user: Rc<dyn ChildParent>) {
        if !self.seen_users.insert(place_of(&user)) {
            return;
        }
        self.open.extend(user.ties());
        match user.owner() {
            Some(owner) => self.open.push(Tie::User(owner)),
            None => self.users.push(user),
        }
    }
}

/// The users in the order in which they use the nodes, which does not depend on where the walk began.
fn in_order(nodes: &[Rc<Node>], found: Vec<Rc<dyn ChildParent>>) -> Vec<Rc<dyn ChildParent>> {
    let mut rest = found;
    let mut users = Vec::with_capacity(rest.len());
    for node in nodes {
        for parent in node.parents().iter().filter_map(|edge| edge.parent()) {
            let who = parent.owner().unwrap_or(parent);
            let index = rest.iter().position(|it| place_of(it) == place_of(&who));
            users.extend(index.map(|index| rest.remove(index)));
        }
    }
    users.extend(rest);
    users
}
