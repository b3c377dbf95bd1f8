//! Event sources: somebody outside says that there is something to do.
//!
//! A source is *external* when it speaks for a guest. External sources can be masked
//! ([`AioHandle::disable_external`](crate::AioHandle::disable_external)): what they announce is
//! kept, and served when the last mask is gone.
//!
//! QEMU: `EventNotifier` with `aio_set_event_notifier(.., is_external, ..)` (util/aio-posix.c).

use std::fmt;

use crate::context::AioContext;
use crate::current;
use crate::handle::{Remote, Shared};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, Ordering};

/// Announced and not yet served.
const SET: u32 = 1;
/// The ready queue or the inbox holds an entry.
const QUEUED: u32 = 2;
/// The source is gone.
const REMOVED: u32 = 4;

/// The part of a source that every thread may touch.
pub(crate) struct EventShared {
    state: AtomicU32,
    pub(crate) slot: usize,
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
        slot: usize,
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

    /// Puts the entry back into the queue if there is an announcement and no entry.
    pub(crate) fn requeue(&self) -> bool {
        self.state.load(Ordering::Relaxed) & (SET | REMOVED) == SET
            && self.state.fetch_or(QUEUED, Ordering::Relaxed) & QUEUED == 0
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
        current::deliver(
            &self.shared.home,
            |inner| inner.push_event(&self.shared),
            || Remote::Event(self.shared.clone()),
        );
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
        let before = self.shared.state.fetch_or(REMOVED, Ordering::AcqRel);
        if before & REMOVED != 0 {
            return;
        }
        let slot = self.shared.slot;
        current::deliver(
            &self.shared.home,
            |inner| inner.drop_event(slot),
            || {
                let drop_there = move |ctx: &AioContext| ctx.inner().drop_event(slot);
                Remote::Once(self.shared.name, Box::new(drop_there))
            },
        );
    }
}

impl fmt::Debug for EventNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventNotifier({})", self.shared.name)
    }
}
