//! Event sources: somebody outside says that there is something to do.
//!
//! A source is *external* when it speaks for a guest. External sources can be masked
//! ([`AioHandle::disable_external`](crate::AioHandle::disable_external)): what they announce is
//! kept, and served when the last mask is gone.
//!
//! QEMU: `EventNotifier` with `aio_set_event_notifier(.., is_external, ..)` (util/aio-posix.c).

use std::fmt;

use crate::current;
use crate::handle::{Remote, Shared};
use crate::inner::Inner;
use crate::marks::EXTERNAL_HELD;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::trace::{Event, Wants};

/// Announced and not yet served.
const SET: u32 = 1;
/// The ready queue or the inbox holds an entry.
const QUEUED: u32 = 2;
/// The source is gone.
const REMOVED: u32 = 4;

/// The part of a source that every thread may touch.
pub(crate) struct EventShared {
    state: AtomicU32,
    pub(crate) slot: u32,
    /// Tells this source from others that had the slot before.
    pub(crate) serial: u64,
    pub(crate) name: &'static str,
    pub(crate) external: bool,
    home: Arc<Shared>,
}

impl EventShared {
    pub(crate) fn new(
        name: &'static str,
        external: bool,
        slot: u32,
        serial: u64,
        home: Arc<Shared>,
    ) -> Self {
        EventShared {
            state: AtomicU32::new(0),
            slot,
            serial,
            name,
            external,
            home,
        }
    }

    /// The queued entry has come to its turn. The announcement stays: see [`take`](Self::take).
    pub(crate) fn dequeue(&self) {
        self.state.fetch_and(!QUEUED, Ordering::Relaxed);
    }

    /// Takes the announcement; true if there was one and the source still exists.
    pub(crate) fn take(&self) -> bool {
        let before = self.state.fetch_and(!SET, Ordering::Acquire);
        before & (SET | REMOVED) == SET
    }

    /// True if it has announced something that nobody has served.
    pub(crate) fn announced(&self) -> bool {
        self.state.load(Ordering::Relaxed) & (SET | REMOVED) == SET
    }

    /// Puts the entry back into the queue if there is an announcement and no entry.
    pub(crate) fn requeue(&self) -> bool {
        self.state.load(Ordering::Relaxed) & (SET | REMOVED) == SET
            && self.state.fetch_or(QUEUED, Ordering::Relaxed) & QUEUED == 0
    }
}

/// A source as its context has it.
pub(crate) struct EventSlot {
    pub(crate) shared: Arc<EventShared>,
    /// None while it runs.
    pub(crate) handler: Option<Box<dyn FnMut()>>,
}

impl Inner {
    /// Serves a source that the ready queue named, unless it is masked, was cleared or is gone.
    pub(crate) fn run_event(&self, slot: u32, serial: u64) -> bool {
        let (name, mut serving) = {
            let mut events = self.events.borrow_mut();
            let Some(event) = events.get_mut(slot as usize) else {
                return false;
            };
            if event.shared.serial != serial {
                return false;
            }
            event.shared.dequeue();
            let masked = event.shared.external && self.external_disabled();
            if masked && event.shared.announced() {
                self.trace(Wants::MARKS, || Event::Mark {
                    mark: &EXTERNAL_HELD,
                });
            }
            // Masked, or its handler is on the stack below: the announcement stays for later.
            if masked || event.handler.is_none() || !event.shared.take() {
                return false;
            }
            let serving = Serving {
                inner: self,
                slot,
                serial,
                handler: event.handler.take(),
            };
            (event.shared.name, serving)
        };
        self.trace(Wants::CALLBACKS, || Event::EventSource { name });
        serving.run();
        true
    }
}

/// A handler on the stack. It goes back into its source, also if it panics.
struct Serving<'a> {
    inner: &'a Inner,
    slot: u32,
    serial: u64,
    handler: Option<Box<dyn FnMut()>>,
}

impl Serving<'_> {
    fn run(&mut self) {
        (self.handler.as_mut().expect("it runs once"))();
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        let mut events = self.inner.events.borrow_mut();
        // If it removed its source, the handler is dropped after this, when no borrow is held.
        if let Some(event) = events.get_mut(self.slot as usize)
            && event.shared.serial == self.serial
        {
            event.handler = self.handler.take();
            if event.shared.requeue() {
                self.inner.push_event(&event.shared);
            }
        }
    }
}

/// The announcing end of an event source; any thread may hold clones of it.
#[derive(Clone)]
pub struct EventNotifier {
    pub(crate) shared: Arc<EventShared>,
}

impl EventNotifier {
    /// Announces. The handler runs once for all announcements made before it runs.
    ///
    /// QEMU: `event_notifier_set` (util/event_notifier-posix.c).
    pub fn set(&self) {
        // Release: the handler sees what was written before.
        let before = self.shared.state.fetch_or(SET | QUEUED, Ordering::Release);
        if before & (QUEUED | REMOVED) != 0 {
            return;
        }
        let home = &self.shared.home;
        if current::if_current(home, |inner| inner.push_event(&self.shared)).is_none() {
            home.post(Remote::Event(self.shared.clone()));
        }
    }

    /// Takes an announcement back that has not been served; true if there was one.
    ///
    /// QEMU: `event_notifier_test_and_clear` (util/event_notifier-posix.c).
    pub fn test_and_clear(&self) -> bool {
        self.shared.take()
    }

    /// Removes the source from its context; its handler never runs again. May be called from the
    /// handler, and from any thread.
    pub fn remove(&self) {
        // Relaxed: what is to be dropped is handed over by the inbox's lock.
        let before = self.shared.state.fetch_or(REMOVED, Ordering::Relaxed);
        if before & REMOVED != 0 {
            return;
        }
        let EventShared { slot, serial, .. } = *self.shared;
        let home = &self.shared.home;
        match current::if_current(home, |inner| inner.take_event(slot, serial)) {
            Some(taken) => drop(taken),
            None => home.post(Remote::DropEvent { slot, serial }),
        }
    }
}

impl fmt::Debug for EventNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventNotifier({})", self.shared.name)
    }
}
