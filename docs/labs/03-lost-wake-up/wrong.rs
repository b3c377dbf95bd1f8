//! Lab 3, done wrong: who loses patience leaves the line, but the wake-up that he has got already is lost.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::process::ExitCode;
use std::rc::Rc;

use blockjob_runtime::{Coroutine, yield_now};
use blockjob_sim::lab::{self, Lab, Notes, Slots};

struct Line {
    free: Cell<u32>,
    waiting: RefCell<VecDeque<Coroutine>>,
    notes: Notes,
}

/// A place in the line, which is left in any case.
struct Place<'a> {
    line: &'a Line,
    me: Coroutine,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.line.waiting.borrow_mut();
        waiting.retain(|other| *other != self.me);
    }
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
        self.notes.note().await;
        while self.free.get() == 0 {
            let me = Coroutine::current().expect("only coroutines wait");
            self.waiting.borrow_mut().push_back(me.clone());
            let _place = Place { line: self, me };
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
