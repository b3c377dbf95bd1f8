//! The ready queue: everything that can run now, in one order.
//!
//! QEMU runs the bottom halves of a pass, then the handlers, then the timers, and each kind has a
//! list of its own. Here they share one queue, first in, first out, because *which of them comes
//! next* is the choice that a schedule is made of: it is made in one place, [`NEXT`].

use std::collections::VecDeque;

use crate::context::AioContext;
use crate::decide::Site;
use crate::timer_heap::TimerKey;

/// Which of the things that are ready runs next.
pub(crate) static NEXT: Site = Site::new("aio.next");

/// Something that can run. All but `Once` name a slot, which may have changed hands by the time
/// the entry comes to its turn: the serial tells.
pub(crate) enum Ready {
    Coroutine { slot: u32, serial: u64 },
    BottomHalf { slot: usize, serial: u64 },
    Event { slot: usize, serial: u64 },
    Timer(TimerKey),
    Once(&'static str, Box<dyn FnOnce(&AioContext)>),
}

/// The queue. Entries are stamped, so that a pass can tell what was there when it began from what
/// it caused itself: a bottom half that reschedules itself runs once a pass, and a pass ends.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    entries: VecDeque<(u64, Ready)>,
    next_stamp: u64,
}

impl ReadyQueue {
    pub(crate) fn push(&mut self, ready: Ready) {
        self.entries.push_back((self.next_stamp, ready));
        self.next_stamp += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What ends the pass that begins now: entries stamped from here on belong to the next.
    pub(crate) fn limit(&self) -> u64 {
        self.next_stamp
    }

    /// How many entries are older than `limit`.
    pub(crate) fn eligible(&self, limit: u64) -> usize {
        // Stamps rise along the queue, also after entries were taken from its middle.
        self.entries.partition_point(|(stamp, _)| *stamp < limit)
    }

    /// Takes the first entry, if it is older than `limit`.
    pub(crate) fn pop(&mut self, limit: u64) -> Option<Ready> {
        match self.entries.front() {
            Some((stamp, _)) if *stamp < limit => self.entries.pop_front().map(|(_, ready)| ready),
            _ => None,
        }
    }

    /// Takes the entry at `index`.
    pub(crate) fn remove(&mut self, index: usize) -> Option<Ready> {
        self.entries.remove(index).map(|(_, ready)| ready)
    }

    pub(crate) fn take_all(&mut self) -> VecDeque<(u64, Ready)> {
        std::mem::take(&mut self.entries)
    }
}
