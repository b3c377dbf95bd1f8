//! Room: how much memory all users of a pool may fill at the same time.
//!
//! A thousand jobs must not need a thousand times the memory of one. Each part of a copy takes room
//! before it takes a buffer, and gives it back when it has ended. A job that gets none does not wait
//! in the middle of things: with no memory in its hands it yields as a job does, so that it can be
//! paused and drained meanwhile, and no job's drained section ever waits for another job's memory.
//!
//! QEMU has no counterpart: there each job has its own buffer.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

struct Waiter {
    serial: u64,
    bytes: u64,
    /// It is the waiter's turn: it was woken, and has not taken anything yet.
    turn: Rc<Cell<bool>>,
    /// Has the waiter look again; false if it cannot now, and others are to be asked.
    wake: Rc<dyn Fn() -> bool>,
}

struct Shared {
    max_bytes: u64,
    used_bytes: Cell<u64>,
    users: Cell<u64>,
    waiters: RefCell<VecDeque<Waiter>>,
    next_serial: Cell<u64>,
}

impl Shared {
    fn free_bytes(&self) -> u64 {
        self.max_bytes.saturating_sub(self.used_bytes.get())
    }

    /// Has as many waiters look again as there is room for, first come, first served.
    fn notify(&self) {
        let mut budget = self.free_bytes();
        let mut at = 0;
        while budget > 0 {
            // Waiters come and go while others are woken: each turn looks anew.
            let next = {
                let waiters = self.waiters.borrow();
                let next = waiters.iter().find(|waiter| waiter.serial >= at);
                next.map(|waiter| {
                    let (turn, wake) = (waiter.turn.clone(), waiter.wake.clone());
                    (waiter.serial, waiter.bytes, turn, wake)
                })
            };
            let Some((serial, bytes, turn, wake)) = next else {
                break;
            };
            // More than all there is is for when nothing is taken; else nobody overtakes.
            if bytes > budget && budget < self.max_bytes {
                break;
            }
            at = serial + 1;
            turn.set(wake());
            if turn.get() {
                budget = budget.saturating_sub(bytes);
            }
        }
    }
}

/// The room of a pool; see the module. Clones are the same.
#[derive(Clone)]
pub struct Room {
    shared: Rc<Shared>,
}

/// Somebody who takes room again and again, and is to get his share of it.
pub struct RoomUser {
    shared: Rc<Shared>,
    held_bytes: Rc<Cell<u64>>,
    turn: Rc<Cell<bool>>,
}

/// Room that is taken, until this is dropped.
#[must_use = "the room is given back when this is dropped"]
pub struct Taken {
    shared: Rc<Shared>,
    held_bytes: Rc<Cell<u64>>,
    bytes: u64,
}

/// A place in the line, until this is dropped.
#[must_use = "the place in the line is given up when this is dropped"]
pub struct RoomWait {
    shared: Rc<Shared>,
    serial: u64,
}

impl Room {
    /// Room for `max_bytes`.
    pub fn new(max_bytes: u64) -> Self {
        Room {
            shared: Rc::new(Shared {
                max_bytes,
                used_bytes: Cell::new(0),
                users: Cell::new(0),
                waiters: RefCell::default(),
                next_serial: Cell::new(0),
            }),
        }
    }

    /// A new user of the room.
    pub fn user(&self) -> RoomUser {
        let users = &self.shared.users;
        users.set(users.get() + 1);
        RoomUser {
            shared: self.shared.clone(),
            held_bytes: Rc::default(),
            turn: Rc::default(),
        }
    }

    /// Bytes that can be taken.
    pub fn max_bytes(&self) -> u64 {
        self.shared.max_bytes
    }

    /// Bytes that are taken.
    pub fn used_bytes(&self) -> u64 {
        self.shared.used_bytes.get()
    }
}

