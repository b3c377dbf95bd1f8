//! One value from the coroutine of a request to whoever waits for it, if somebody still does.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// Gives the value.
pub(super) struct Giver<T>(Rc<RefCell<State<T>>>);

impl<T> Giver<T> {
    pub(super) fn give(self, value: T) {
        let mut state = self.0.borrow_mut();
        state.value = Some(value);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The two ends: who gives, and who waits.
pub(super) fn pair<T>() -> (Giver<T>, impl Future<Output = T>) {
    let state = Rc::new(RefCell::new(State {
        value: None,
        waker: None,
    }));
    let taker = state.clone();
    let taken = poll_fn(move |cx| {
        let mut state = taker.borrow_mut();
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    });
    (Giver(state), taken)
}
