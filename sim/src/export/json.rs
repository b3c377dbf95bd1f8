//! One JSON object a line.
//!
//! The first line is the header, the last one the end, each other an event:
//!
//! ```json
//! {"format":"blockjob-trace","version":1,"told":"granules=1","build":"bd74d79bdb245745","lost":0}
//! {"seq":4,"at_ns":0,"decisions":1,"context":"main","coroutine":"main/job#2","kind":"mirror-step","job":"job0","step":"M1"}
//! {"kind":"end","events":388,"decisions":23,"virtual_ns":1213333,"digest":"1c0e57bb5d0c1d7e","failure":{"rule":"DATA","place":"device-content","parties":["job0"],"text":"...","at_ns":1213333,"decisions":23}}
//! ```
//!
//! | field | meaning |
//! |---|---|
//! | `told` | what the run was told, as the text of a case has it; with `bug` if an exhibit was on |
//! | `lost` | so many events came before the first one and were let go |
//! | `seq` | counts the events of a run from 0 |
//! | `at_ns` | the world's time in nanoseconds; never less than that of the event before |
//! | `decisions` | how many decisions had been made |
//! | `context`, `coroutine` | where it happened and who ran; left out if nobody knows, or nobody did |
//! | `kind` | one of [`KINDS`](super::KINDS), whose fields follow |
//! | `failure` | how the run failed; `null` if it did not |

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::flat::{Flat, Value};
use crate::case::told;
use crate::decide::BUILD;
use crate::record::{Entry, Record};

/// The version of this form: it changes when a field goes or means something else.
pub const VERSION: u64 = 1;

/// The record as lines of JSON.
pub fn export(record: &Record) -> String {
    let header = json!({
        "format": "blockjob-trace",
        "version": VERSION,
        "told": told(&record.config, record.bug.as_deref()),
        "build": format!("{BUILD:016x}"),
        "lost": record.lost,
    });
    let mut text = format!("{header}\n");
    for entry in &record.entries {
        let who = entry.coroutine.as_ref().map(ToString::to_string);
        let at = At {
            seq: entry.seq,
            at_ns: entry.at_ns,
            decisions: Some(entry.decisions),
            context: &entry.context,
            coroutine: who.as_deref(),
        };
        line(&mut text, &at, &entry.what.flat());
    }
    let failure = record.report.failure.as_ref().map(|failure| {
        json!({
            "rule": failure.rule.name(),
            "place": failure.place,
            "parties": failure.parties,
            "text": failure.text,
            "at_ns": failure.at_ns,
            "decisions": failure.decisions,
        })
    });
    let end = json!({
        "kind": "end",
        "events": record.entries.len(),
        "decisions": record.report.decisions,
        "virtual_ns": record.report.virtual_ns,
        "digest": format!("{:016x}", record.report.digest),
        "failure": failure,
    });
    text + &format!("{end}\n")
}

/// Where and when an event was.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Counts the events of a run from 0.
    pub seq: u64,
    /// When, in nanoseconds.
    pub at_ns: u64,
    /// How many decisions had been made; none where nobody decides.
    pub decisions: Option<u64>,
    /// The context; empty where that is not known.
    pub context: &'a str,
    /// The coroutine that ran, as in `main/job#2`.
    pub coroutine: Option<&'a str>,
}

/// Appends an event as a line to `text`.
pub fn line(text: &mut String, at: &At<'_>, flat: &Flat) {
    // A string takes whatever is written to it.
    let _ = write!(text, "{{\"seq\":{},\"at_ns\":{}", at.seq, at.at_ns);
    if let Some(decisions) = at.decisions {
        let _ = write!(text, ",\"decisions\":{decisions}");
    }
    if !at.context.is_empty() {
        text.push_str(",\"context\":");
        quote(text, at.context);
    }
    if let Some(who) = at.coroutine {
        text.push_str(",\"coroutine\":");
        quote(text, who);
    }
    let _ = write!(text, ",\"kind\":\"{}\"", flat.kind);
    for (field, value) in &flat.fields {
        let _ = write!(text, ",\"{field}\":");
        let _ = match value {
            Value::Number(number) => write!(text, "{number}"),
            Value::Flag(flag) => write!(text, "{flag}"),
            Value::Text(value) => {
                quote(text, value);
                Ok(())
            }
        };
    }
    text.push_str("}\n");
}

/// A text as JSON has it.
fn quote(text: &mut String, value: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if value.bytes().all(is_plain) {
        text.push('"');
        text.push_str(value);
        text.push('"');
    } else {
        text.push_str(&Json::from(value).to_string());
    }
}

/// One event as an object.
pub fn event(entry: &Entry) -> Map<String, Json> {
    let mut object = Map::new();
    let mut put = |key: &str, value: Json| object.insert(key.to_owned(), value);
    put("seq", entry.seq.into());
    put("at_ns", entry.at_ns.into());
    put("decisions", entry.decisions.into());
    if !entry.context.is_empty() {
        put("context", (&*entry.context).into());
    }
    if let Some(who) = &entry.coroutine {
        put("coroutine", who.to_string().into());
    }
    let flat = entry.what.flat();
    put("kind", flat.kind.into());
    for (field, value) in flat.fields {
        put(field, json(value));
    }
    object
}

/// A value as JSON has it.
pub(super) fn json(value: Value) -> Json {
    match value {
        Value::Number(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Flag(flag) => flag.into(),
    }
}