impl RoomUser {
    /// Takes room for `bytes`, if there is. While others wait nobody gets more than his share, but
    /// for those whose turn it is. More than all there is can be had only when nothing is taken.
    pub fn take(&self, bytes: u64) -> Option<Taken> {
        let shared = &self.shared;
        let share = shared.max_bytes / shared.users.get().max(1);
        let held = self.held_bytes.get();
        let crowded = !shared.waiters.borrow().is_empty() && held + bytes > share;
        let fits = bytes <= shared.free_bytes() || shared.used_bytes.get() == 0;
        if !fits || (crowded && !self.turn.get()) {
            return None;
        }
        self.turn.set(false);
        shared.used_bytes.set(shared.used_bytes.get() + bytes);
        self.held_bytes.set(held + bytes);
        Some(Taken {
            shared: shared.clone(),
            held_bytes: self.held_bytes.clone(),
            bytes,
        })
    }

    /// Lines up for `bytes`. When there may be room, `wake` is called and has whoever waits
    /// [`take`](Self::take) it soon, while he still has his place in the line; it answers false if he
    /// cannot, so that others are asked. Who is woken and then cannot after all must say so:
    /// [`pass_on`](Self::pass_on).
    ///
    /// That may be at once: there can be room for which those before him in the line had no use when
    /// they were asked. Nothing would come free then, and nobody be asked again. So whoever has lined up
    /// looks whether it [is his turn](Self::is_turn) before he sleeps.
    pub fn wait(&self, bytes: u64, wake: Rc<dyn Fn() -> bool>) -> RoomWait {
        let serial = self.shared.next_serial.get();
        self.shared.next_serial.set(serial + 1);
        // A turn that he had before has come to nothing, or he would not line up again.
        self.turn.set(false);
        self.shared.waiters.borrow_mut().push_back(Waiter {
            serial,
            bytes,
            turn: self.turn.clone(),
            wake,
        });
        self.shared.notify();
        RoomWait {
            shared: self.shared.clone(),
            serial,
        }
    }

    /// Bytes that the user has taken.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes.get()
    }

    /// The bytes that the user has lined up for; `None` if he is not in the line.
    pub fn waits_for(&self) -> Option<u64> {
        let waiters = self.shared.waiters.borrow();
        let own = |waiter: &&Waiter| Rc::ptr_eq(&waiter.turn, &self.turn);
        waiters.iter().find(own).map(|waiter| waiter.bytes)
    }

    /// Whether the user was woken, and has taken nothing yet.
    pub fn is_turn(&self) -> bool {
        self.turn.get()
    }

    /// Has others look for room in place of this user.
    pub fn pass_on(&self) {
        self.turn.set(false);
        self.shared.notify();
    }
}

impl Drop for RoomUser {
    fn drop(&mut self) {
        let users = &self.shared.users;
        users.set(users.get() - 1);
        // The shares of the others have grown.
        self.shared.notify();
    }
}

impl Taken {
    /// How much it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let used = &self.shared.used_bytes;
        used.set(used.get() - self.bytes);
        self.held_bytes.set(self.held_bytes.get() - self.bytes);
        self.shared.notify();
    }
}

