//! The driver of these tests: it answers when it is told to, and counts what it is told.

#[path = "serve.rs"]
mod serve;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::PermPair;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::{BlockStatus, Limits};
use blockjob_runtime::CoQueue;

/// When a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    AtOnce,
    /// From a bottom half.
    BottomHalf,
    /// After so many nanoseconds.
    Timer(u64),
    /// When [`TestDriver::release`] is called.
    Held,
}

type Hook = Box<dyn FnMut()>;
type ChildPerms = Box<dyn Fn(ChildRole, PermPair) -> PermPair>;
type Status = Box<dyn Fn(u64, u64) -> BlockStatus>;

/// A disk in memory, or a filter. Clones are the same driver, so that a test can keep one.
#[derive(Clone)]
pub(crate) struct TestDriver(Rc<State>);

struct State {
    filter: bool,
    limits: Cell<Limits>,
    content: RefCell<Vec<u8>>,
    pace: Cell<Pace>,
    /// The delays of the next requests, before `pace` counts.
    delays_ns: RefCell<Vec<u64>>,
    held: Rc<CoQueue>,
    active: Cell<u32>,
    served: Cell<u32>,
    drained_begins: Cell<u32>,
    drained_ends: Cell<u32>,
    /// What was asked of it, as `write 0+512`.
    log: RefCell<Vec<String>>,
    errno: Cell<Option<i32>>,
    can_zero: Cell<bool>,
    grows: Cell<bool>,
    on_drained_begin: RefCell<Option<Hook>>,
    on_drained_end: RefCell<Option<Hook>>,
    child_perms: RefCell<Option<ChildPerms>>,
    status: RefCell<Option<Status>>,
    refused: Cell<Option<&'static str>>,
    /// `check`, `set` and `abort` of permissions, in order.
    perm_log: RefCell<Vec<String>>,
}

/// One request at work.
struct Active(Rc<State>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
    }
}

impl TestDriver {
    fn make(len: u64, filter: bool) -> TestDriver {
        TestDriver(Rc::new(State {
            filter,
            limits: Cell::default(),
            content: RefCell::new(vec![0; len as usize]),
            pace: Cell::new(Pace::AtOnce),
            delays_ns: RefCell::default(),
            held: Rc::default(),
            active: Cell::new(0),
            served: Cell::new(0),
            drained_begins: Cell::new(0),
            drained_ends: Cell::new(0),
            log: RefCell::default(),
            errno: Cell::new(None),
            can_zero: Cell::new(true),
            grows: Cell::new(false),
            on_drained_begin: RefCell::default(),
            on_drained_end: RefCell::default(),
            child_perms: RefCell::default(),
            status: RefCell::default(),
            refused: Cell::new(None),
            perm_log: RefCell::default(),
        }))
    }

    /// A disk of zeroes.
    pub(crate) fn new(len: u64) -> TestDriver {
        Self::make(len, false)
    }

    /// Shows its child `file`.
    pub(crate) fn filter() -> TestDriver {
        Self::make(0, true)
    }

    pub(crate) fn with_limits(self, limits: Limits) -> TestDriver {
        self.0.limits.set(limits);
        self
    }

    pub(crate) fn with_align(self, request_alignment: u64) -> TestDriver {
        self.with_limits(Limits {
            request_alignment,
            ..Limits::default()
        })
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        self.0.limits.set(limits);
    }

    pub(crate) fn set_pace(&self, pace: Pace) {
        self.0.pace.set(pace);
    }

    /// The delays of the requests that come next, in nanoseconds.
    pub(crate) fn set_delays_ns(&self, delays_ns: &[u64]) {
        let mut delays_ns = delays_ns.to_vec();
        delays_ns.reverse();
        self.0.delays_ns.replace(delays_ns);
    }

    /// Lets the first request go on that is held; false if there is none.
    pub(crate) fn release(&self) -> bool {
        self.0.held.wake_next()
    }

    pub(crate) fn fail_with(&self, errno: Option<i32>) {
        self.0.errno.set(errno);
    }

    pub(crate) fn cannot_zero(&self) {
        self.0.can_zero.set(false);
    }

    /// Writes past the end make it longer.
    pub(crate) fn grows(&self) {
        self.0.grows.set(true);
    }

    /// Called in `drained_begin`, once.
    pub(crate) fn on_drained_begin(&self, hook: impl FnMut() + 'static) {
        self.0.on_drained_begin.replace(Some(Box::new(hook)));
    }

    /// Called in `drained_end`, once.
    pub(crate) fn on_drained_end(&self, hook: impl FnMut() + 'static) {
        self.0.on_drained_end.replace(Some(Box::new(hook)));
    }

    pub(crate) fn set_child_perms(
        &self,
        perms: impl Fn(ChildRole, PermPair) -> PermPair + 'static,
    ) {
        self.0.child_perms.replace(Some(Box::new(perms)));
    }

    pub(crate) fn set_status(&self, status: impl Fn(u64, u64) -> BlockStatus + 'static) {
        self.0.status.replace(Some(Box::new(status)));
    }

    /// Refuses the permissions that it is asked about from now on.
    pub(crate) fn refuse_perms(&self, text: Option<&'static str>) {
        self.0.refused.set(text);
    }

    pub(crate) fn active(&self) -> u32 {
        self.0.active.get()
    }

    /// How many requests have come.
    pub(crate) fn served(&self) -> u32 {
        self.0.served.get()
    }

    /// How often it was told of the begin and the end of sections.
    pub(crate) fn drained(&self) -> (u32, u32) {
        (self.0.drained_begins.get(), self.0.drained_ends.get())
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        self.0.log.take()
    }

    pub(crate) fn take_perm_log(&self) -> Vec<String> {
        self.0.perm_log.take()
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        self.0.content.borrow().clone()
    }

    pub(crate) fn fill(&self, pattern: u8) {
        self.0.content.borrow_mut().fill(pattern);
    }
}
