//! One thing that happened, as a record keeps it.

use std::fmt;
use std::rc::Rc;

use blockjob_block::backend::BackendTrace;
use blockjob_block::bitmap::DirtyTrace;
use blockjob_block::request::BlockTrace;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::steps::{MirrorFacts, MirrorTrace};
use blockjob_jobs::trace::JobTrace;
use blockjob_runtime::trace::{CoroutineId, Event};

use crate::check::Seen;
use crate::event::{DiskEvent, GuestEvent, MonitorEvent, Note};

/// One thing that happened.
#[derive(Debug)]
pub struct Entry {
    /// Counts the events of a run from 0.
    pub seq: u64,
    /// When, in nanoseconds of the world's clock.
    pub at_ns: u64,
    /// How many decisions had been made.
    pub decisions: u64,
    /// The context in which it happened; empty where that is not known.
    pub context: Rc<str>,
    /// The coroutine that ran; none outside of coroutines.
    pub coroutine: Option<Who>,
    /// What happened.
    pub what: What,
}

/// A coroutine among those of all contexts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// The context that it lives in.
    pub context: Rc<str>,
    /// Which of those in it.
    pub id: CoroutineId,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.context, self.id)
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What happened: what a checker is told in [`Seen`], to keep.
#[derive(Debug)]
pub enum What {
    /// A request, a drained section, a change of the graph.
    Block(BlockTrace),
    /// A job.
    Job(JobTrace),
    /// A mirror.
    Mirror(MirrorTrace),
    /// An event for watchers of jobs.
    JobEvent(JobEvent),
    /// A disk.
    Disk(DiskEvent),
    /// A guest.
    Guest(GuestEvent),
    /// The monitor.
    Monitor(MonitorEvent),
    /// A coroutine, a callback or a timer.
    Runtime(RuntimeEvent),
    /// Bits of a dirty bitmap.
    Dirty(DirtyTrace),
    /// What a mirror is about; only on this machine.
    MirrorJob(MirrorFacts),
    /// A request of a user of a backend; only on this machine, where guests are nothing else.
    Backend(BackendTrace),
    /// What a program says of somebody whom it has added to the run.
    Note(Note),
}

/// What the runtime reports, to keep: see [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// A coroutine was made and has not run.
    Create {
        /// The new coroutine.
        coroutine: CoroutineId,
    },
    /// A coroutine got the processor.
    Enter {
        /// Who runs now.
        coroutine: CoroutineId,
        /// The coroutine that entered it and waits meanwhile; none if that was the event loop.
        by: Option<CoroutineId>,
    },
    /// A coroutine gave the processor back and can be entered again.
    Yield {
        /// Who yielded.
        coroutine: CoroutineId,
    },
    /// A coroutine ran to its end.
    End {
        /// Who ended.
        coroutine: CoroutineId,
    },
    /// A coroutine was queued to run.
    Wake {
        /// The serial of the coroutine that will run.
        serial: u64,
        /// The coroutine that woke it; none if that was a callback, a timer or another context.
        by: Option<CoroutineId>,
    },
    /// A bottom half runs.
    BottomHalf {
        /// Its name.
        name: &'static str,
    },
    /// A timer's callback runs.
    Timer {
        /// Its name.
        name: &'static str,
    },
    /// The handler of an event source runs.
    EventSource {
        /// The name of the source.
        name: &'static str,
    },
    /// A timer is going to expire at a time.
    TimerArm {
        /// Its name.
        name: &'static str,
        /// Tells the timers of a context apart, as long as they live.
        id: u64,
        /// When, in nanoseconds of the context's clock.
        deadline_ns: u64,
    },
    /// A timer is not going to expire any more.
    TimerDisarm {
        /// Its name.
        name: &'static str,
        /// As it was armed.
        id: u64,
    },
    /// A bottom half is going to run.
    BottomHalfSchedule {
        /// Its name.
        name: &'static str,
    },
    /// A bottom half that was scheduled is not going to run.
    BottomHalfCancel {
        /// Its name.
        name: &'static str,
    },
}

