//! Events as a kind with fields: what all forms are made of.

use blockjob_block::backend::{BackendTrace, BackendWhat};
use blockjob_block::bitmap::DirtyTrace;
use blockjob_block::request::BlockTrace;
use blockjob_jobs::event::JobEvent;

use crate::event::{DiskEvent, DiskWhat, GuestEvent, GuestWhat, MonitorEvent};
use crate::record::{RuntimeEvent, What};

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number: bytes, nanoseconds, or a count.
    Number(u64),
    /// A name or a sentence.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Flag(flag)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

/// An event: its kind, and its fields in the order of [`KINDS`](super::KINDS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flat {
    /// One of [`KINDS`](super::KINDS).
    pub kind: &'static str,
    /// The fields that the event has.
    pub fields: Vec<(&'static str, Value)>,
}

/// Makes an event.
macro_rules! flat {
    ($kind:literal $(, $field:ident = $value:expr)* $(,)?) => {
        Flat {
            kind: $kind,
            fields: vec![$((stringify!($field), Value::from($value))),*],
        }
    };
}

// After the macro, which it uses.
mod jobs;

use jobs::{job, mirror};

fn name(value: impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

impl What {
    /// The event as a kind with fields.
    pub fn flat(&self) -> Flat {
        match self {
            What::Block(trace) => block(trace),
            What::Job(trace) => job(&trace.job, &trace.what),
            What::Mirror(trace) => mirror(&trace.job, trace.event),
            What::JobEvent(event) => job_event(event),
            What::Disk(event) => disk(event),
            What::Guest(event) => guest(event),
            What::Monitor(event) => monitor(event),
            What::Runtime(event) => runtime(event),
            What::Dirty(trace) => dirty(trace),
            What::MirrorJob(it) => flat!(
                "mirror-job",
                job = &*it.job,
                source = &*it.source,
                target = &*it.target,
                granularity_bytes = it.granularity_bytes,
                length_bytes = it.length_bytes,
            ),
            What::Backend(event) => backend(event),
            What::Note(note) => flat!("note", who = &*note.who, text = &*note.text),
        }
    }
}

fn disk(it: &DiskEvent) -> Flat {
    let request = name(it.kind);
    match it.what {
        DiskWhat::Begins => flat!(
            "disk-begin",
            disk = it.disk,
            request = request,
            offset = it.offset,
            bytes = it.bytes,
        ),
        DiskWhat::Lands { failed } => flat!(
            "disk-land",
            disk = it.disk,
            request = request,
            offset = it.offset,
            bytes = it.bytes,
            failed = failed,
        ),
    }
}

fn guest(it: &GuestEvent) -> Flat {
    Flat {
        kind: match it.what {
            GuestWhat::Asks => "guest-ask",
            GuestWhat::Done => "guest-done",
            GuestWhat::Failed => "guest-failed",
            GuestWhat::Abandons => "guest-abandon",
        },
        fields: vec![
            ("guest", Value::from(it.guest as u64)),
            ("id", Value::from(u64::from(it.request))),
            ("request", Value::from(name(it.kind))),
            ("offset", Value::from(it.offset)),
            ("bytes", Value::from(it.bytes)),
        ],
    }
}

fn monitor(it: &MonitorEvent) -> Flat {
    let mut flat = flat!("monitor", verb = name(it.verb));
    let refused = it.refused.as_deref();
    flat.fields
        .extend(refused.map(|why| ("refused", Value::from(why))));
    flat
}

fn backend(it: &BackendTrace) -> Flat {
    Flat {
        kind: match it.what {
            BackendWhat::Asks => "guest-ask",
            BackendWhat::Done => "guest-done",
            BackendWhat::Failed => "guest-failed",
            BackendWhat::Abandons => "guest-abandon",
        },
        fields: vec![
            ("guest", Value::from(it.backend)),
            ("id", Value::from(it.id)),
            ("request", Value::from(name(it.kind))),
            ("offset", Value::from(it.offset)),
            ("bytes", Value::from(it.bytes)),
        ],
    }
}

fn dirty(trace: &DirtyTrace) -> Flat {
    let mut flat = flat!(
        "dirty-set",
        node = &*trace.node,
        bitmap = &*trace.bitmap,
        offset = trace.offset,
        bytes = trace.bytes,
    );
    if !trace.dirty {
        flat.kind = "dirty-clear";
    }
    flat
}

fn block(trace: &BlockTrace) -> Flat {
    use BlockTrace::{DrainBegin, DrainEnd, Drained, ReplaceNode, RequestBegin, RequestEnd};
    match trace {
        RequestBegin {
            node,
            id,
            kind,
            offset,
            bytes,
        } => flat!(
            "request-begin",
            node = &**node,
            id = *id,
            request = name(kind),
            offset = *offset,
            bytes = *bytes,
        ),
        RequestEnd {
            node,
            id,
            kind,
            offset,
            bytes,
        } => flat!(
            "request-end",
            node = &**node,
            id = *id,
            request = name(kind),
            offset = *offset,
            bytes = *bytes,
        ),
        DrainBegin {
            node,
            section,
            owner,
        } => {
            flat!(
                "drain-begin",
                node = &**node,
                section = *section,
                owner = *owner
            )
        }
        Drained {
            node,
            section,
            owner,
        } => {
            flat!(
                "drained",
                node = &**node,
                section = *section,
                owner = *owner
            )
        }
        DrainEnd {
            node,
            section,
            owner,
        } => {
            flat!(
                "drain-end",
                node = &**node,
                section = *section,
                owner = *owner
            )
        }
        ReplaceNode { from, to } => flat!("replace-node", from = &**from, to = &**to),
    }
}

fn job_event(event: &JobEvent) -> Flat {
    let mut flat = flat!("event", job = event.job_id().as_str(), name = event.name());
    match event {
        JobEvent::StatusChange { status, .. } => {
            flat.fields.push(("status", status.as_str().into()));
        }
        JobEvent::Completed {
            error: Some(error), ..
        } => {
            flat.fields.push(("error", error.as_str().into()));
        }
        JobEvent::Error {
            operation, action, ..
        } => {
            flat.fields.push(("operation", operation.as_str().into()));
            flat.fields.push(("action", action.as_str().into()));
        }
        _ => {}
    }
    flat
}

fn runtime(event: &RuntimeEvent) -> Flat {
    use RuntimeEvent as Event;
    let by = |mut flat: Flat, by: Option<blockjob_runtime::trace::CoroutineId>| {
        let by = by.map(|by| ("by", Value::from(by.to_string())));
        flat.fields.extend(by);
        flat
    };
    match *event {
        Event::Create { coroutine } => {
            flat!("coroutine-create", created = coroutine.to_string())
        }
        Event::Enter { coroutine, by: who } => by(
            flat!("coroutine-enter", entered = coroutine.to_string()),
            who,
        ),
        Event::Yield { coroutine } => {
            flat!("coroutine-yield", yielded = coroutine.to_string())
        }
        Event::End { coroutine } => flat!("coroutine-end", ended = coroutine.to_string()),
        Event::Wake { serial, by: who } => by(flat!("coroutine-wake", serial = serial), who),
        Event::BottomHalf { name } => flat!("bottom-half", name = name),
        Event::Timer { name } => flat!("timer", name = name),
        Event::EventSource { name } => flat!("event-source", name = name),
        Event::TimerArm {
            name,
            id,
            deadline_ns,
        } => flat!("timer-arm", name = name, id = id, deadline_ns = deadline_ns),
        Event::TimerDisarm { name, id } => flat!("timer-disarm", name = name, id = id),
        Event::BottomHalfSchedule { name } => flat!("bottom-half-schedule", name = name),
        Event::BottomHalfCancel { name } => flat!("bottom-half-cancel", name = name),
    }
}
