//! The ready queue: everything that can run now, in one order.
//!
//! QEMU runs the bottom halves of a pass, then the handlers, then the timers, and each kind has a
//! list of its own. Here they share one queue, first in, first out, because *which of them comes
//! next* is the choice that a schedule is made of: it is made in one place, [`NEXT`].

use std::collections::VecDeque;

use slab::Slab;

use crate::context::AioContext;
use crate::decide::Site;
use crate::timer_heap::TimerKey;

/// Which of the things that are ready runs next.
pub(crate) static NEXT: Site = Site::new("aio.next");

/// Something that can run. All but `Once` name a slot, which may have changed hands by the time
/// the entry comes to its turn: the serial tells.
pub(crate) enum Ready {
    Coroutine { slot: u32, serial: u64 },
    BottomHalf { slot: u32, serial: u64 },
    Event { slot: u32, serial: u64 },
    Timer(TimerKey),
    Once(Box<dyn Once>),
}

/// A [`Ready`] that stays where it is.
pub(crate) enum Peeked {
    Coroutine { slot: u32, serial: u64 },
    BottomHalf { slot: u32, serial: u64 },
    Event { slot: u32, serial: u64 },
    Timer(TimerKey),
    Once(&'static str),
}

/// What the queue keeps of a [`Ready`]: two words, which travel in registers.
#[derive(Clone, Copy)]
struct Entry {
    kind_and_slot: u64,
    serial: u64,
}

const COROUTINE: u32 = 0;
const BOTTOM_HALF: u32 = 1;
const EVENT: u32 = 2;
const TIMER: u32 = 3;
const ONCE: u32 = 4;

impl Entry {
    fn new(kind: u32, slot: u32, serial: u64) -> Entry {
        Entry {
            kind_and_slot: u64::from(kind) << 32 | u64::from(slot),
            serial,
        }
    }
}

/// A callback that runs once, and its name.
pub(crate) trait Once {
    fn name(&self) -> &'static str;
    fn run(self: Box<Self>, ctx: &AioContext);
}

/// Gives a closure a name, without a second allocation.
pub(crate) struct Named<F>(pub(crate) &'static str, pub(crate) F);

impl<F: FnOnce(&AioContext)> Once for Named<F> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn run(self: Box<Self>, ctx: &AioContext) {
        let Named(_, callback) = *self;
        callback(ctx);
    }
}

/// The queue. A pass runs what was there when it began, and not what it causes itself: so a bottom
/// half that reschedules itself runs once a pass, and a pass ends.
///
/// Entries leave the queue from among those that the present pass may run, which are the first
/// ones. So their number is all that must be known of them, and counting what has left tells it.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    entries: VecDeque<Entry>,
    /// How many entries have ever left.
    left: u64,
    onces: Slab<Box<dyn Once>>,
}

impl ReadyQueue {
    #[inline]
    pub(crate) fn push_coroutine(&mut self, slot: u32, serial: u64) {
        self.entries.push_back(Entry::new(COROUTINE, slot, serial));
    }

    #[inline]
    pub(crate) fn push_bottom_half(&mut self, slot: u32, serial: u64) {
        self.entries
            .push_back(Entry::new(BOTTOM_HALF, slot, serial));
    }

    pub(crate) fn push_event(&mut self, slot: u32, serial: u64) {
        self.entries.push_back(Entry::new(EVENT, slot, serial));
    }

    pub(crate) fn push_timer(&mut self, key: TimerKey) {
        let generation = u64::from(key.generation);
        self.entries
            .push_back(Entry::new(TIMER, key.slot, generation));
    }

    pub(crate) fn push_once(&mut self, once: Box<dyn Once>) {
        let slot = self.onces.insert(once) as u32;
        // Its place in the count of all entries: no other has it.
        let serial = self.left + self.entries.len() as u64;
        self.entries.push_back(Entry::new(ONCE, slot, serial));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What ends the pass that begins now: it ends when so many entries have left.
    pub(crate) fn limit(&self) -> u64 {
        self.left + self.entries.len() as u64
    }

    /// Among how many entries the pass that ends at `limit` may choose.
    pub(crate) fn eligible(&self, limit: u64) -> usize {
        let eligible = limit.saturating_sub(self.left) as usize;
        eligible.min(self.entries.len())
    }

    /// A number that the thing at `index` keeps for its life, within this context. What runs once is
    /// another thing each time.
    pub(crate) fn who(&self, index: usize) -> u64 {
        let entry = self.entries[index];
        let kind = entry.kind_and_slot >> 32;
        match kind as u32 {
            // Serials are counted together, so they tell these apart.
            COROUTINE | BOTTOM_HALF | EVENT => entry.serial,
            // A timer's slot and how often it was armed; a one-shot's place in the count of all.
            TIMER => kind << 56 | (entry.kind_and_slot & 0xffff_ffff),
            _ => kind << 56 | entry.serial,
        }
    }

    /// What stands at `index`.
    pub(crate) fn peek(&self, index: usize) -> Peeked {
        let Entry {
            kind_and_slot,
            serial,
        } = self.entries[index];
        let slot = kind_and_slot as u32;
        match (kind_and_slot >> 32) as u32 {
            COROUTINE => Peeked::Coroutine { slot, serial },
            BOTTOM_HALF => Peeked::BottomHalf { slot, serial },
            EVENT => Peeked::Event { slot, serial },
            TIMER => Peeked::Timer(TimerKey {
                slot,
                generation: serial as u32,
            }),
            _ => Peeked::Once(self.onces[slot as usize].name()),
        }
    }

    /// Takes the first entry, if the pass that ends at `limit` may run it.
    #[inline]
    pub(crate) fn pop(&mut self, limit: u64) -> Option<Ready> {
        if self.left >= limit {
            return None;
        }
        let entry = self.entries.pop_front()?;
        Some(self.leave(entry))
    }

    /// Takes the entry at `index`.
    pub(crate) fn remove(&mut self, index: usize) -> Option<Ready> {
        let entry = self.entries.remove(index)?;
        Some(self.leave(entry))
    }

    #[inline]
    fn leave(&mut self, entry: Entry) -> Ready {
        self.left += 1;
        let slot = entry.kind_and_slot as u32;
        let serial = entry.serial;
        let kind = (entry.kind_and_slot >> 32) as u32;
        // Not by a jump table: most are coroutines.
        if kind == COROUTINE {
            return Ready::Coroutine { slot, serial };
        }
        match kind {
            BOTTOM_HALF => Ready::BottomHalf { slot, serial },
            EVENT => Ready::Event { slot, serial },
            TIMER => Ready::Timer(TimerKey {
                slot,
                generation: serial as u32,
            }),
            _ => Ready::Once(self.onces.remove(slot as usize)),
        }
    }

    /// Empties the queue; returns what is to be dropped when no borrow is held.
    pub(crate) fn take_all(&mut self) -> Slab<Box<dyn Once>> {
        self.left += self.entries.len() as u64;
        self.entries.clear();
        std::mem::take(&mut self.onces)
    }
}
