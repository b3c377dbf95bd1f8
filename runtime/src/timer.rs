//! Timers with a callback, and sleeping coroutines.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use crate::context::AioContext;
use crate::inner::Inner;
use crate::timer_heap::{TimerHeap, TimerKey};

/// What an expired timer does.
pub(crate) enum TimerEntry {
    Sleep(Waker),
    Callback {
        name: &'static str,
        serial: u64,
        /// Expired, and its turn in the ready queue has not come. Moving or deleting the timer
        /// takes this back.
        expired: bool,
        /// None while it runs.
        callback: Option<Box<dyn FnMut()>>,
    },
}

type Callback = Box<dyn FnMut()>;

impl TimerEntry {
    /// Takes the callback out to run it, unless the timer was moved or deleted after it expired.
    pub(crate) fn begin(
        timers: &RefCell<TimerHeap<TimerEntry>>,
        key: TimerKey,
        serial: u64,
    ) -> Option<(&'static str, Callback)> {
        let mut timers = timers.borrow_mut();
        match timers.get_mut(key)? {
            TimerEntry::Callback {
                name,
                serial: now,
                expired,
                callback,
            } if *now == serial && *expired => {
                let ready = callback.take()?;
                *expired = false;
                Some((name, ready))
            }
            _ => None,
        }
    }

    /// Puts the callback back; or returns it, to be dropped, if the timer is gone.
    pub(crate) fn end(
        timers: &RefCell<TimerHeap<TimerEntry>>,
        key: TimerKey,
        serial: u64,
        ran: Callback,
    ) -> Option<Callback> {
        let mut timers = timers.borrow_mut();
        match timers.get_mut(key) {
            Some(TimerEntry::Callback {
                serial: now,
                callback,
                ..
            }) if *now == serial => {
                *callback = Some(ran);
                None
            }
            _ => Some(ran),
        }
    }
}

/// A timer that runs a callback, from the event loop. Dropping it deletes it.
///
/// QEMU: `QEMUTimer`, `timer_new_ns` and relatives (util/qemu-timer.c).
pub struct Timer {
    inner: Weak<Inner>,
    key: TimerKey,
}

impl Timer {
    /// Arms the timer for `deadline_ns` of its context's clock, wherever it was armed before. It
    /// fires once.
    ///
    /// QEMU: `timer_mod_ns` (util/qemu-timer.c).
    pub fn arm(&self, deadline_ns: u64) {
        if let Some(inner) = self.inner.upgrade() {
            let mut timers = inner.timers.borrow_mut();
            self.forget_expiry(&mut timers);
            timers.arm(self.key, deadline_ns);
        }
    }

    /// Disarms the timer; it does not fire, even if its time has come. True if it was going to.
    ///
    /// QEMU: `timer_del` (util/qemu-timer.c).
    pub fn disarm(&self) -> bool {
        match self.inner.upgrade() {
            Some(inner) => {
                let mut timers = inner.timers.borrow_mut();
                self.forget_expiry(&mut timers) | timers.disarm(self.key)
            }
            None => false,
        }
    }

    /// True while the timer is going to fire.
    ///
    /// QEMU: `timer_pending` (util/qemu-timer.c).
    pub fn pending(&self) -> bool {
        self.inner.upgrade().is_some_and(|inner| {
            let mut timers = inner.timers.borrow_mut();
            let expired = matches!(
                timers.value_mut(self.key),
                TimerEntry::Callback { expired: true, .. }
            );
            expired || timers.is_armed(self.key)
        })
    }

    fn forget_expiry(&self, timers: &mut TimerHeap<TimerEntry>) -> bool {
        match timers.value_mut(self.key) {
            TimerEntry::Callback { expired, .. } => std::mem::take(expired),
            TimerEntry::Sleep(_) => unreachable!("a sleep has no Timer"),
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            // The callback may own another timer: it is dropped when no borrow is held.
            let entry = inner.timers.borrow_mut().remove(self.key);
            drop(entry);
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("pending", &self.pending())
            .finish()
    }
}

impl AioContext {
    /// Makes a timer, disarmed, that runs `callback`.
    ///
    /// QEMU: `aio_timer_new` (include/block/aio.h).
    pub fn timer(&self, name: &'static str, callback: impl FnMut() + 'static) -> Timer {
        let inner = self.inner_rc();
        let entry = TimerEntry::Callback {
            name,
            serial: inner.new_serial(),
            expired: false,
            callback: Some(Box::new(callback)),
        };
        let key = inner.timers.borrow_mut().insert(entry);
        Timer {
            inner: Rc::downgrade(inner),
            key,
        }
    }

    /// Waits until `deadline_ns` of the context's clock. Dropping the future disarms its timer.
    ///
    /// QEMU: `qemu_co_sleep_ns` (util/qemu-coroutine-sleep.c).
    pub fn sleep_until(&self, deadline_ns: u64) -> Sleep {
        Sleep {
            inner: Rc::downgrade(self.inner_rc()),
            deadline_ns,
            key: None,
        }
    }

    /// Waits for `delay_ns`, counted from now. With 0 it still takes one turn through the loop.
    pub fn sleep(&self, delay_ns: u64) -> Sleep {
        self.sleep_until(self.now_ns().saturating_add(delay_ns))
    }
}

/// Ends at its deadline; see [`AioContext::sleep_until`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    inner: Weak<Inner>,
    deadline_ns: u64,
    key: Option<TimerKey>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(inner) = self.inner.upgrade() else {
            // The context is gone, and with it the time that could pass.
            return Poll::Pending;
        };
        let mut timers = inner.timers.borrow_mut();
        match self.key {
            None => {
                let key = timers.insert(TimerEntry::Sleep(cx.waker().clone()));
                timers.arm(key, self.deadline_ns);
                self.key = Some(key);
                Poll::Pending
            }
            Some(key) if timers.is_armed(key) => {
                if let TimerEntry::Sleep(waker) = timers.value_mut(key) {
                    waker.clone_from(cx.waker());
                }
                Poll::Pending
            }
            Some(_) => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some(inner), Some(key)) = (self.inner.upgrade(), self.key) {
            let entry = inner.timers.borrow_mut().remove(key);
            drop(entry);
        }
    }
}
