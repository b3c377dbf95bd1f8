//! The seam for time: nanoseconds that are real or virtual.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use crate::sync::OnceLock;

/// Nanoseconds in one second.
pub const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// What the contexts of the process count from, so that what is measured in one goes on in another.
static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// Where a context takes the time from.
///
/// QEMU: `qemu_clock_get_ns(QEMU_CLOCK_REALTIME)` (util/qemu-timer.c).
pub trait Clock {
    /// Nanoseconds since an origin of the clock's own; never runs backwards.
    fn now_ns(&self) -> u64;
}

/// The monotonic clock of the machine, counted from the moment this value was made, or from the moment
/// in which the first context of the process was.
#[derive(Debug, Clone)]
pub struct RealClock {
    origin: Instant,
}

impl RealClock {
    /// A clock that reads zero now.
    #[allow(clippy::disallowed_methods)] // This is the real clock: the one place that may ask.
    pub fn new() -> Self {
        RealClock {
            origin: Instant::now(),
        }
    }

    /// The clock of the contexts of this process, which all show the same time.
    #[allow(clippy::disallowed_methods)] // This is the real clock: the one place that may ask.
    pub(crate) fn of_process() -> Self {
        RealClock {
            origin: *ORIGIN.get_or_init(Instant::now),
        }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for RealClock {
    #[allow(clippy::disallowed_methods)] // This is the real clock: the one place that may ask.
    fn now_ns(&self) -> u64 {
        let elapsed = Instant::now().duration_since(self.origin);
        elapsed.as_secs() * NANOSECONDS_PER_SECOND + u64::from(elapsed.subsec_nanos())
    }
}

/// A clock that stands still until somebody moves it. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct VirtualClock {
    now_ns: Rc<Cell<u64>>,
}

impl VirtualClock {
    /// A clock that reads zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Jumps to `ns`, unless that moment has passed already.
    pub fn advance_to(&self, ns: u64) {
        self.now_ns.set(self.now_ns.get().max(ns));
    }
}

impl Clock for VirtualClock {
    fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }
}
