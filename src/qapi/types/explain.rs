//! Why a job is where it is.
//!
//! QEMU has no counterpart.

use blockjob_block::request::RequestKind;
use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::error_policy::IoOperation;
use blockjob_jobs::event::JobType;
use blockjob_jobs::mirror::conflicts::OperationKind;
use blockjob_jobs::state::JobStatus;

use crate::{qapi_enum, qapi_struct};

qapi_enum!(impl RequestKind as "XRequestKind", "What a request does.", {
    "read" Read,
    "write" Write,
    "discard" Discard,
    "truncate" Truncate,
});

qapi_enum! {
    /// For whom, or for what, somebody waits.
    pub enum XJobHolder {
        /// A person at a monitor.
        "user" User,
        /// Time.
        "clock" Clock,
        /// The speed that the job was given.
        "speed-limit" SpeedLimit,
        /// Another job.
        "job" Job,
        /// The copies that a mirror has under way.
        "copies" Copies,
        /// A request at a node.
        "request" Request,
        /// What else is under way at a node: a flush, or a question.
        "internal" Internal,
        /// A drained section.
        "section" Section,
        /// Whoever asked for a drained section.
        "section-owner" SectionOwner,
        /// The memory that all jobs share.
        "memory" Memory,
        /// A throttle group.
        "throttle-group" ThrottleGroup,
        /// A breakpoint of the driver `blkdebug`.
        "breakpoint" Breakpoint,
        /// The storage that the driver of a node stands for.
        "storage" Storage,
        /// Whoever writes to the disk.
        "guest" Guest,
        /// The event loop: there is nobody in the way.
        "event-loop" EventLoop,
    }
}

qapi_enum!(impl OperationKind as "XMirrorOperationKind", "What works on a range of a mirror.", {
    "claim" Claim,
    "active-write" ActiveWrite,
});

qapi_enum! {
    /// How a job is to end before its time.
    pub enum XJobCancel {
        /// In good order, as a copy of that moment.
        "soft" Soft,
        /// At once.
        "force" Force,
    }
}

qapi_enum! {
    /// Who wants a job to stand still.
    pub enum XJobPauseBy {
        /// A person at a monitor.
        "user" User,
        /// The error policy, until a person lets the job go on.
        "error" Error,
        /// A drained section.
        "section" Section,
        /// Nobody: it has not been started.
        "start" Start,
    }
}

qapi_struct! {
    /// The argument of `x-job-explain`.
    pub struct XJobExplainArgument {
        /// The job.
        "id" id: String,
    }
}

qapi_struct! {
    /// Somebody who wants a job to stand still.
    pub struct XJobPause {
        /// Who it is.
        "by" by: XJobPauseBy,
        /// The same for people.
        "who" who: String,
        /// For how long, in milliseconds.
        "since-ms" since_ms: Option<u64>,
    }
}

qapi_struct! {
    /// What has been asked of a job and is not done yet.
    pub struct XJobRequested {
        /// How many requests to stand still there are; a drained section may count several times.
        "pause-count" pause_count: u32,
        /// Who wants the job to stand still.
        "pauses" pauses: Vec<XJobPause>,
        /// It was cancelled.
        "cancel" cancel: Option<XJobCancel>,
        /// It was told to complete.
        "complete" complete: bool,
        /// It is done, and a person has to finalize it.
        "finalize-pending" finalize_pending: bool,
    }
}

qapi_struct! {
    /// What stopped a job.
    pub struct XJobStop {
        /// Which way the request went that failed.
        "operation" operation: IoOperation,
        /// The error in words.
        "error" error: String,
        /// For how long it has been so, in milliseconds.
        "since-ms" since_ms: u64,
    }
}

qapi_struct! {
    /// A copy of a mirror, or a write of a guest to both sides.
    pub struct XMirrorOperation {
        /// Tells the operations of a mirror apart.
        "id" id: u64,
        /// What it is.
        "kind" kind: OperationKind,
        /// From where, in bytes.
        "offset" offset: u64,
        /// How long, in bytes.
        "bytes" bytes: u64,
        /// The operation that it waits for, because the two must not overlap.
        "waits-for" waits_for: Option<u64>,
        /// The guest has its answer, and only the target has not.
        "let-go" let_go: bool,
    }
}

