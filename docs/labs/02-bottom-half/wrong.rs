//! Lab 2, done wrong: a flush leaves the bottom half scheduled.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::{Rc, Weak};

use blockjob_runtime::{AioContext, BottomHalf};
use blockjob_sim::lab::{self, Collector, Deliver, Lab};

struct Finished {
    deliver: Deliver,
    items: RefCell<Vec<u32>>,
    bottom_half: BottomHalf,
}

impl Finished {
    fn deliver(&self) {
        let items = self.items.take();
        if !items.is_empty() {
            (self.deliver)(items);
        }
    }
}

impl Collector for Finished {
    fn new(context: &AioContext, deliver: Deliver) -> Rc<Self> {
        Rc::new_cyclic(|me: &Weak<Finished>| {
            let me = me.clone();
            let callback = move || {
                if let Some(me) = me.upgrade() {
                    me.deliver();
                }
            };
            Finished {
                deliver,
                items: RefCell::default(),
                bottom_half: context.bottom_half("finished", callback),
            }
        })
    }

    fn push(&self, item: u32) {
        self.items.borrow_mut().push(item);
        self.bottom_half.schedule();
    }

    fn flush(&self) {
        self.deliver();
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        self.bottom_half.delete();
    }
}

pub(crate) fn lab() -> Lab {
    lab::bottom_half::<Finished>()
}

fn main() -> ExitCode {
    lab().main()
}
