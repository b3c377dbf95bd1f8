//! What happens in a world outside of the engine, as the checkers are told of it.

use std::any::Any;
use std::rc::Rc;

use blockjob_jobs::job::Job;
use blockjob_jobs::state::JobStatus;
use blockjob_runtime::trace::LayerEvent;

use crate::monitor::Verb;

/// What a disk is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Writes zeroes.
    Zero,
    /// Gives a range up.
    Discard,
    /// Makes what was written safe.
    Flush,
    /// Says what it knows of a range.
    Status,
}

impl DiskKind {
    /// Whether it reads or changes what the disk holds.
    pub const fn moves_data(self) -> bool {
        !matches!(self, DiskKind::Status | DiskKind::Flush)
    }

    /// Whether it changes what the disk holds.
    pub const fn changes(self) -> bool {
        matches!(self, DiskKind::Write | DiskKind::Zero | DiskKind::Discard)
    }
}

/// Where a request of a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskWhat {
    /// The disk got it.
    Begins,
    /// It has done what it does; if it failed, perhaps in part.
    Lands {
        /// It is going to answer with an error.
        failed: bool,
    },
}

impl DiskWhat {
    /// Whether it has done what it does.
    pub const fn lands(self) -> bool {
        matches!(self, DiskWhat::Lands { .. })
    }
}

/// Something that happened at a disk.
#[derive(Clone, Copy, Debug)]
pub struct DiskEvent {
    /// The disk.
    pub disk: &'static str,
    /// What it was asked.
    pub kind: DiskKind,
    /// From where, in bytes.
    pub offset: u64,
    /// How much, in bytes.
    pub bytes: u64,
    /// What happened.
    pub what: DiskWhat,
}

/// What a guest asks of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestKind {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Writes zeroes.
    Zero,
    /// Gives a range up.
    Discard,
    /// Makes what was written safe.
    Flush,
}

/// Something that a guest did.
#[derive(Clone, Copy, Debug)]
pub struct GuestEvent {
    /// Which guest, from 0.
    pub guest: usize,
    /// Tells the requests of all guests apart, counted from 1.
    pub request: u32,
    /// What it asks.
    pub kind: GuestKind,
    /// From where, in bytes.
    pub offset: u64,
    /// How much, in bytes.
    pub bytes: u64,
    /// What happened.
    pub what: GuestWhat,
}

/// Where a request of a guest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestWhat {
    /// The guest asks.
    Asks,
    /// The guest hears that it was done.
    Done,
    /// The guest hears that it failed.
    Failed,
    /// The guest does not wait for it any more.
    Abandons,
}

/// A job as the monitor found it when it asked something of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its name.
    pub job: Rc<str>,
    /// The state that it was in.
    pub status: JobStatus,
    /// Its user had paused it, or the error policy had.
    pub user_paused: bool,
    /// It had been asked to cancel.
    pub cancel_requested: bool,
}

impl Asked {
    /// How `job` is now.
    pub fn of(job: &Job) -> Asked {
        Asked {
            job: job.label().clone(),
            status: job.status(),
            user_paused: job.is_user_paused(),
            cancel_requested: job.cancel_requested(),
        }
    }
}

/// Something that the monitor did.
#[derive(Clone, Debug)]
pub struct MonitorEvent {
    /// What it asked for.
    pub verb: Verb,
    /// The job of the disk that it chose, as it was before; none if there is none.
    pub asked: Option<Asked>,
    /// Whether that was granted; if not, why.
    pub refused: Option<String>,
}

/// What somebody does whom a program has added to a run: see [`Cast::note`](crate::cast::Cast::note).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who: `worker 1`.
    pub who: String,
    /// What, in words that go on after the name: `asks for a slot`.
    pub text: String,
}

impl LayerEvent for Note {
    fn as_any(&self) -> &dyn Any {
        self
    }
}
