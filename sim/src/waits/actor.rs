//! Who can wait, and for what.

use std::fmt;
use std::rc::Rc;

use blockjob_block::request::{ALL_NODES, RequestInfo, RequestKind};
use blockjob_jobs::state::JobStatus;

/// Somebody who waits, or who is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A job.
    Job {
        /// Its name.
        name: Rc<str>,
        /// The state that it is in.
        status: JobStatus,
        /// It was asked to stand still, and does not yet.
        pausing: bool,
        /// Its work is abandoned.
        cancelled: bool,
    },
    /// The copies that a mirror has under way. Who waits for them waits for one of them.
    Copies {
        /// The job.
        job: Rc<str>,
        /// How many.
        count: usize,
    },
    /// A drained section.
    Section {
        /// Tells sections apart.
        id: u64,
        /// Who asked for it.
        owner: &'static str,
        /// The node.
        node: Rc<str>,
        /// Nothing is in flight any more.
        established: bool,
    },
    /// Somebody who holds a drained section and is none of the others, as a monitor.
    Owner {
        /// What he calls himself.
        name: &'static str,
    },
    /// A request at a node.
    Request {
        /// The node.
        node: Rc<str>,
        /// The request.
        request: RequestInfo,
    },
    /// Something else that is in flight at a node: a flush, a question, a request that was abandoned.
    Internal {
        /// The node.
        node: Rc<str>,
    },
    /// A disk.
    Disk {
        /// Its name.
        name: &'static str,
    },
    /// The requests that wait at a device for the end of a drained section.
    Queue {
        /// The device.
        device: String,
        /// How many.
        requests: usize,
    },
    /// The guests of a device.
    Guests {
        /// The device.
        device: String,
    },
    /// Somebody at the monitor, who is to say what is next.
    User,
    /// The event loop: there is nobody who holds it up.
    Loop,
    /// The clock.
    Clock,
    /// Somebody of whom nothing can be seen from here.
    Unseen,
}

/// That somebody waits for somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Who waits, as a place in [`WaitGraph::actors`](super::WaitGraph::actors).
    pub from: usize,
    /// For whom.
    pub to: usize,
    /// What for.
    pub why: Why,
}

/// What for somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// That it ends.
    End,
    /// That it begins, which it asked for itself.
    Begin,
    /// That it stands still.
    StandStill,
    /// That it lets the section go.
    LetGo,
    /// That it ends, because the two must not overlap.
    Overlap,
    /// That one of them gives buffers back, although none has any.
    Buffers,
    /// That it has copied a granule, which it has taken before.
    Copied,
    /// That the disk answers.
    Answer,
    /// That the disk answers, which it does not before the faults end.
    Held,
    /// That one of them ends.
    OneEnds,
    /// That they end with it, as a transaction.
    Together,
    /// That it leaves room in the memory that all share.
    Room,
    /// That somebody resumes it.
    Resume,
    /// That somebody completes or cancels it.
    Complete,
    /// That somebody finalizes it.
    Finalize,
    /// That somebody dismisses it.
    Dismiss,
    /// That time passes.
    Time,
    /// That it runs.
    Turn,
}

impl Why {
    /// What is said behind whom is waited for.
    pub(super) const fn clause(self) -> &'static str {
        match self {
            Why::End => " to end",
            Why::Begin => " to begin",
            Why::StandStill => " to stand still",
            Why::LetGo => " to end it",
            Why::Overlap => ", which it must not overlap",
            Why::Buffers => " to give buffers back, of which none has any",
            Why::Copied => " to have copied a granule",
            Why::Answer => ", which is at it",
            Why::Held => ", which holds it",
            Why::OneEnds => " to end, one of them",
            Why::Together => ", which is of the same transaction, to end",
            Why::Room => " to leave room in the memory that all share",
            Why::Resume => " to resume it",
            Why::Complete => " to complete or cancel it",
            Why::Finalize => " to finalize it",
            Why::Dismiss => " to dismiss it",
            Why::Time => "",
            Why::Turn => " to come to it",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Job {
                name,
                status,
                pausing,
                cancelled,
            } => {
                let pausing = if *pausing { ", pausing" } else { "" };
                let cancelled = if *cancelled { ", cancelled" } else { "" };
                write!(f, "{name} ({status}{pausing}{cancelled})")
            }
            Actor::Copies { job, count: 1 } => write!(f, "the copy under way of {job}"),
            Actor::Copies { job, count } => write!(f, "the {count} copies under way of {job}"),
            Actor::Section { owner, node, .. } => match &**node {
                ALL_NODES => write!(f, "the drained section '{owner}' on all nodes"),
                node => write!(f, "the drained section '{owner}' on {node}"),
            },
            Actor::Owner { name } => write!(f, "'{name}'"),
            Actor::Request { node, request } => {
                let kind = match request.kind {
                    RequestKind::Read => "read",
                    RequestKind::Write => "write",
                    RequestKind::Discard => "discard",
                    RequestKind::Truncate => "truncate",
                };
                let (from, to) = (request.offset, request.offset + request.bytes);
                write!(f, "{kind} {from}..{to} at {node}")
            }
            Actor::Internal { node } => write!(f, "what else is in flight at {node}"),
            Actor::Disk { name } => write!(f, "the disk {name}"),
            Actor::Queue { device, requests } => match requests {
                1 => write!(f, "the request queued at {device}"),
                requests => write!(f, "the {requests} requests queued at {device}"),
            },
            Actor::Guests { device } => write!(f, "a guest of {device}"),
            Actor::User => f.write_str("somebody"),
            Actor::Loop => f.write_str("the event loop"),
            Actor::Clock => f.write_str("the clock"),
            Actor::Unseen => f.write_str("somebody who is not to be seen"),
        }
    }
}

impl Actor {
    /// Whether it is spoken of as several.
    pub(super) const fn is_many(&self) -> bool {
        match self {
            Actor::Copies { count, .. } => *count > 1,
            Actor::Queue { requests, .. } => *requests > 1,
            _ => false,
        }
    }

    /// Its name in a list of those who took part, without numbers that differ from run to run.
    pub(crate) fn party(&self) -> String {
        match self {
            Actor::Job { name, .. } => name.to_string(),
            Actor::Copies { job, .. } => format!("copies of {job}"),
            Actor::Queue { device, .. } => format!("queue of {device}"),
            other => other.to_string(),
        }
    }
}
