//! Lab 3: find the lost wake-up. The task is in tasks/03-lost-wake-up.md.
//!
//! This code works most of the time. `blockjob lab run` shows a run in which it does not.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::process::ExitCode;
use std::rc::Rc;

use blockjob_runtime::{Coroutine, yield_now};
use blockjob_sim::lab::{self, Lab, Notes, Slots};

/// Slots that coroutines wait for.
struct Line {
    free: Cell<u32>,
    waiting: RefCell<VecDeque<Coroutine>>,
    notes: Notes,
}

impl Slots for Line {
    fn new(slots: u32, notes: Notes) -> Rc<Self> {
        Rc::new(Line {
            free: Cell::new(slots),
            waiting: RefCell::default(),
            notes,
        })
    }

    async fn acquire(&self) {
        // TASK: three things are wrong, one for each kind of world. Mend them here and in `release`, with
        // what you need beside them.
        if self.free.get() == 0 {
            self.notes.note().await;
            let me = Coroutine::current().expect("only coroutines wait");
            self.waiting.borrow_mut().push_back(me);
            yield_now().await;
        }
        self.free.set(self.free.get() - 1);
    }

    fn release(&self) {
        self.free.set(self.free.get() + 1);
        let next = self.waiting.borrow_mut().pop_front();
        if let Some(next) = next {
            next.wake();
        }
    }
}

pub(crate) fn lab() -> Lab {
    lab::slots::<Line>()
}

fn main() -> ExitCode {
    lab().main()
}
