//! `CoRwlock`: many readers or one writer, for coroutines.
//!
//! Everybody queues in one line. A reader that comes while a writer waits goes behind it; when the
//! line moves, the readers at its head go in together. So neither kind starves the other.
//!
//! QEMU: `CoRwlock` (util/qemu-coroutine-lock.c).

use std::fmt;

use crate::bug;
use crate::sync::{Mutex, MutexGuard};
use crate::wait_list::{Grant, Wait, WaitList};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

struct State {
    readers: usize,
    writer: bool,
    waiters: WaitList<Kind>,
}

impl State {
    fn admits(&self, kind: Kind) -> bool {
        match kind {
            Kind::Read => !self.writer,
            Kind::Write => !self.writer && self.readers == 0,
        }
    }

    fn admit(&mut self, kind: Kind) {
        match kind {
            Kind::Read => self.readers += 1,
            Kind::Write => self.writer = true,
        }
    }

    fn release(&mut self, kind: Kind) {
        match kind {
            Kind::Read => self.readers -= 1,
            Kind::Write => self.writer = false,
        }
    }

    /// Lets in the head of the line, if it fits.
    fn advance_one(&mut self) -> Option<Grant> {
        let kind = *self.waiters.first()?;
        if !self.admits(kind) {
            return None;
        }
        self.admit(kind);
        self.waiters.grant_first()
    }
}

/// A fair readers-writer lock. It guards a section of code and holds no data.
///
/// QEMU: `CoRwlock` (include/qemu/coroutine.h).
pub struct CoRwlock {
    state: Mutex<State>,
}

impl CoRwlock {
    /// A free lock.
    pub fn new() -> Self {
        CoRwlock {
            state: Mutex::new(State {
                readers: 0,
                writer: false,
                waiters: WaitList::new(),
            }),
        }
    }

    /// Waits to read together with other readers.
    ///
    /// QEMU: `qemu_co_rwlock_rdlock` (util/qemu-coroutine-lock.c).
    pub async fn read(&self) -> ReadGuard<'_> {
        self.acquire(Kind::Read).await;
        ReadGuard { lock: self }
    }

    /// Waits to write alone.
    ///
    /// QEMU: `qemu_co_rwlock_wrlock` (util/qemu-coroutine-lock.c).
    pub async fn write(&self) -> WriteGuard<'_> {
        self.acquire(Kind::Write).await;
        WriteGuard { lock: self }
    }

    async fn acquire(&self, kind: Kind) {
        let wait = {
            let mut state = self.state.lock();
            if state.waiters.is_empty() && state.admits(kind) {
                state.admit(kind);
                return;
            }
            state.waiters.join(kind)
        };
        self.wait(kind, wait).await;
    }

    async fn wait(&self, kind: Kind, wait: Wait) {
        let mut waiter = Waiter {
            lock: self,
            kind,
            wait,
            done: false,
        };
        (&mut waiter.wait).await;
        waiter.done = true;
    }

    fn release(&self, kind: Kind) {
        let mut state = self.state.lock();
        state.release(kind);
        self.advance(state);
    }

    /// Lets in as many from the head of the line as fit. Called whenever somebody has left or has
    /// become less than it was; forgetting it strands the line.
    fn advance<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        while let Some(grant) = state.advance_one() {
            drop(state);
            grant.wake();
            state = self.state.lock();
        }
    }
}

impl Default for CoRwlock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CoRwlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("CoRwlock")
            .field("readers", &state.readers)
            .field("writer", &state.writer)
            .finish()
    }
}

struct Waiter<'a> {
    lock: &'a CoRwlock,
    kind: Kind,
    wait: Wait,
    done: bool,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut state = self.lock.state.lock();
        let left = state.waiters.leave(&self.wait);
        if left.was_granted() {
            state.release(self.kind);
        }
        // If it had not been let in, it may have been what kept those behind it from going in.
        self.lock.advance(state);
    }
}

/// Held for reading, together with others.
#[must_use = "the lock is held until this is dropped"]
pub struct ReadGuard<'a> {
    lock: &'a CoRwlock,
}

impl<'a> ReadGuard<'a> {
    /// Becomes the writer. Others may write in between: it goes to the end of the line, behind
    /// writers that wait already, unless it is the only reader and nobody waits. Dropping the
    /// future gives up the reader's share as well.
    ///
    /// QEMU: `qemu_co_rwlock_upgrade` (util/qemu-coroutine-lock.c).
    pub async fn upgrade(self) -> WriteGuard<'a> {
        let lock = self.lock;
        // From here on this function answers for the reader's share.
        std::mem::forget(self);
        let wait = {
            let mut state = lock.state.lock();
            if state.readers == 1 && state.waiters.is_empty() {
                state.readers = 0;
                state.writer = true;
                return WriteGuard { lock };
            }
            let wait = state.waiters.join(Kind::Write);
            state.release(Kind::Read);
            lock.advance(state);
            wait
        };
        lock.wait(Kind::Write, wait).await;
        WriteGuard { lock }
    }
}

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        self.lock.release(Kind::Read);
    }
}

/// Held for writing, alone.
#[must_use = "the lock is held until this is dropped"]
pub struct WriteGuard<'a> {
    lock: &'a CoRwlock,
}

impl<'a> WriteGuard<'a> {
    /// Becomes a reader, without letting any writer in between, and lets in the readers that wait
    /// at the head of the line.
    ///
    /// QEMU: `qemu_co_rwlock_downgrade` (util/qemu-coroutine-lock.c).
    pub fn downgrade(self) -> ReadGuard<'a> {
        let lock = self.lock;
        std::mem::forget(self);
        let mut state = lock.state.lock();
        state.writer = false;
        state.readers = 1;
        if !bug!(LCK_01) {
            lock.advance(state);
        }
        ReadGuard { lock }
    }
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        self.lock.release(Kind::Write);
    }
}