impl What {
    /// A copy of what the engine reports, in a world or on this machine; nothing for what no record keeps.
    pub fn reported(event: &Event<'_>) -> Option<What> {
        let Event::Layer(layer) = event else {
            return RuntimeEvent::of(event).map(What::Runtime);
        };
        let layer = layer.as_any();
        if let Some(trace) = layer.downcast_ref::<BlockTrace>() {
            return Some(What::Block(trace.clone()));
        }
        if let Some(trace) = layer.downcast_ref::<DirtyTrace>() {
            return Some(What::Dirty(trace.clone()));
        }
        if let Some(trace) = layer.downcast_ref::<MirrorTrace>() {
            return Some(What::Mirror(copy(trace)));
        }
        if let Some(trace) = layer.downcast_ref::<BackendTrace>() {
            return Some(What::Backend(*trace));
        }
        if let Some(facts) = layer.downcast_ref::<MirrorFacts>() {
            return Some(What::MirrorJob(facts.clone()));
        }
        let job = layer.downcast_ref::<JobTrace>();
        job.map(|trace| What::Job(trace.clone()))
    }

    /// Whether it says what is going to happen, or how a state has changed bit by bit, rather than what
    /// happens: such events are between others that belong together.
    pub fn is_detail(&self) -> bool {
        use RuntimeEvent::{BottomHalfCancel, BottomHalfSchedule, TimerArm, TimerDisarm};
        matches!(
            self,
            What::Dirty(_)
                | What::Runtime(
                    TimerArm { .. }
                        | TimerDisarm { .. }
                        | BottomHalfSchedule { .. }
                        | BottomHalfCancel { .. }
                )
        )
    }

    /// A copy of what a checker sees; nothing for what no record keeps.
    pub(super) fn of(seen: &Seen<'_>) -> Option<What> {
        Some(match seen {
            Seen::Block(trace) => What::Block((*trace).clone()),
            Seen::Job(trace) => What::Job((*trace).clone()),
            Seen::Mirror(trace) => What::Mirror(copy(trace)),
            Seen::JobEvent(event) => What::JobEvent((*event).clone()),
            Seen::Disk(event) => What::Disk(**event),
            Seen::Guest(event) => What::Guest(**event),
            Seen::Monitor(event) => What::Monitor((*event).clone()),
            Seen::Runtime(event) => What::Runtime(RuntimeEvent::of(event)?),
            Seen::Dirty(trace) => What::Dirty((*trace).clone()),
            Seen::Note(note) => What::Note((*note).clone()),
        })
    }
}

fn copy(trace: &MirrorTrace) -> MirrorTrace {
    MirrorTrace {
        job: trace.job.clone(),
        event: trace.event,
    }
}

impl RuntimeEvent {
    /// A copy of what the runtime reports; nothing for what no record keeps.
    pub fn of(event: &Event<'_>) -> Option<RuntimeEvent> {
        Some(match *event {
            Event::Create { coroutine } => RuntimeEvent::Create { coroutine },
            Event::Enter { coroutine, by } => RuntimeEvent::Enter { coroutine, by },
            Event::Yield { coroutine } => RuntimeEvent::Yield { coroutine },
            Event::End { coroutine } => RuntimeEvent::End { coroutine },
            Event::Wake { serial, by } => RuntimeEvent::Wake { serial, by },
            Event::BottomHalf { name } => RuntimeEvent::BottomHalf { name },
            Event::Timer { name } => RuntimeEvent::Timer { name },
            Event::EventSource { name } => RuntimeEvent::EventSource { name },
            Event::TimerArm {
                name,
                id,
                deadline_ns,
            } => RuntimeEvent::TimerArm {
                name,
                id,
                deadline_ns,
            },
            Event::TimerDisarm { name, id } => RuntimeEvent::TimerDisarm { name, id },
            Event::BottomHalfSchedule { name } => RuntimeEvent::BottomHalfSchedule { name },
            Event::BottomHalfCancel { name } => RuntimeEvent::BottomHalfCancel { name },
            // Decisions are in the log; marks and layers come on other ways.
            _ => return None,
        })
    }
}
