//! What a test holds of a `blkdebug` node: it adds rules, and lets held requests go.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use blockjob_runtime::CoQueue;

use super::event::{Event, IoType};
use super::rules::{InjectError, Rules, SetState};
use crate::error::{BlockError, BlockResult, ErrorKind};

/// A request that is suspended.
struct Held {
    tag: Rc<str>,
    released: Cell<bool>,
    queue: CoQueue,
}

struct Shared {
    rules: RefCell<Rules>,
    /// In the order in which they were suspended.
    held: RefCell<Vec<Rc<Held>>>,
}

/// The rules of a `blkdebug` node and the requests that it holds. Clones speak of the same node.
///
/// QEMU: `BDRVBlkdebugState` (block/blkdebug.c).
#[derive(Clone)]
pub struct Blkdebug {
    shared: Rc<Shared>,
}

impl Blkdebug {
    pub(super) fn new() -> Self {
        Blkdebug {
            shared: Rc::new(Shared {
                rules: RefCell::new(Rules::new()),
                held: RefCell::default(),
            }),
        }
    }

    /// The rules, for a node in another context. This one has none from now on.
    pub(super) fn take_rules(&self) -> Rules {
        self.shared.rules.replace(Rules::new())
    }

    /// With the rules that a node had in another context.
    pub(super) fn with_rules(rules: Rules) -> Self {
        let blkdebug = Self::new();
        blkdebug.shared.rules.replace(rules);
        blkdebug
    }

    /// Adds a rule. Of several that fit a request, the one that was added first counts.
    pub fn inject_error(&self, error: InjectError) {
        self.shared.rules.borrow_mut().inject(error);
    }

    /// Adds a rule.
    pub fn set_state(&self, rule: SetState) {
        self.shared.rules.borrow_mut().set_state(rule);
    }

    /// Forgets all errors.
    pub fn clear_errors(&self) {
        self.shared.rules.borrow_mut().clear_errors();
    }

    /// The next request that comes to `event` is suspended there under the name `tag`.
    ///
    /// QEMU: `blkdebug_debug_breakpoint` (block/blkdebug.c), `break` in qemu-io.
    pub fn suspend(&self, event: Event, tag: &str) {
        self.shared.rules.borrow_mut().suspend(event, tag, true);
    }

    /// Every request that comes to `event` is suspended there under the name `tag`, until
    /// [`remove_breakpoint`](Self::remove_breakpoint).
    pub fn suspend_every(&self, event: Event, tag: &str) {
        self.shared.rules.borrow_mut().suspend(event, tag, false);
    }

    /// Lets the first request go that is suspended under this name. It runs when its turn comes.
    ///
    /// QEMU: `blkdebug_debug_resume` (block/blkdebug.c).
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none.
    pub fn resume(&self, tag: &str) -> BlockResult<()> {
        let mut held = self.shared.held.borrow_mut();
        let index = held
            .iter()
            .position(|held| *held.tag == *tag)
            .ok_or_else(|| {
                BlockError::new(
                    ErrorKind::NotFound,
                    format!("No request is suspended as '{tag}'"),
                )
            })?;
        let first = held.remove(index);
        drop(held);
        first.released.set(true);
        first.queue.wake_all();
        Ok(())
    }

    /// Suspends no more requests under this name, and lets all go that are.
    ///
    /// QEMU: `blkdebug_debug_remove_breakpoint` (block/blkdebug.c).
    ///
    /// # Errors
    ///
    /// `NotFound` if none was suspended; the rules are gone in any case.
    pub fn remove_breakpoint(&self, tag: &str) -> BlockResult<()> {
        self.shared.rules.borrow_mut().remove_suspends(tag);
        self.resume(tag)?;
        while self.resume(tag).is_ok() {}
        Ok(())
    }

    /// True if a request is suspended under this name.
    ///
    /// QEMU: `blkdebug_debug_is_suspended` (block/blkdebug.c).
    pub fn is_suspended(&self, tag: &str) -> bool {
        self.held(tag) > 0
    }

    /// How many requests are suspended under this name.
    pub fn held(&self, tag: &str) -> usize {
        let held = self.shared.held.borrow();
        held.iter().filter(|held| *held.tag == *tag).count()
    }

    /// The names under which requests are suspended, one for each, in the order in which they were.
    pub fn held_tags(&self) -> Vec<Rc<str>> {
        let held = self.shared.held.borrow();
        held.iter().map(|held| held.tag.clone()).collect()
    }

    /// An event takes place: applies its rules, and returns when whoever suspended it lets it go.
    /// Drivers of image formats may raise events of their own.
    ///
    /// QEMU: `bdrv_co_debug_event` (block.c).
    pub async fn event(&self, event: Event) {
        let tags = self.shared.rules.borrow_mut().raise(event);
        for tag in tags {
            let held = Rc::new(Held {
                tag: Rc::from(&*tag),
                released: Cell::new(false),
                queue: CoQueue::new(),
            });
            self.shared.held.borrow_mut().push(held.clone());
            let waiting = Waiting {
                blkdebug: self,
                held: &held,
            };
            while !held.released.get() {
                held.queue.wait().await;
            }
            drop(waiting);
        }
    }

    /// Fails as the rules in force say.
    ///
    /// QEMU: `rule_check` (block/blkdebug.c).
    pub(super) async fn check(&self, io_type: IoType, offset: u64, bytes: u64) -> BlockResult<()> {
        let error = self.shared.rules.borrow_mut().check(io_type, offset, bytes);
        let Some(error) = error else {
            return Ok(());
        };
        if !error.immediately {
            futures_lite::future::yield_now().await;
        }
        Err(error.error())
    }
}

/// Takes a suspended request off the list when its future is dropped.
struct Waiting<'a> {
    blkdebug: &'a Blkdebug,
    held: &'a Rc<Held>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut held = self.blkdebug.shared.held.borrow_mut();
        held.retain(|other| !Rc::ptr_eq(other, self.held));
    }
}

impl fmt::Debug for Blkdebug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blkdebug")
            .field("held", &self.shared.held.borrow().len())
            .finish_non_exhaustive()
    }
}
