//! Waits in `async-io`: file descriptors, timers and the thread pool of this machine.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use async_io::Timer;
use futures_lite::FutureExt;

use super::{BlockingJob, Reactor, Unpark};
use crate::clock::RealClock;
use crate::sync::{Arc, Mutex};

/// A token that ends one wait.
#[derive(Default)]
struct Token {
    state: Mutex<TokenState>,
}

#[derive(Default)]
struct TokenState {
    set: bool,
    waker: Option<Waker>,
}

impl Unpark for Token {
    fn unpark(&self) {
        let waker = {
            let mut state = self.state.lock();
            state.set = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The reactor of a context on a real machine.
///
/// While the context waits, its thread serves `async-io`'s file descriptors; while it works,
/// `async-io`'s own thread does, so the context makes no system call while it has work.
pub struct RealReactor {
    clock: RealClock,
    token: Arc<Token>,
}

impl RealReactor {
    /// A reactor whose deadlines are times of `clock`.
    pub fn new(clock: RealClock) -> Self {
        RealReactor {
            clock,
            token: Arc::new(Token::default()),
        }
    }
}

impl Reactor for RealReactor {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        self.token.clone()
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        let unparked = poll_fn(|cx| {
            let mut state = self.token.state.lock();
            if std::mem::take(&mut state.set) {
                Poll::Ready(())
            } else {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        });
        match deadline_ns {
            None => async_io::block_on(unparked),
            Some(deadline_ns) => {
                let timer = Timer::at(self.clock.instant_at(deadline_ns));
                async_io::block_on(unparked.or(async {
                    timer.await;
                }));
            }
        }
    }

    fn poll(&self) {
        // Whatever became ready is delivered by `async-io`'s thread through our inbox.
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        blocking::unblock(job).detach();
    }
}
