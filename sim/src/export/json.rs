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

use serde_json::{Map, Value as Json, json};

use super::flat::Value;
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
        text.push_str(&Json::Object(event(entry)).to_string());
        text.push('\n');
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
