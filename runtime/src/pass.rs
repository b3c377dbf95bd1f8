//! Passes of the event loop, one within another, and what is left for the outermost.
//!
//! A callback that polls has everything else run in the middle of it. For most things that is meant: the
//! request that it waits for must go on. A command of a monitor must not begin there, because it may wait in
//! turn for the callback below it.
//!
//! QEMU: the monitor's bottom halves are in a context that nested passes do not poll
//! (`iohandler_get_aio_context`, util/main-loop.c).

use std::cell::{Cell, RefCell};

use crate::bottom_half::BottomHalf;
use crate::context::AioContext;
use crate::inner::Inner;

/// How many passes there are on the stack, and who waits for there to be none.
#[derive(Default)]
pub(crate) struct Passes {
    depth: Cell<u32>,
    left: RefCell<Vec<BottomHalf>>,
}

/// A pass on the stack.
pub(crate) struct Pass<'a>(&'a Passes);

impl<'a> Pass<'a> {
    /// The outermost takes up what nested ones have left for it. The context is current.
    pub(crate) fn begin(inner: &'a Inner) -> Pass<'a> {
        let passes = &inner.passes;
        let depth = passes.depth.get();
        passes.depth.set(depth + 1);
        if depth == 0 && !passes.left.borrow().is_empty() {
            passes.left.take().iter().for_each(BottomHalf::schedule);
        }
        Pass(passes)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.depth.set(self.0.depth.get() - 1);
    }
}

impl AioContext {
    /// True in a callback that a nested pass runs: another one is on the stack below, and waits for something.
    pub fn is_nested(&self) -> bool {
        self.inner().passes.depth.get() > 1
    }

    /// Schedules a bottom half of this context when the next outermost pass begins, so that no callback is on
    /// the stack below it. Called in the callback of a nested pass; outside of one it may be scheduled
    /// as always.
    pub fn leave_for_outermost(&self, bottom_half: &BottomHalf) {
        self.inner()
            .passes
            .left
            .borrow_mut()
            .push(bottom_half.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn what_is_left_for_the_outermost_pass_runs_when_no_callback_is_below() {
        let context = AioContext::builder().virtual_time().build();
        let said = Rc::new(RefCell::new(Vec::new()));
        let own = Rc::new(RefCell::new(None::<BottomHalf>));
        let late = {
            let (context, said, own) = (context.clone(), said.clone(), own.clone());
            context.clone().bottom_half("late", move || {
                if context.is_nested() {
                    said.borrow_mut().push("left");
                    let own = own.borrow();
                    context.leave_for_outermost(own.as_ref().expect("it was made"));
                } else {
                    said.borrow_mut().push("runs");
                }
            })
        };
        own.replace(Some(late.clone()));
        let (nested, told) = (context.clone(), said.clone());
        context.schedule_oneshot("polls", move || {
            late.schedule();
            assert!(nested.poll(false));
            assert!(!nested.poll(false), "a nested pass does not take it up");
            told.borrow_mut().push("has polled");
        });
        while context.poll(false) {}
        assert_eq!(*said.borrow(), ["left", "has polled", "runs"]);
        own.take();
        context.close();
    }
}
