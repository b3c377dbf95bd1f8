//! The receipt: what is kept of a mirror that has ended.
//!
//! QEMU keeps nothing: who misses the last event of a job never learns what has become of it.

use std::cell::Cell;

use super::options::MirrorSync;
use super::outcome::{MirrorEnd, Outcome};
use super::state::{MirrorJob, MirrorNodes};
use super::verify::Verified;
use crate::driver::MirrorCopyMode;

/// What became of a mirror, when, and what is in the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The job's name.
    pub job: String,
    /// How it ended, with what it did.
    pub outcome: Outcome,
    /// The node that was copied.
    pub source: String,
    /// The node that it was copied to.
    pub target: String,
    /// Which parts were copied.
    pub sync: MirrorSync,
    /// How the guest's writes got to the target, in the end.
    pub copy_mode: MirrorCopyMode,
    /// How many writes of the guest had begun when the job ended ([`MirrorJob::guest_writes`]).
    pub guest_writes: u64,
    /// The number of the last write of the guest that the copy contains, with all that have lower
    /// ones: 0 if none came. `None` if there is no copy. It was counted while the source was drained,
    /// when all that had begun had ended; one that failed may be in the copy or not, as in the source.
    pub last_guest_write: Option<u64>,
    /// How often the target has caught up with the source: 1 when the job became READY, and one more
    /// each time after the guest had put it behind again.
    pub caught_up: u64,
    /// When it became READY, in nanoseconds since the job was made.
    pub ready_ns: Option<u64>,
    /// How long the guest's requests had to wait because the job had drained the source, in
    /// nanoseconds, all attempts to end together.
    pub drained_ns: u64,
    /// How long the job lived, in nanoseconds.
    pub duration_ns: u64,
    /// What reading both sides back has shown.
    pub verified: Verified,
}

/// When what happened to a mirror, by the clock of its context.
#[derive(Clone, Default)]
pub(super) struct Course {
    started_ns: u64,
    ready_ns: Cell<Option<u64>>,
    caught_up: Cell<u64>,
    in_sync: Cell<bool>,
    held_since_ns: Cell<Option<u64>>,
    held_ns: Cell<u64>,
    /// The guest's writes that had begun, and ended, when the source was drained for the last time.
    last_write: Cell<u64>,
}

impl Course {
    pub(super) fn new(started_ns: u64) -> Self {
        Course {
            started_ns,
            ..Course::default()
        }
    }

    /// Takes note of whether nothing is dirty and nothing in flight, and returns it.
    pub(super) fn look(&self, in_sync: bool) -> bool {
        if !self.in_sync.replace(in_sync) && in_sync {
            self.caught_up.set(self.caught_up.get() + 1);
        }
        in_sync
    }

    pub(super) fn became_ready(&self, now_ns: u64) {
        self.ready_ns.set(Some(now_ns - self.started_ns));
    }

    /// The guest has to wait from now on.
    pub(super) fn hold(&self, now_ns: u64) {
        self.held_since_ns.set(Some(now_ns));
    }

    /// The guest goes on.
    pub(super) fn let_go(&self, now_ns: u64) {
        if let Some(since_ns) = self.held_since_ns.take() {
            self.held_ns.set(self.held_ns.get() + now_ns - since_ns);
        }
    }

    /// The source is drained, and its users get the target or keep it.
    pub(super) fn last_write(&self, number: u64) {
        self.last_write.set(number);
    }
}

impl MirrorJob {
    /// What is kept of it, once it has ended.
    pub fn receipt(&self) -> Option<Receipt> {
        self.receipt.borrow().clone()
    }

    /// Writes the receipt.
    pub(super) fn write_receipt(&self, nodes: &MirrorNodes, outcome: &Outcome) {
        let course = &self.course;
        let is_copy = matches!(outcome.end, MirrorEnd::Pivoted | MirrorEnd::PointInTime);
        let job = self.job().map(|job| job.label().to_string());
        let receipt = Receipt {
            job: job.unwrap_or_default(),
            outcome: outcome.clone(),
            source: nodes.source.name().to_owned(),
            target: nodes.target.name().to_owned(),
            sync: self.options.sync,
            copy_mode: self.copy_mode(),
            guest_writes: self.guest_writes(),
            last_guest_write: is_copy.then(|| course.last_write.get()),
            caught_up: course.caught_up.get(),
            ready_ns: course.ready_ns.get(),
            drained_ns: course.held_ns.get(),
            duration_ns: self.context.now_ns() - course.started_ns,
            verified: self.verify.verified(),
        };
        *self.receipt.borrow_mut() = Some(receipt);
    }
}
