//! Timers with a callback, and sleeping coroutines.

use std::fmt;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use crate::context::AioContext;
use crate::inner::Inner;
use crate::timer_heap::{TimerHeap, TimerKey};
use crate::trace::{Event, SLEEP, Wants};

/// What an expired timer does.
pub(crate) enum TimerEntry {
    /// Wakes, once.
    Sleep(Option<Waker>),
    Callback {
        name: &'static str,
        /// Expired, and its turn in the ready queue has not come. Moving or deleting the timer
        /// takes this back.
        expired: bool,
        /// None while it runs.
        callback: Option<Callback>,
    },
}

type Callback = Box<dyn FnMut()>;

impl Inner {
    /// Runs the callback of an expired timer, unless it was moved or deleted meanwhile.
    pub(crate) fn run_timer(&self, key: TimerKey) -> bool {
        let (name, mut running) = {
            let mut timers = self.timers.borrow_mut();
            match timers.get_mut(key) {
                Some(TimerEntry::Callback {
                    name,
                    expired,
                    callback,
                }) if *expired => {
                    // If its callback is on the stack below, polling, the turn is given up and
                    // made good for when the callback returns.
                    let Some(callback) = callback.take() else {
                        return false;
                    };
                    *expired = false;
                    let inner = self;
                    let callback = Some(callback);
                    let running = RunningTimer {
                        inner,
                        key,
                        callback,
                    };
                    (*name, running)
                }
                _ => return false,
            }
        };
        self.trace(Wants::CALLBACKS, || Event::Timer { name });
        running.run();
        true
    }
}

/// What is told of timers that nobody hears of otherwise. No borrow is held meanwhile: who is told may look.
impl Inner {
    #[inline]
    fn say_armed(&self, key: TimerKey, deadline_ns: u64) {
        if self.wants.contains(Wants::TIMERS)
            && let Some(name) = self.timer_name(key)
        {
            let id = key.number();
            self.trace(Wants::TIMERS, || Event::TimerArm {
                name,
                id,
                deadline_ns,
            });
        }
    }

    #[inline]
    fn say_disarmed(&self, key: TimerKey) {
        if self.wants.contains(Wants::TIMERS)
            && let Some(name) = self.timer_name(key)
        {
            let id = key.number();
            self.trace(Wants::TIMERS, || Event::TimerDisarm { name, id });
        }
    }

    /// The timer is about to be removed, and may be armed, or expired without having had its turn.
    #[inline]
    fn say_removed(&self, key: TimerKey) {
        if self.wants.contains(Wants::TIMERS) {
            let mut timers = self.timers.borrow_mut();
            let expired = matches!(
                timers.get_mut(key),
                Some(TimerEntry::Callback { expired: true, .. })
            );
            let goes = expired || timers.is_armed(key);
            drop(timers);
            if goes {
                self.say_disarmed(key);
            }
        }
    }

    #[cold]
    fn timer_name(&self, key: TimerKey) -> Option<&'static str> {
        self.timers.borrow_mut().get_mut(key).map(|it| match it {
            TimerEntry::Sleep(_) => SLEEP,
            TimerEntry::Callback { name, .. } => name,
        })
    }
}

/// A callback on the stack. It goes back into its timer, also if it panics.
struct RunningTimer<'a> {
    inner: &'a Inner,
    key: TimerKey,
    callback: Option<Callback>,
}

impl RunningTimer<'_> {
    fn run(&mut self) {
        (self.callback.as_mut().expect("it runs once"))();
    }
}

impl Drop for RunningTimer<'_> {
    fn drop(&mut self) {
        let mut timers = self.inner.timers.borrow_mut();
        // If the timer is gone, the callback is dropped after this, when no borrow is held.
        if let Some(TimerEntry::Callback {
            expired, callback, ..
        }) = timers.get_mut(self.key)
        {
            *callback = self.callback.take();
            if *expired {
                self.inner.ready.borrow_mut().push_timer(self.key);
            }
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
            drop(timers);
            inner.say_armed(self.key, deadline_ns);
        }
    }

    /// Disarms the timer; it does not fire, even if its time has come. True if it was going to.
    ///
    /// QEMU: `timer_del` (util/qemu-timer.c).
    pub fn disarm(&self) -> bool {
        match self.inner.upgrade() {
            Some(inner) => {
                let mut timers = inner.timers.borrow_mut();
                let was_armed = self.forget_expiry(&mut timers) | timers.disarm(self.key);
                drop(timers);
                if was_armed {
                    inner.say_disarmed(self.key);
                }
                was_armed
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
                timers.get_mut(self.key),
                Some(TimerEntry::Callback { expired: true, .. })
            );
            expired || timers.is_armed(self.key)
        })
    }

    fn forget_expiry(&self, timers: &mut TimerHeap<TimerEntry>) -> bool {
        match timers.get_mut(self.key) {
            Some(TimerEntry::Callback { expired, .. }) => std::mem::take(expired),
            _ => false,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.say_removed(self.key);
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
        let Some(key) = self.key else {
            let waker = Some(cx.waker().clone());
            let key = timers.insert(TimerEntry::Sleep(waker));
            timers.arm(key, self.deadline_ns);
            self.key = Some(key);
            drop(timers);
            inner.say_armed(key, self.deadline_ns);
            return Poll::Pending;
        };
        match timers.get_mut(key) {
            Some(TimerEntry::Sleep(Some(waker))) => {
                if !waker.will_wake(cx.waker()) {
                    let stale = std::mem::replace(waker, cx.waker().clone());
                    // A foreign waker may run anything when it is dropped: not under the borrow.
                    drop(timers);
                    drop(stale);
                }
                Poll::Pending
            }
            Some(_) => Poll::Ready(()),
            // The context was closed.
            None => Poll::Pending,
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some(inner), Some(key)) = (self.inner.upgrade(), self.key) {
            inner.say_removed(key);
            let entry = inner.timers.borrow_mut().remove(key);
            drop(entry);
        }
    }
}
