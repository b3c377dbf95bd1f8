//! The timers of a context: a four-way heap that knows where each of its entries is.
//!
//! Arming, moving and deleting cost O(log n), and a deleted timer leaves nothing behind. QEMU keeps
//! a sorted list (util/qemu-timer.c: `timer_mod_ns_locked`), whose cost grows with the number of
//! timers that are armed.

/// Children per entry: fewer levels to climb than a binary heap, and the four lie together.
const WIDTH: usize = 4;

/// An armed entry, in the heap.
#[derive(Debug, Clone, Copy)]
struct Armed {
    deadline_ns: u64,
    /// Orders entries of one deadline by when they were armed: first in, first out.
    seq: u64,
    slot: u32,
}

impl Armed {
    fn key(&self) -> (u64, u64) {
        (self.deadline_ns, self.seq)
    }
}

const UNARMED: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    /// Where in the heap the entry is, or [`UNARMED`].
    position: u32,
    value: Option<T>,
}

/// A set of timers with values of type `T`.
#[derive(Debug)]
pub(crate) struct TimerHeap<T> {
    heap: Vec<Armed>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    next_seq: u64,
}

/// Names an entry of a [`TimerHeap`] until it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerKey(u32);

impl<T> TimerHeap<T> {
    pub(crate) const fn new() -> Self {
        TimerHeap {
            heap: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            next_seq: 0,
        }
    }

    /// Adds an entry, unarmed.
    pub(crate) fn insert(&mut self, value: T) -> TimerKey {
        let slot = Slot {
            position: UNARMED,
            value: Some(value),
        };
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = slot;
            TimerKey(index)
        } else {
            let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 timers");
            self.slots.push(slot);
            TimerKey(index)
        }
    }

    /// Takes an entry out, armed or not.
    pub(crate) fn remove(&mut self, key: TimerKey) -> T {
        self.disarm(key);
        self.free.push(key.0);
        self.slots[key.0 as usize]
            .value
            .take()
            .expect("a timer is removed once")
    }

    pub(crate) fn value_mut(&mut self, key: TimerKey) -> &mut T {
        self.slots[key.0 as usize]
            .value
            .as_mut()
            .expect("the timer has been removed")
    }

    /// The value of an entry that may have been removed; by then `key` may name another.
    pub(crate) fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        self.slots[key.0 as usize].value.as_mut()
    }

    /// Arms `key` for `deadline_ns`, or moves it there.
    pub(crate) fn arm(&mut self, key: TimerKey, deadline_ns: u64) {
        self.disarm(key);
        let seq = self.next_seq;
        self.next_seq += 1;
        let position = self.heap.len();
        self.heap.push(Armed {
            deadline_ns,
            seq,
            slot: key.0,
        });
        self.sift_up(position);
    }

    /// Disarms `key`; true if it was armed.
    pub(crate) fn disarm(&mut self, key: TimerKey) -> bool {
        let slot = &mut self.slots[key.0 as usize];
        let position = std::mem::replace(&mut slot.position, UNARMED);
        if position == UNARMED {
            return false;
        }
        let position = position as usize;
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            // What was the last entry may belong above or below the hole that it filled.
            self.place(position);
            self.sift_down(position);
            self.sift_up(position);
        }
        true
    }

    pub(crate) fn is_armed(&self, key: TimerKey) -> bool {
        self.slots[key.0 as usize].position != UNARMED
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline_ns(&self) -> Option<u64> {
        self.heap.first().map(|armed| armed.deadline_ns)
    }

    /// Disarms the earliest entry whose deadline is not after `now_ns`, and names it.
    pub(crate) fn pop_expired(&mut self, now_ns: u64) -> Option<TimerKey> {
        let first = self.heap.first()?;
        if first.deadline_ns > now_ns {
            return None;
        }
        let key = TimerKey(first.slot);
        self.disarm(key);
        Some(key)
    }

    fn place(&mut self, position: usize) {
        let slot = self.heap[position].slot as usize;
        self.slots[slot].position = position as u32;
    }

    fn sift_up(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / WIDTH;
            if self.heap[parent].key() <= self.heap[position].key() {
                break;
            }
            self.heap.swap(parent, position);
            self.place(position);
            position = parent;
        }
        self.place(position);
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let first = position * WIDTH + 1;
            let children = first..(first + WIDTH).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child].key()) else {
                break;
            };
            if self.heap[position].key() <= self.heap[least].key() {
                break;
            }
            self.heap.swap(position, least);
            self.place(position);
            position = least;
        }
        self.place(position);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        /// The same operations on a sorted map: the model that cannot be wrong.
        #[test]
        fn the_heap_expires_what_a_sorted_map_would(
            ops in prop::collection::vec((0_u8..4, 0_usize..20, 0_u64..50), 1..400),
        ) {
            let mut heap = TimerHeap::new();
            let keys: Vec<_> = (0..20).map(|value| heap.insert(value)).collect();
            let mut model = BTreeMap::new();
            let mut armed_as = vec![None; 20];
            let mut seq = 0_u64;
            for (op, which, time) in ops {
                match op {
                    0 | 1 => {
                        if let Some(old) = armed_as[which].replace((time, seq)) {
                            model.remove(&old);
                        }
                        model.insert((time, seq), which);
                        seq += 1;
                        heap.arm(keys[which], time);
                    }
                    2 => {
                        let old = armed_as[which].take();
                        if let Some(old) = old {
                            model.remove(&old);
                        }
                        prop_assert_eq!(heap.disarm(keys[which]), old.is_some());
                    }
                    _ => {
                        let expected = model.first_key_value().map(|(k, v)| (*k, *v));
                        let expected = expected.filter(|((deadline, _), _)| *deadline <= time);
                        let got = heap.pop_expired(time).map(|key| *heap.value_mut(key));
                        prop_assert_eq!(got, expected.map(|(_, which)| which));
                        if let Some((key, which)) = expected {
                            model.remove(&key);
                            armed_as[which] = None;
                        }
                    }
                }
                prop_assert_eq!(
                    heap.next_deadline_ns(),
                    model.first_key_value().map(|((deadline, _), _)| *deadline)
                );
            }
        }
    }
}
