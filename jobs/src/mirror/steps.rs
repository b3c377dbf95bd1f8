//! The steps of a mirror, M1 to M17, as code, traces and book call them.

use std::fmt;
use std::rc::Rc;

use blockjob_runtime::AioContext;
use blockjob_runtime::trace::LayerEvent;

/// A step of `mirror_run` or `mirror_exit`.
///
/// QEMU: block/mirror.c; the functions in the table are there unless another file is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `mirror_run`: a job that was cancelled before it ran does nothing at all.
    M1,
    /// `mirror_run`: the length. A disk of no bytes is READY at once and waits to be completed.
    M2,
    /// `mirror_run`: the in-flight bitmap; the target's cluster size; and, if the target would have
    /// to copy on write from a backing file that it does not have yet, the COW bitmap.
    M3,
    /// `mirror_free_init`: how much may be in buffers at a time.
    M4,
    /// `mirror_dirty_init`: what is allocated above the base is dirty, or all of it if the target
    /// does not read as zeroes.
    M5,
    /// `mirror_throttle`: a pause point, or a sleep of no length, every 100 ms.
    M6,
    /// `mirror_run`: the head of the loop. Has an error ended the job, is it to pause, was it
    /// cancelled? The last is asked here, before anything can `continue` past it.
    M7,
    /// `mirror_run`: progress. What is dirty and what is in flight is what remains.
    M8,
    /// `mirror_run`, `mirror_wait_for_free_in_flight_slot`: nothing can be started now.
    M9,
    /// `mirror_iteration`: take dirty granules in order, none of which is in flight.
    M10,
    /// `mirror_iteration`, `mirror_perform`: clear their bits, *then* ask what the source knows
    /// about them, and copy, zero or skip.
    M11,
    /// `mirror_flush`: clean and idle, so flush the target.
    M12,
    /// `mirror_run`: the job becomes READY, once.
    M13,
    /// `mirror_run`: told to complete, and clean: drain the source, then count again.
    M14,
    /// `mirror_run`, `block_job_ratelimit_sleep` (blockjob.c): sleep for the rate, or for a slice.
    M15,
    /// `mirror_run`, `immediate_exit`: wait for all I/O, keep the source drained, end.
    M16,
    /// `mirror_exit_common`: in the main loop, give the users of the source the target.
    M17,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Step; 17] = [
        Step::M1,
        Step::M2,
        Step::M3,
        Step::M4,
        Step::M5,
        Step::M6,
        Step::M7,
        Step::M8,
        Step::M9,
        Step::M10,
        Step::M11,
        Step::M12,
        Step::M13,
        Step::M14,
        Step::M15,
        Step::M16,
        Step::M17,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a mirror reports to a trace. Those that QEMU has, too, bear its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MirrorEvent {
    /// The job is about to be started.
    MirrorStart,
    /// Nothing can be started now: it waits for I/O to end.
    MirrorYield {
        /// Dirty bytes.
        dirty_bytes: u64,
        /// Bytes that may still be put into buffers.
        buf_free_bytes: u64,
        /// Operations in flight.
        in_flight: usize,
    },
    /// Granules were taken, to be copied.
    MirrorIteration {
        /// Where they begin.
        offset: u64,
        /// How long they are together.
        bytes: u64,
    },
    /// All parts of what was taken have ended, well or not.
    MirrorIterationDone {
        /// Where they begin.
        offset: u64,
        /// How long they are together.
        bytes: u64,
    },
    /// A guest's write is going to both sides from now on.
    MirrorActiveBegin {
        /// Where it begins.
        offset: u64,
        /// How long it is.
        bytes: u64,
    },
    /// Both halves of a guest's write have ended, well or not, or were never begun.
    MirrorActiveEnd {
        /// Where it begins.
        offset: u64,
        /// How long it is.
        bytes: u64,
    },
    /// The target is to be flushed.
    MirrorBeforeFlush,
    /// The source is to be drained, to complete.
    MirrorBeforeDrain {
        /// Dirty bytes.
        dirty_bytes: u64,
    },
    /// Both sides are to be read back and compared, while the source is drained.
    MirrorBeforeVerify,
    /// It is to sleep.
    MirrorBeforeSleep {
        /// Dirty bytes.
        dirty_bytes: u64,
        /// Has it been READY?
        synced: bool,
        /// For how long, in nanoseconds.
        delay_ns: u64,
    },
    /// A step begins.
    Step(Step),
}

/// An event, with the job that it is about.
#[derive(Debug)]
pub struct MirrorTrace {
    /// The job's name.
    pub job: Rc<str>,
    /// What happened.
    pub event: MirrorEvent,
}

impl LayerEvent for MirrorTrace {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// What a mirror is about, told once, when it begins: a
/// [detail](blockjob_runtime::trace::Wants::LAYER_DETAILS), for recorders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorFacts {
    /// The job's name.
    pub job: Rc<str>,
    /// The node that it reads.
    pub source: Rc<str>,
    /// The node that it writes.
    pub target: Rc<str>,
    /// The bytes that one bit of its bitmaps stands for.
    pub granularity_bytes: u64,
    /// The length of the source in bytes; 0 if nobody can tell.
    pub length_bytes: u64,
}

impl LayerEvent for MirrorFacts {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Reports `event` of `job` to the context's trace and to `tracing`.
pub(super) fn report(context: &AioContext, job: &Rc<str>, event: MirrorEvent) {
    match event {
        MirrorEvent::Step(step) => tracing::trace!(target: "blockjob::mirror", job = &**job, %step),
        event => tracing::trace!(target: "blockjob::mirror", job = &**job, ?event),
    }
    context.trace_layer(|| MirrorTrace {
        job: job.clone(),
        event,
    });
}
