//! The seam for observation: typed events, off by default.
//!
//! The runtime reports coroutines, bottom halves, timers and decisions. The layers above report
//! events of their own types through [`Event::Layer`], which a sink takes apart by downcasting:
//! so the runtime knows no disk, and still there is one ordered stream.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;

use crate::decide::Site;

/// Identifies a coroutine for its whole life within one context; never used again there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoroutineId {
    /// What the coroutine was named when it was made.
    pub name: &'static str,
    /// Counts the coroutines of its context from 1.
    pub serial: u64,
}

impl fmt::Display for CoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.serial)
    }
}

impl fmt::Debug for CoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An event of a layer above the runtime.
pub trait LayerEvent: Any + fmt::Debug {
    /// For a sink that knows the type and wants its fields.
    fn as_any(&self) -> &dyn Any;
}

/// Something that a good search comes past sometimes: a rare place that the engine marks, so that a
/// sweep of simulated runs can say whether it was there. Each is a `static` beside what it marks.
#[derive(Debug, PartialEq, Eq)]
pub struct Mark {
    /// A short name, unique in the program.
    pub name: &'static str,
    /// What happens there, as a sentence; empty if nobody has said.
    pub what: &'static str,
}

impl Mark {
    /// A mark named `name`.
    pub const fn new(name: &'static str) -> Self {
        Mark { name, what: "" }
    }

    /// A mark named `name`, where `what` happens: a sentence.
    pub const fn that(name: &'static str, what: &'static str) -> Self {
        Mark { name, what }
    }
}

/// Which kinds of events a sink takes. Those that it does not take are not even made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants(u16);

impl Wants {
    /// [`Event::Create`], [`Event::Enter`], [`Event::Yield`], [`Event::End`].
    pub const COROUTINES: Wants = Wants(1);
    /// [`Event::Wake`].
    pub const WAKES: Wants = Wants(2);
    /// [`Event::BottomHalf`], [`Event::Timer`], [`Event::EventSource`].
    pub const CALLBACKS: Wants = Wants(4);
    /// [`Event::Decision`].
    pub const DECISIONS: Wants = Wants(8);
    /// [`Event::Layer`], but for what is in [`LAYER_DETAILS`](Self::LAYER_DETAILS).
    pub const LAYERS: Wants = Wants(16);
    /// [`Event::Mark`].
    pub const MARKS: Wants = Wants(32);
    /// [`Event::TimerArm`], [`Event::TimerDisarm`]. For recorders, as the two that follow: what they
    /// report, nobody needs who only follows a run.
    pub const TIMERS: Wants = Wants(64);
    /// [`Event::BottomHalfSchedule`], [`Event::BottomHalfCancel`].
    pub const SCHEDULES: Wants = Wants(128);
    /// Those [`Event::Layer`] that say how the state of a layer changes bit by bit: see
    /// [`AioContext::trace_detail`](crate::AioContext::trace_detail).
    pub const LAYER_DETAILS: Wants = Wants(256);
    /// Nothing.
    pub const NOTHING: Wants = Wants(0);
    /// Everything.
    pub const ALL: Wants = Wants(511);

    /// What either takes.
    #[must_use]
    pub const fn or(self, other: Wants) -> Wants {
        Wants(self.0 | other.0)
    }

    /// Whether all of `other` is taken.
    #[must_use]
    pub const fn contains(self, other: Wants) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What the timers of sleeping coroutines are called in events.
pub const SLEEP: &str = "sleep";

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A coroutine was made and has not run.
    Create {
        /// The new coroutine.
        coroutine: CoroutineId,
    },
    /// A coroutine got the processor, from `by` or from the event loop.
    Enter {
        /// Who runs now.
        coroutine: CoroutineId,
        /// The coroutine that entered it and waits meanwhile.
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
        /// The coroutine that woke it; none if that was a callback, a timer or another thread.
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
    /// A timer is going to expire at a time. One that was armed before is moved there.
    TimerArm {
        /// Its name; [`SLEEP`] for that of a sleeping coroutine.
        name: &'static str,
        /// Tells the timers of a context apart, as long as they live.
        id: u64,
        /// When, in nanoseconds of the context's clock.
        deadline_ns: u64,
    },
    /// A timer is not going to expire any more, without having done so.
    TimerDisarm {
        /// Its name, as it was armed.
        name: &'static str,
        /// As it was armed.
        id: u64,
    },
    /// A bottom half is going to run. Of one that another thread schedules this is said when the context
    /// finds it in its inbox; and not again, if that thread has cancelled it and schedules it again
    /// meanwhile.
    BottomHalfSchedule {
        /// Its name.
        name: &'static str,
    },
    /// A bottom half that was scheduled is not going to run: it was cancelled or deleted in its own
    /// context. What another thread cancels ends unsaid.
    BottomHalfCancel {
        /// Its name.
        name: &'static str,
    },
    /// A choice was made.
    Decision {
        /// Where.
        site: &'static Site,
        /// Among how many.
        n: usize,
        /// Which.
        chosen: usize,
    },
    /// A rare place was come past.
    Mark {
        /// Which.
        mark: &'static Mark,
    },
    /// Something happened in a layer above.
    Layer(&'a dyn LayerEvent),
}

/// Who is told.
pub trait Trace {
    /// Takes note of `event`, which happened at `now_ns` in the context named `context`.
    ///
    /// Called in the middle of things: it must not call back into the engine. To leave something in
    /// the inbox of a context, by its [`AioHandle`](crate::AioHandle), is no such call.
    fn event(&self, now_ns: u64, context: &str, event: &Event<'_>);

    /// What it takes; asked once, when a context is made.
    fn wants(&self) -> Wants {
        Wants::ALL
    }
}

/// Keeps every event as a line of text: for tests that compare two runs.
#[derive(Debug, Default)]
pub struct Recorder {
    lines: RefCell<Vec<String>>,
}

impl Recorder {
    /// An empty record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the lines recorded so far out of the record.
    pub fn take(&self) -> Vec<String> {
        self.lines.take()
    }
}

impl Trace for Recorder {
    fn event(&self, now_ns: u64, context: &str, event: &Event<'_>) {
        let line = format!("{now_ns} {context} {event:?}");
        self.lines.borrow_mut().push(line);
    }
}
