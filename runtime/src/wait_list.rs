//! The queue of those who wait for a co-lock.
//!
//! A waiter is *granted* what it waits for by whoever gives it up: the grant, not the waking, makes
//! it the holder, so that nobody who comes later can be faster. That is what makes the locks fair.
//!
//! Wakers of other executors may run anything when they are used or dropped, this queue's own
//! functions among it. So the queue hands wakers out, and its users let go of their locks first.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::sync::{Arc, Mutex};

enum WaitState {
    Waiting(Option<Waker>),
    Granted,
    /// The grant was seen by its waiter, or the waiter has gone.
    Over,
}

/// One waiter, as the queue knows it. `kind` is what it waits for.
struct Ticket<K> {
    kind: K,
    state: Arc<Mutex<WaitState>>,
}

/// A waiter that has been granted its wish and must be told so, once no lock is held.
#[must_use = "the waiter sleeps until it is woken"]
pub(crate) struct Grant(Option<Waker>);

impl Grant {
    /// Queues the waiter: it runs later.
    pub(crate) fn wake(self) {
        if let Some(waker) = self.0 {
            waker.wake();
        }
    }
}

/// A waiter that has left. It is dropped, and its waker with it, once no lock is held.
#[must_use = "a grant must be passed on"]
pub(crate) struct Left(WaitState);

impl Left {
    /// True if it had been granted its wish, and so must pass it on.
    pub(crate) fn was_granted(&self) -> bool {
        matches!(self.0, WaitState::Granted)
    }
}

/// Waiters, in order of arrival.
pub(crate) struct WaitList<K> {
    queue: VecDeque<Ticket<K>>,
}

impl<K> Default for WaitList<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> WaitList<K> {
    pub(crate) const fn new() -> Self {
        WaitList {
            queue: VecDeque::new(),
        }
    }

    /// Puts a waiter at the end.
    pub(crate) fn join(&mut self, kind: K) -> Wait {
        let state = Arc::new(Mutex::new(WaitState::Waiting(None)));
        self.queue.push_back(Ticket {
            kind,
            state: state.clone(),
        });
        Wait { state }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What the first waiter waits for.
    pub(crate) fn first(&self) -> Option<&K> {
        self.queue.front().map(|ticket| &ticket.kind)
    }

    /// Grants the first waiter its wish.
    pub(crate) fn grant_first(&mut self) -> Option<Grant> {
        let ticket = self.queue.pop_front()?;
        let before = std::mem::replace(&mut *ticket.state.lock(), WaitState::Granted);
        Some(Grant(match before {
            WaitState::Waiting(waker) => waker,
            WaitState::Granted | WaitState::Over => None,
        }))
    }

    /// A waiter leaves.
    pub(crate) fn leave(&mut self, wait: &Wait) -> Left {
        self.queue
            .retain(|ticket| !Arc::ptr_eq(&ticket.state, &wait.state));
        let before = std::mem::replace(&mut *wait.state.lock(), WaitState::Over);
        Left(before)
    }
}

/// The waiter's end: a future that ends with the grant.
pub(crate) struct Wait {
    state: Arc<Mutex<WaitState>>,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        match &mut *state {
            WaitState::Waiting(Some(waker)) if waker.will_wake(cx.waker()) => Poll::Pending,
            WaitState::Waiting(waker) => {
                let stale = waker.replace(cx.waker().clone());
                drop(state);
                drop(stale);
                Poll::Pending
            }
            WaitState::Granted => {
                *state = WaitState::Over;
                Poll::Ready(())
            }
            WaitState::Over => Poll::Ready(()),
        }
    }
}
