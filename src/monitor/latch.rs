//! Something that happens once, and those who wait for it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Closed, once and for all, by somebody in the same context.
#[derive(Default)]
pub(crate) struct Latch {
    closed: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Latch {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// It has happened.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until it has happened.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            if self.closed.get() {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            waiting.retain(|waker| !waker.will_wake(cx.waker()));
            waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
