//! One value from one coroutine to another, within a context.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// Gives the value.
pub(crate) struct Sender<T>(Rc<RefCell<State<T>>>);

/// Waits for the value. If the sender is dropped unused, it waits for ever: here every sender
/// belongs to a request that runs to its end.
pub(crate) struct Receiver<T>(Rc<RefCell<State<T>>>);

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = Rc::new(RefCell::new(State {
        value: None,
        waker: None,
    }));
    (Sender(state.clone()), Receiver(state))
}

impl<T> Sender<T> {
    /// False, and the value dropped, if nobody waits for it any more.
    pub(crate) fn send(self, value: T) -> bool {
        if Rc::strong_count(&self.0) == 1 {
            return false;
        }
        let mut state = self.0.borrow_mut();
        state.value = Some(value);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

impl<T> Future for Receiver<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.0.borrow_mut();
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
