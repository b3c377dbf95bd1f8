//! What the tests of the runtime share: both lives of a context, a diary, and odd wakers.
#![allow(dead_code)] // Each test program uses some of it.

#[path = "watched.rs"]
pub(crate) mod watched;

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Wake, Waker};

use blockjob_runtime::{AioContext, Coroutine};

/// Makes of each body two tests: one on this machine, one in virtual time. What is promised to
/// the layers above is promised in both.
#[allow(unused_macros)] // As above.
macro_rules! in_both_lives {
    ($($(#[$meta:meta])* fn $name:ident($ctx:ident) $body:block)*) => { $(
        mod $name {
            #[allow(unused_imports)] // Not every body needs what the file imports.
            use super::*;

            fn body($ctx: blockjob_runtime::AioContext) $body

            #[test]
            $(#[$meta])*
            fn on_this_machine() {
                body(blockjob_runtime::AioContext::new());
            }

            #[test]
            $(#[$meta])*
            fn in_virtual_time() {
                body(crate::common::virtual_context());
            }
        }
    )* };
}

/// A context in virtual time that nobody watches.
pub(crate) fn virtual_context() -> AioContext {
    AioContext::builder().virtual_time().build()
}

/// What happened, in order. Clones write into the same diary.
#[derive(Clone, Default)]
pub(crate) struct Diary(Rc<RefCell<Vec<String>>>);

impl Diary {
    /// Appends an entry.
    pub(crate) fn note(&self, entry: impl fmt::Display) {
        self.0.borrow_mut().push(entry.to_string());
    }

    /// All entries so far, parted by blanks.
    pub(crate) fn read(&self) -> String {
        self.0.borrow().join(" ")
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }
}

/// Makes a coroutine and enters it, from outside of the loop.
pub(crate) fn spawn(
    ctx: &AioContext,
    name: &'static str,
    future: impl Future<Output = ()> + 'static,
) -> Coroutine {
    let coroutine = ctx.coroutine(name, future);
    enter(ctx, &coroutine);
    coroutine
}

/// Enters from outside of the loop.
pub(crate) fn enter(ctx: &AioContext, coroutine: &Coroutine) {
    let _current = ctx.make_current();
    coroutine.enter();
}

/// Looks at a coroutine from outside of the loop: true once it has ended.
pub(crate) fn ended(ctx: &AioContext, coroutine: &Coroutine) -> bool {
    let _current = ctx.make_current();
    coroutine.ended()
}

/// Polls until nothing runs any more.
pub(crate) fn settle(ctx: &AioContext) {
    while ctx.poll(false) {}
}

/// A waker that counts how often it was used.
#[derive(Default)]
pub(crate) struct CountingWaker(AtomicU32);

impl CountingWaker {
    pub(crate) fn wakes(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A waker whose last clone drops `owned`, as the wakers of other executors own a task and whatever
/// its future holds. It must stay on this thread.
pub(crate) fn waker_that_owns(owned: impl Any) -> Waker {
    thread_local! {
        // A waker must be `Send`: what it owns is kept here, in the place that it names.
        static OWNED: RefCell<Vec<Option<Box<dyn Any>>>> = const { RefCell::new(Vec::new()) };
    }
    struct Owner(usize);
    impl Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Owner {
        fn drop(&mut self) {
            let owned = OWNED.with(|all| all.borrow_mut()[self.0].take());
            drop(owned);
        }
    }
    let place = OWNED.with(|all| {
        let mut all = all.borrow_mut();
        all.push(Some(Box::new(owned)));
        all.len() - 1
    });
    Waker::from(Arc::new(Owner(place)))
}
