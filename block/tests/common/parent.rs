//! A user of a node that is neither a node nor a backend, as jobs are.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_block::child::{Child, ChildParent};
use blockjob_block::graph::attach_root;
use blockjob_block::{Node, PermPair};

type Hook = Box<dyn FnOnce()>;

/// Counts what it is told, and is busy when the test says so.
pub(crate) struct TestParent {
    name: &'static str,
    begins: Cell<u32>,
    ends: Cell<u32>,
    polls: Cell<u32>,
    busy: Cell<bool>,
    stays: Cell<bool>,
    resizes: Cell<u32>,
    on_drained_end: RefCell<Option<Hook>>,
}

impl TestParent {
    pub(crate) fn new(name: &'static str) -> Rc<TestParent> {
        Rc::new(TestParent {
            name,
            begins: Cell::new(0),
            ends: Cell::new(0),
            polls: Cell::new(0),
            busy: Cell::new(false),
            stays: Cell::new(false),
            resizes: Cell::new(0),
            on_drained_end: RefCell::default(),
        })
    }

    /// One that uses `node` and minds nothing.
    pub(crate) fn of(name: &'static str, node: &Rc<Node>) -> (Rc<TestParent>, Rc<Child>) {
        let parent = Self::new(name);
        let edge = parent.attach(node, PermPair::HARMLESS);
        (parent, edge)
    }

    pub(crate) fn attach(self: &Rc<Self>, node: &Rc<Node>, perms: PermPair) -> Rc<Child> {
        let myself: Rc<dyn ChildParent> = self.clone();
        let weak: Weak<dyn ChildParent> = Rc::downgrade(&myself);
        attach_root("main node", weak, node, perms).expect("nobody objects")
    }

    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.set(busy);
    }

    /// Edges to it stay where they are when their node is replaced.
    pub(crate) fn stays(&self) {
        self.stays.set(true);
    }

    /// Called when it is let go, once.
    pub(crate) fn on_drained_end(&self, hook: impl FnOnce() + 'static) {
        self.on_drained_end.replace(Some(Box::new(hook)));
    }

    /// How often it was stopped, and how often let go.
    pub(crate) fn told(&self) -> (u32, u32) {
        (self.begins.get(), self.ends.get())
    }

    pub(crate) fn polls(&self) -> u32 {
        self.polls.get()
    }

    pub(crate) fn resizes(&self) -> u32 {
        self.resizes.get()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.begins.get() > self.ends.get()
    }
}

impl ChildParent for TestParent {
    fn describe(&self) -> String {
        format!("test user '{}'", self.name)
    }

    fn stay_at_node(&self) -> bool {
        self.stays.get()
    }

    fn drained_begin(&self, _child: &Child) {
        self.begins.set(self.begins.get() + 1);
    }

    fn drained_poll(&self, _child: &Child) -> bool {
        self.polls.set(self.polls.get() + 1);
        self.busy.get()
    }

    fn drained_end(&self, _child: &Child) {
        self.ends.set(self.ends.get() + 1);
        let hook = self.on_drained_end.take();
        if let Some(hook) = hook {
            hook();
        }
    }

    fn resized(&self, _child: &Child) {
        self.resizes.set(self.resizes.get() + 1);
    }
}
