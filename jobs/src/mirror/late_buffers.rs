//! Only in the museum: operations that are in flight before they have their buffers, and wait for the
//! end of some other operation until they do. For that the mirror needs what it does not have, QEMU's
//! list of operations, each with those that wait for it.
//! So it was in block/mirror.c before ce8cabbd17.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_runtime::{CoQueue, bug};

use super::copy::{Part, buffers_are_late};
use super::state::MirrorJob;

/// An operation of the list.
struct Op {
    /// Where it copies to; no two operations that are in flight begin at one place.
    offset: u64,
    /// Those that wait for its end.
    waiting: CoQueue,
}

/// The operations in flight, the oldest first. Empty unless an exhibit is on that needs it.
#[derive(Default)]
pub(super) struct Ops(RefCell<Vec<Rc<Op>>>);

impl MirrorJob {
    /// A part is in flight, and has no buffers yet.
    pub(super) fn late_begin(&self, part: &Part) {
        if buffers_are_late() {
            self.ops.0.borrow_mut().push(Rc::new(Op {
                offset: part.offset,
                waiting: CoQueue::new(),
            }));
        }
    }

    /// Waits for its buffers, and takes them: until there are enough it waits for the end of the first
    /// operation on the list, or the first that is not itself, whatever that waits for.
    pub(super) async fn late_buffers(&self, part: &Part) {
        if !buffers_are_late() {
            return;
        }
        while self.buf_free.get() < part.bytes {
            let first = self.first_op(part);
            let first = first.expect("if no other one has buffers there are enough");
            first.waiting.wait().await;
        }
        self.buf_free.set(self.buf_free.get() - part.bytes);
    }

    fn first_op(&self, waits: &Part) -> Option<Rc<Op>> {
        let ops = self.ops.0.borrow();
        let mut ops = ops.iter();
        let first = ops.find(|op| bug!(MIR_04A) || op.offset != waits.offset);
        first.cloned()
    }

    /// A part has ended.
    pub(super) fn late_end(&self, part: &Part) {
        let ended = {
            let mut ops = self.ops.0.borrow_mut();
            let place = ops.iter().position(|op| op.offset == part.offset);
            place.map(|place| ops.remove(place))
        };
        if let Some(op) = ended {
            op.waiting.wake_all();
        }
    }
}
