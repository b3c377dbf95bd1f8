//! Lab 2: a bottom half that does not run twice. The task is in tasks/02-bottom-half.md.
//!
//! `blockjob lab run` tries what you have written; `blockjob lab hint` helps.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;

use blockjob_runtime::AioContext;
use blockjob_sim::lab::{self, Collector, Deliver, Lab};

/// Collects finished requests, and delivers them from the event loop.
struct Finished {
    deliver: Deliver,
    items: RefCell<Vec<u32>>,
    // TASK 1: a `BottomHalf`, made once in `new`.
}

impl Collector for Finished {
    fn new(context: &AioContext, deliver: Deliver) -> Rc<Self> {
        // `context.bottom_half(name, callback)` makes a bottom half that runs `callback` each time it is
        // scheduled. The callback needs the collector, and the collector owns the bottom half:
        // `Rc::new_cyclic` gives you a `Weak` while you make an `Rc`.
        let _ = context;
        Rc::new(Finished {
            deliver,
            items: RefCell::default(),
        })
    }

    fn push(&self, item: u32) {
        self.items.borrow_mut().push(item);
        // TASK 2: have the bottom half run soon.
    }

    fn flush(&self) {
        // TASK 3: deliver what there is, now, and leave nothing for the bottom half to do.
        let _ = &self.deliver;
    }
}

pub(crate) fn lab() -> Lab {
    lab::bottom_half::<Finished>()
}

fn main() -> ExitCode {
    lab().main()
}
