//! Lab 3: find the lost wake-up. One way to do it.

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

impl Line {
    fn wake_next(&self) {
        let next = self.waiting.borrow_mut().pop_front();
        if let Some(next) = next {
            next.wake();
        }
    }
}

/// A place in the line. Whoever loses patience leaves it, and passes a wake-up on that he has got.
struct Place<'a> {
    line: &'a Line,
    me: Coroutine,
    goes_on: bool,
}

impl<'a> Place<'a> {
    fn take(line: &'a Line) -> Place<'a> {
        let me = Coroutine::current().expect("only coroutines wait");
        line.waiting.borrow_mut().push_back(me.clone());
        Place {
            line,
            me,
            goes_on: false,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.line.waiting.borrow_mut();
        let before = waiting.len();
        waiting.retain(|other| *other != self.me);
        let was_woken = waiting.len() == before;
        drop(waiting);
        if was_woken && !self.goes_on && self.line.free.get() > 0 {
            self.line.wake_next();
        }
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
        // Between this look and the place in the line nobody else runs. And however one is woken, one
        // looks again.
        while self.free.get() == 0 {
            let mut place = Place::take(self);
            yield_now().await;
            place.goes_on = true;
        }
        self.free.set(self.free.get() - 1);
    }

    fn release(&self) {
        self.free.set(self.free.get() + 1);
        self.wake_next();
    }
}

pub(crate) fn lab() -> Lab {
    lab::slots::<Line>()
}

fn main() -> ExitCode {
    lab().main()
}