qapi_struct! {
    /// Where a mirror stands.
    pub struct XJobMirror {
        /// The node that it copies; not there once the job is concluded.
        "source" source: Option<String>,
        /// The node that it copies to.
        "target" target: Option<String>,
        /// How writes of guests get to the target now.
        "copy-mode" copy_mode: MirrorCopyMode,
        /// The length of the disk in bytes.
        "len" len: u64,
        /// The step of `mirror_run` that began last, M1 to M17.
        "step" step: Option<String>,
        /// What it does there, for people.
        "step-means" step_means: Option<String>,
        /// How long ago that step began, in milliseconds.
        "step-since-ms" step_since_ms: Option<u64>,
        /// Copies under way.
        "in-flight" in_flight: u64,
        /// Bytes that are being copied.
        "in-flight-bytes" in_flight_bytes: u64,
        /// Bytes that have yet to be copied.
        "dirty-bytes" dirty_bytes: u64,
        /// Bytes that have been copied, also those that were copied again.
        "copied-bytes" copied_bytes: u64,
        /// Bytes that were found to be the same, while both sides are read back to be compared.
        "verified-bytes" verified_bytes: Option<u64>,
        /// Bytes that were taken again because somebody has written there, or because it has failed.
        "recopied-bytes" recopied_bytes: u64,
        /// What of the last request that failed was said.
        "last-error" last_error: Option<String>,
        /// For how many milliseconds that has been so.
        "last-error-since-ms" last_error_since_ms: Option<u64>,
        /// The memory that it fills, in bytes, of that which all jobs share.
        "memory-bytes" memory_bytes: u64,
        /// Copies, and writes of guests to both sides, that are under way or wait for each other.
        "operations" operations: Vec<XMirrorOperation>,
    }
}

qapi_struct! {
    /// A request under way.
    pub struct XBlockRequest {
        /// The node.
        "node" node: String,
        /// Tells the requests of a node apart.
        "id" id: u64,
        /// What it does.
        "operation" operation: RequestKind,
        /// From where, in bytes.
        "offset" offset: u64,
        /// How long, in bytes.
        "bytes" bytes: u64,
        /// For how long it has been under way, in milliseconds.
        "since-ms" since_ms: u64,
        /// The request of the same node that it waits for, because the two must not overlap.
        "waits-for" waits_for: Option<u64>,
    }
}

qapi_struct! {
    /// An open drained section.
    pub struct XDrainedSection {
        /// Tells sections apart.
        "id" id: u64,
        /// Who asked for it.
        "owner" owner: String,
        /// The node; `(all)` for all of them.
        "node" node: String,
        /// It covers what is below the node, too.
        "subtree" subtree: bool,
        /// Nothing is under way there any more.
        "established" established: bool,
        /// For how long it has been open, in milliseconds.
        "since-ms" since_ms: u64,
        /// Requests of guests that wait for its end.
        "held-back" held_back: u64,
    }
}

qapi_struct! {
    /// A link of the chain that holds a job: somebody waits for somebody else.
    pub struct XJobWait {
        /// Who waits.
        "who" who: String,
        /// For whom or for what.
        "waits-for" waits_for: String,
        /// What kind of a party that is.
        "holder" holder: XJobHolder,
        /// What the other one has to do.
        "why" why: String,
        /// For how long the other one has been at it, in milliseconds, if that is known.
        "since-ms" since_ms: Option<u64>,
        /// What a person can do about it.
        "remedy" remedy: Option<String>,
        /// The request, if it is one.
        "request" request: Option<XBlockRequest>,
        /// The drained section, if it is one.
        "section" section: Option<u64>,
    }
}

qapi_struct! {
    /// Why a job is where it is.
    pub struct XJobExplanation {
        /// The job.
        "id" id: String,
        /// What it does.
        "type" job_type: JobType,
        /// Its state.
        "status" status: JobStatus,
        /// For how long it has been in this state, in milliseconds.
        "since-ms" since_ms: u64,
        /// What has been asked of it.
        "requested" requested: XJobRequested,
        /// How far it has come, in units of its own.
        "current-progress" current_progress: u64,
        /// Where it expects to end, in the same units.
        "total-progress" total_progress: u64,
        /// The limit in bytes per second; 0 for none.
        "speed" speed: u64,
        /// What stopped it.
        "stop" stop: Option<XJobStop>,
        /// Why it failed, for people.
        "error" error: Option<String>,
        /// Where it stands, if it is a mirror.
        "mirror" mirror: Option<XJobMirror>,
        /// What it waits for, and what that waits for, link by link. Empty if it waits for nobody.
        "waits-for" waits_for: Vec<XJobWait>,
        /// The drained sections that are open, of all nodes.
        "sections" sections: Vec<XDrainedSection>,
        /// The requests under way at the nodes of the job and below them, the oldest first.
        "requests" requests: Vec<XBlockRequest>,
        /// All of it in a line.
        "summary" summary: String,
        /// All of it for people, on one screen: at most 24 lines of at most 100 characters.
        "sentences" sentences: Vec<String>,
    }
}
