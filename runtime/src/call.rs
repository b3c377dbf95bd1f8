//! Work in another context, and its answer.
//!
//! What lives in a context never leaves it, so whoever wants something of it sends a closure, which
//! runs there, and waits for what it returns. Only the main thread may wait for another one: it does
//! so by polling its own loop ([`AioContext::call`]). Coroutines await a [`Reply`], and any context's
//! may, because a coroutine that waits keeps nobody else.
//!
//! QEMU reaches into the other context instead, and guards what it finds there by rules: its
//! generated wrappers `bdrv_*` around `bdrv_co_*` start a coroutine in the node's context and wait
//! with `BDRV_POLL_WHILE` (scripts/block-coroutine-wrapper.py, block/block-gen.h).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::context::AioContext;
use crate::handle::AioHandle;
use crate::sync::{Arc, Mutex};

/// The context has ended, or its thread has panicked, before there was an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    context: String,
}

impl Gone {
    pub(crate) fn of(context: &AioHandle) -> Gone {
        Gone {
            context: context.name().to_owned(),
        }
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "context {} has ended without an answer", self.context)
    }
}

impl std::error::Error for Gone {}

enum Answer<R> {
    Awaited(Option<Waker>),
    Here(R),
    /// It was dropped unanswered.
    Never,
    /// It was taken.
    Over,
}

/// What whoever answers holds. Dropping it says that there is none.
pub(crate) struct Replier<R>(Arc<Mutex<Answer<R>>>);

impl<R> Replier<R> {
    fn settle(&self, answer: Answer<R>) {
        let mut state = self.0.lock();
        if let Answer::Awaited(waker) = &mut *state {
            let waker = waker.take();
            *state = answer;
            // A waker may run anything: not under the lock.
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    pub(crate) fn answer(self, result: R) {
        self.settle(Answer::Here(result));
    }
}

impl<R> Drop for Replier<R> {
    fn drop(&mut self) {
        self.settle(Answer::Never);
    }
}

/// The answer to [`AioHandle::request`]; a future of it. Dropping it does not take the work back.
pub struct Reply<R> {
    context: AioHandle,
    answer: Arc<Mutex<Answer<R>>>,
}

impl<R> Future for Reply<R> {
    type Output = Result<R, Gone>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.answer.lock();
        let stale = match &mut *state {
            Answer::Awaited(waker) => waker.replace(cx.waker().clone()),
            _ => {
                return Poll::Ready(match std::mem::replace(&mut *state, Answer::Over) {
                    Answer::Here(result) => Ok(result),
                    _ => Err(Gone::of(&self.context)),
                });
            }
        };
        // A foreign waker may run anything when it is dropped: not under the lock.
        drop(state);
        drop(stale);
        Poll::Pending
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply(from {})", self.context.name())
    }
}

impl AioHandle {
    /// Has `work` run once in the context, from its event loop, and returns the future of what it
    /// returns. It is under way when this returns, awaited or not.
    ///
    /// QEMU: `aio_bh_schedule_oneshot` followed by `BDRV_POLL_WHILE` (include/block/block-io.h).
    pub fn request<R: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&AioContext) -> R + Send + 'static,
    ) -> Reply<R> {
        let (replier, reply) = self.reply();
        self.schedule_oneshot(name, move |ctx| replier.answer(work(ctx)));
        reply
    }

    /// Has a coroutine run in the context, and returns the future of its result. `make` runs there,
    /// so the coroutine need not be `Send`.
    ///
    /// QEMU: `bdrv_coroutine_enter` followed by `BDRV_POLL_WHILE` (include/block/block-io.h).
    pub fn request_co<R, F>(
        &self,
        name: &'static str,
        make: impl FnOnce(&AioContext) -> F + Send + 'static,
    ) -> Reply<R>
    where
        R: Send + 'static,
        F: Future<Output = R> + 'static,
    {
        let (replier, reply) = self.reply();
        self.schedule_oneshot(name, move |ctx| {
            let work = make(ctx);
            ctx.coroutine(name, async move { replier.answer(work.await) })
                .enter();
        });
        reply
    }

    pub(crate) fn reply<R>(&self) -> (Replier<R>, Reply<R>) {
        let answer = Arc::new(Mutex::new(Answer::Awaited(None)));
        let reply = Reply {
            context: self.clone(),
            answer: answer.clone(),
        };
        (Replier(answer), reply)
    }
}

impl AioContext {
    /// Has `work` run in the context of `place` and polls this one until it has returned: a sync
    /// wrapper. In its own context it runs at once.
    ///
    /// Only the main context may wait for another one; else two could wait for each other.
    ///
    /// # Errors
    ///
    /// [`Gone`]: the other context has ended.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine, which can await [`AioHandle::request`].
    pub fn call<R: Send + 'static>(
        &self,
        place: &AioHandle,
        name: &'static str,
        work: impl FnOnce(&AioContext) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        if *place == self.handle() {
            let _current = self.make_current();
            return Ok(work(self));
        }
        self.run(name, place.request(name, work))
    }
}
