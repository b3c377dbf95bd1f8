//! The queue of those who wait for a co-lock.
//!
//! A waiter is *granted* what it waits for by whoever gives it up: the grant, not the waking, makes
//! it the holder, so that nobody who comes later can be faster. That is what makes the locks fair.

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
pub(crate) struct Ticket<K> {
    pub(crate) kind: K,
    state: Arc<Mutex<WaitState>>,
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

    /// Grants the first waiter its wish. Only queues it: it runs later. The caller may hold locks.
    pub(crate) fn grant_first(&mut self) -> bool {
        let Some(ticket) = self.queue.pop_front() else {
            return false;
        };
        let before = std::mem::replace(&mut *ticket.state.lock(), WaitState::Granted);
        if let WaitState::Waiting(Some(waker)) = before {
            waker.wake();
        }
        true
    }

    /// A waiter leaves. True if it had been granted its wish, and so must pass it on.
    pub(crate) fn leave(&mut self, wait: &Wait) -> bool {
        self.queue
            .retain(|ticket| !Arc::ptr_eq(&ticket.state, &wait.state));
        let before = std::mem::replace(&mut *wait.state.lock(), WaitState::Over);
        matches!(before, WaitState::Granted)
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
            WaitState::Waiting(waker) => {
                *waker = Some(cx.waker().clone());
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
