//! How many clients there are, wherever they are served.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_runtime::{CoQueue, Resident};

/// The places of a server; in the main context.
#[derive(Default)]
pub(super) struct Room {
    taken: Cell<usize>,
    /// Waits until another client may be let in.
    pub(super) queue: CoQueue,
}

impl Room {
    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.get()
    }

    /// A place for a client. `room` is the name of this.
    pub(super) fn take(&self, room: &Resident<Room>) -> Ticket {
        self.taken.set(self.taken.get() + 1);
        Ticket(room.clone())
    }

    fn leave(&self) {
        self.taken.set(self.taken.get() - 1);
        self.queue.wake_next();
    }
}

/// A client's place, which goes with it from context to context. Dropping it gives the place back.
pub(super) struct Ticket(Resident<Room>);

impl Drop for Ticket {
    fn drop(&mut self) {
        match self.0.get() {
            Some(room) => room.leave(),
            None => self
                .0
                .post("nbd client gone", |room: &Rc<Room>| room.leave()),
        }
    }
}