impl Drop for RoomWait {
    fn drop(&mut self) {
        let mut waiters = self.shared.waiters.borrow_mut();
        waiters.retain(|waiter| waiter.serial != self.serial);
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("max_bytes", &self.shared.max_bytes)
            .field("used_bytes", &self.used_bytes())
            .field("waiters", &self.shared.waiters.borrow().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> Rc<dyn Fn() -> bool> {
        Rc::new(|| panic!("nobody is to be woken"))
    }

    #[test]
    fn what_was_taken_is_there_again_when_it_is_given_back() {
        let room = Room::new(100);
        let user = room.user();
        let taken = user.take(60).expect("there is room");
        assert!(user.take(60).is_none());
        drop(taken);
        assert!(user.take(60).is_some());
        assert_eq!(room.used_bytes(), 0);
    }

    #[test]
    fn more_than_all_there_is_can_be_had_by_one_at_a_time() {
        let room = Room::new(100);
        let (one, other) = (room.user(), room.user());
        let taken = one.take(1000).expect("nothing else is taken");
        assert!(other.take(1).is_none());
        drop(taken);
        assert!(other.take(1).is_some());
    }

    #[test]
    fn while_others_wait_nobody_gets_more_than_his_share() {
        let room = Room::new(100);
        let (greedy, patient) = (room.user(), room.user());
        let first = greedy.take(50).expect("there is room");
        let second = greedy.take(50).expect("nobody waits yet");
        let wait = patient.wait(50, Rc::new(|| true));
        drop(first);
        assert!(greedy.take(50).is_none(), "it holds its share already");
        assert!(patient.take(50).is_some());
        drop(wait);
        drop(second);
    }

    #[test]
    fn who_comes_later_does_not_overtake_those_who_wait() {
        let room = Room::new(100);
        let (one, other, third) = (room.user(), room.user(), room.user());
        let taken = one.take(80).expect("there is room");
        let wait = other.wait(80, Rc::new(|| true));
        let behind = third.wait(80, Rc::new(|| true));
        drop(taken);
        assert!(one.take(80).is_none(), "it is the turn of another");
        assert!(third.take(80).is_none(), "it is not the first in line");
        assert!(other.take(80).is_some());
        drop((wait, behind));
    }

    #[test]
    fn room_that_comes_free_wakes_as_many_as_it_is_enough_for_in_order() {
        let room = Room::new(100);
        let users: Vec<_> = (0..4).map(|_| room.user()).collect();
        let all = users[0].take(100).expect("there is room");
        let woken = Rc::new(RefCell::new(Vec::new()));
        let waits: Vec<_> = (1..4)
            .map(|number| {
                let woken = woken.clone();
                users[number].wait(
                    50,
                    Rc::new(move || {
                        woken.borrow_mut().push(number);
                        // The first cannot use it now.
                        number != 1
                    }),
                )
            })
            .collect();
        drop(all);
        assert_eq!(*woken.borrow(), [1, 2, 3]);
        drop(waits);
    }

    #[test]
    fn who_lines_up_behind_those_who_cannot_use_what_is_free_has_his_turn_at_once() {
        let room = Room::new(100);
        let (one, other) = (room.user(), room.user());
        let taken = other.take(100).expect("there is room");
        let stands_still = Rc::new(Cell::new(true));
        let still = stands_still.clone();
        let first = one.wait(100, Rc::new(move || !still.get()));
        drop(taken);
        assert!(!one.is_turn(), "it cannot use it now");
        assert!(other.take(100).is_none(), "there is a line");
        let behind = other.wait(100, Rc::new(|| true));
        assert!(other.is_turn(), "nothing will come free that would wake it");
        // Also when the first one can use it again: somebody has his turn.
        other.pass_on();
        stands_still.set(false);
        let again = one.wait(100, Rc::new(|| true));
        assert!(one.is_turn());
        drop((first, behind, again));
    }

    #[test]
    fn a_turn_that_came_to_nothing_is_none_any_more() {
        let room = Room::new(100);
        let (one, other) = (room.user(), room.user());
        let taken = other.take(100).expect("there is room");
        let wait = one.wait(100, Rc::new(|| true));
        drop(taken);
        assert!(one.is_turn());
        // Before it looks another one was quicker, who needs no more than his share.
        let quick = other.take(50).expect("it is within its share");
        assert!(one.take(100).is_none());
        drop(wait);
        let again = one.wait(100, Rc::new(|| true));
        assert!(!one.is_turn(), "it would not sleep, and look for ever");
        drop((quick, again));
    }

    #[test]
    fn who_has_left_the_line_is_not_woken() {
        let room = Room::new(100);
        let (one, other) = (room.user(), room.user());
        let taken = one.take(100).expect("there is room");
        drop(other.wait(10, never()));
        drop(taken);
    }
}
