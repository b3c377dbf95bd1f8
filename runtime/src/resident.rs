//! `Resident`: something that lives in a context, as other threads see it.
//!
//! A handle leads to a context, and its closures find there only the context itself. What they work
//! on is kept by the context and named by a resident: a word that may travel, for a thing that does
//! not.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use slab::Slab;

use crate::call::{Gone, Reply};
use crate::context::AioContext;
use crate::current;
use crate::handle::AioHandle;

/// What lives in a context for others, each with its serial number.
#[derive(Default)]
pub(crate) struct Residents(Slab<(u64, Rc<dyn Any>)>);

impl Residents {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, slot: u32, serial: u64) -> Option<Rc<dyn Any>> {
        let (is, state) = self.0.get(slot as usize)?;
        (*is == serial).then(|| state.clone())
    }
}

/// Names an `S` that lives in a context. Any thread may hold it and send work to it; only the
/// context itself gets to see the `S`.
pub struct Resident<S> {
    handle: AioHandle,
    slot: u32,
    serial: u64,
    of: PhantomData<fn() -> S>,
}

impl AioContext {
    /// Keeps `state` until [`evict`](Self::evict) or the end of the context, and names it for other
    /// threads.
    pub fn settle<S: 'static>(&self, state: Rc<S>) -> Resident<S> {
        let serial = self.inner().new_serial();
        let mut residents = self.inner().residents.borrow_mut();
        let slot = residents.0.insert((serial, state)) as u32;
        Resident {
            handle: self.handle(),
            slot,
            serial,
            of: PhantomData,
        }
    }

    /// Keeps it no longer; what is sent to it from now on finds nobody. Returns it, unless it was
    /// evicted before.
    ///
    /// # Panics
    ///
    /// If it lives in another context.
    pub fn evict<S: 'static>(&self, resident: &Resident<S>) -> Option<Rc<S>> {
        assert_eq!(resident.handle, self.handle(), "it lives elsewhere");
        let state = resident.look(self)?;
        // The caller holds it: nothing is dropped under the borrow.
        let mut residents = self.inner().residents.borrow_mut();
        residents.0.remove(resident.slot as usize);
        Some(state)
    }

    /// Has `work` run with a resident of whichever context and polls this one until it has returned;
    /// see [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// [`Gone`]: the resident, or its context, has ended.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn call_resident<S: 'static, R: Send + 'static>(
        &self,
        resident: &Resident<S>,
        name: &'static str,
        work: impl FnOnce(&Rc<S>) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        let (whom, gone) = (resident.clone(), Gone::of(&resident.handle));
        let there = move |ctx: &AioContext| whom.look(ctx).map(|state| work(&state));
        self.call(&resident.handle, name, there)?.ok_or(gone)
    }
}

impl<S: 'static> Resident<S> {
    /// The context in which it lives.
    pub fn handle(&self) -> &AioHandle {
        &self.handle
    }

    /// Has `work` run with it, in its context, and returns the future of what it returns; see
    /// [`AioHandle::request`]. If it has been evicted, the answer is [`Gone`].
    pub fn request<R: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Rc<S>) -> R + Send + 'static,
    ) -> Reply<R> {
        let whom = self.clone();
        let (replier, reply) = self.handle.reply();
        self.handle.schedule_oneshot(name, move |ctx| {
            if let Some(state) = whom.look(ctx) {
                replier.answer(work(&state));
            }
        });
        reply
    }

    /// Has `work` run with it, in its context, if it is still there then; nobody waits for that.
    pub fn post(&self, name: &'static str, work: impl FnOnce(&Rc<S>) + Send + 'static) {
        let whom = self.clone();
        self.handle.schedule_oneshot(name, move |ctx| {
            if let Some(state) = whom.look(ctx) {
                work(&state);
            }
        });
    }

    /// It, if its context is the current one and has not evicted it.
    pub fn get(&self) -> Option<Rc<S>> {
        let found = current::with_current(|inner| {
            let inner = inner.filter(|inner| std::ptr::eq(&*inner.shared, &*self.handle.shared))?;
            inner.residents.borrow().get(self.slot, self.serial)
        });
        found.map(Self::downcast)
    }

    fn look(&self, ctx: &AioContext) -> Option<Rc<S>> {
        let residents = ctx.inner().residents.borrow();
        residents.get(self.slot, self.serial).map(Self::downcast)
    }

    fn downcast(state: Rc<dyn Any>) -> Rc<S> {
        state.downcast().expect("the serial number is its own")
    }
}

impl<S> Clone for Resident<S> {
    fn clone(&self) -> Self {
        Resident {
            handle: self.handle.clone(),
            slot: self.slot,
            serial: self.serial,
            of: PhantomData,
        }
    }
}

impl<S> PartialEq for Resident<S> {
    fn eq(&self, other: &Self) -> bool {
        self.handle == other.handle && self.serial == other.serial
    }
}

impl<S> Eq for Resident<S> {}

impl<S> fmt::Debug for Resident<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resident({} of {})", self.serial, self.handle.name())
    }
}
