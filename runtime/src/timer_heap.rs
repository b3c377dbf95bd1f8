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
    /// Tells the entry from those that had the slot before it.
    generation: u32,
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

/// Names an entry of a [`TimerHeap`]; once that is removed, nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl TimerKey {
    /// The same as one number.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }
}

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
        if let Some(slot) = self.free.pop() {
            let place = &mut self.slots[slot as usize];
            place.value = Some(value);
            let generation = place.generation;
            TimerKey { slot, generation }
        } else {
            let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 timers");
            self.slots.push(Slot {
                position: UNARMED,
                generation: 0,
                value: Some(value),
            });
            let generation = 0;
            TimerKey { slot, generation }
        }
    }

    /// Takes an entry out, armed or not; `None` if that has been done.
    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<T> {
        self.disarm(key);
        let slot = self.slot_mut(key)?;
        slot.generation = slot.generation.wrapping_add(1);
        let value = slot.value.take();
        self.free.push(key.slot);
        value
    }

    /// Takes all entries out.
    pub(crate) fn remove_all(&mut self) -> Vec<T> {
        self.heap.clear();
        let mut values = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if let Some(value) = slot.value.take() {
                slot.position = UNARMED;
                slot.generation = slot.generation.wrapping_add(1);
                self.free.push(index as u32);
                values.push(value);
            }
        }
        values
    }

    /// The value of an entry, unless that has been removed.
    pub(crate) fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        self.slot_mut(key)?.value.as_mut()
    }

    /// Arms `key` for `deadline_ns`, or moves it there.
    pub(crate) fn arm(&mut self, key: TimerKey, deadline_ns: u64) {
        self.disarm(key);
        if self.slot_mut(key).is_none() {
            return;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        let position = self.heap.len();
        self.heap.push(Armed {
            deadline_ns,
            seq,
            slot: key.slot,
        });
        self.sift_up(position);
    }

    /// Disarms `key`; true if it was armed.
    pub(crate) fn disarm(&mut self, key: TimerKey) -> bool {
        let Some(slot) = self.slot_mut(key) else {
            return false;
        };
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
        let slot = &self.slots[key.slot as usize];
        slot.generation == key.generation && slot.position != UNARMED
    }

    fn slot_mut(&mut self, key: TimerKey) -> Option<&mut Slot<T>> {
        let slot = &mut self.slots[key.slot as usize];
        (slot.generation == key.generation).then_some(slot)
    }

    /// How many entries are armed.
    pub(crate) fn armed(&self) -> usize {
        self.heap.len()
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
        let slot = first.slot;
        let generation = self.slots[slot as usize].generation;
        let key = TimerKey { slot, generation };
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
                        let got = heap.pop_expired(time).and_then(|key| heap.get_mut(key).copied());
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
