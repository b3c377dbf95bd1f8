//! Lab 2: a bottom half that does not run twice. One way to do it.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::{Rc, Weak};

use blockjob_runtime::{AioContext, BottomHalf};
use blockjob_sim::lab::{self, Collector, Deliver, Lab};

/// Collects finished requests, and delivers them from the event loop.
struct Finished {
    deliver: Deliver,
    items: RefCell<Vec<u32>>,
    bottom_half: BottomHalf,
}

impl Finished {
    fn deliver(&self) {
        // Nothing is borrowed while they are delivered: whoever gets them may push more.
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
        // One that is scheduled already still runs once.
        self.bottom_half.schedule();
    }

    fn flush(&self) {
        self.bottom_half.cancel();
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
