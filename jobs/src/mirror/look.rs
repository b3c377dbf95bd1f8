//! What a mirror shows to whoever explains why it is where it is.

use std::rc::Rc;

use blockjob_block::Node;

use super::state::MirrorJob;
use super::steps::Step;
use crate::error_policy::IoOperation;
use crate::job::Job;

impl MirrorJob {
    /// The mirror that `job` is; `None` if it is something else.
    pub fn of(job: &Job) -> Option<Rc<MirrorJob>> {
        let mirror = job.driver.as_any()?.downcast_ref::<MirrorJob>()?;
        mirror.myself.upgrade()
    }

    /// The step that began last, and when, to a pass of the event loop, in nanoseconds of the
    /// context's clock; `None` before the first one.
    pub fn last_step(&self) -> Option<(Step, u64)> {
        self.last_step.get()
    }

    /// The request that failed last: what it was, the error in words, and when that was, in nanoseconds
    /// of the context's clock.
    pub fn last_error(&self) -> Option<(IoOperation, String, u64)> {
        self.last_error.borrow().clone()
    }

    /// Whether the user has told it to complete.
    pub fn is_told_to_complete(&self) -> bool {
        self.should_complete.get()
    }

    /// The source and the target; `None` once the job is concluded.
    pub fn disks(&self) -> Option<(Rc<Node>, Rc<Node>)> {
        let nodes = self.nodes.borrow();
        let nodes = nodes.as_ref();
        nodes.map(|nodes| (nodes.source.clone(), nodes.target.clone()))
    }

    /// The memory that its copies fill, in bytes, of that which all jobs share.
    pub fn held_room_bytes(&self) -> u64 {
        self.room.held_bytes()
    }

    /// The memory that it has lined up for, in bytes; `None` if it has not.
    pub fn lined_up_for_room(&self) -> Option<u64> {
        self.room.waits_for()
    }

    /// The memory that all jobs share, in bytes: what is filled, and all of it.
    pub fn shared_room_bytes(&self) -> (u64, u64) {
        let room = self.pool.room();
        (room.used_bytes(), room.max_bytes())
    }
}
