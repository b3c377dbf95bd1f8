//! Jobs that move to another context with their nodes.
//!
//! A job is one of the users of its nodes, and so one of the family that moves
//! ([`blockjob_block::moving`]). The drained section has it stand still at a pause point. There its
//! coroutine is dropped, and what the job is goes along as a struct; on the other side a new coroutine
//! stands at the same pause point, and when the section ends it calls [`JobDriver::run`] again, which
//! goes on from what the driver knows. Watchers see what they see of a drained section, and nothing else.
//!
//! Whether a job can move depends on its state:
//!
//! | state | moves | because |
//! |---|---|---|
//! | created | yes | there is no coroutine yet |
//! | running, ready | yes | the section brings it to a pause point, and it moves as paused or on standby |
//! | paused, standby | yes | whoever has paused it: the user's pause and the stopping error go along |
//! | waiting, pending | yes | `run` has ended; the section that a mirror holds over its source goes along |
//! | aborting | no | it is being completed |
//! | concluded | yes | it is its result; most have no nodes any more, and stay where they are |
//! | undefined, null | - | they use no nodes |
//!
//! In each of these states a job stays that is *being completed*: what it has deferred runs at the
//! moment, or its transaction is being decided. One that has deferred something and waits for main keeps
//! every section from being established, and so it is not there to be asked: it moves when that has run,
//! or it is over. One that was cancelled by force does not stand still. All jobs of a transaction move
//! together, with all of their nodes, and a job without nodes cannot; nor can one whose type does not
//! know how ([`JobDriver::can_move`]).
//!
//! What travels is everything that anybody could ask of a job, and whatever others have had it
//! [carry](Job::carry). What does not are callbacks into a context that the job has left: those who set
//! them are told where it arrives ([`JobList::on_arrival`]). Times are those of a clock that both contexts
//! have in common.
//!
//! QEMU: `child_job_change_aio_ctx`, `child_job_set_aio_ctx` (blockjob.c), which have the same coroutine
//! go on in the other thread.
//!
//! [`JobDriver::run`]: crate::driver::JobDriver::run
//! [`JobDriver::can_move`]: crate::driver::JobDriver::can_move

mod check;
mod pack;

use std::any::Any;
use std::cell::RefCell;

use crate::job::Job;
#[cfg(doc)]
use crate::list::JobList;

pub(crate) use check::cannot_move;
pub(crate) use pack::PackedJob;

/// What others have a job carry, one of each type.
#[derive(Default)]
pub(crate) struct Carried(RefCell<Vec<Box<dyn Any + Send>>>);

impl Job {
    /// Has the job carry `thing` to wherever it moves, until it is gone itself. What it carried of that
    /// type before is returned.
    pub fn carry<T: Any + Send>(&self, thing: T) -> Option<T> {
        let before = self.put_down();
        self.carried.0.borrow_mut().push(Box::new(thing));
        before
    }

    /// Takes what it carries of that type.
    pub fn put_down<T: Any + Send>(&self) -> Option<T> {
        let mut carried = self.carried.0.borrow_mut();
        let index = carried.iter().position(|it| it.is::<T>())?;
        let thing = carried.remove(index).downcast();
        Some(*thing.expect("it was looked at"))
    }

    /// A copy of what it carries of that type.
    pub fn carried<T: Any + Send + Clone>(&self) -> Option<T> {
        let carried = self.carried.0.borrow();
        carried.iter().find_map(|it| it.downcast_ref()).cloned()
    }
}
