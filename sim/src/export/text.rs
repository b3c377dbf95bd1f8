//! A line for each event, in columns: the number, the time, how many decisions there were, who ran, and
//! what happened, as `kind field=value ...`.
//!
//! ```text
//! # seq      ns  decisions  who             what
//!     5  100000  7          main/blk_request#4  request-end node="source" id=1 request="read" offset=0 bytes=512
//! ```
//!
//! Texts are written as JSON writes them. Lines that begin with `#` are for people.

use std::fmt::Write;

use super::flat::Value;
use crate::record::{Entry, Record};

/// The record as text.
pub fn export(record: &Record) -> String {
    let mut text =
        String::from("#    seq            ns decisions  who                       what\n");
    if record.lost > 0 {
        line(
            &mut text,
            format_args!("# {} events came before", record.lost),
        );
    }
    for entry in &record.entries {
        event(&mut text, entry);
    }
    let failure = record.report.failure.as_ref();
    let end = failure.map_or_else(|| "no failure".to_owned(), ToString::to_string);
    line(&mut text, format_args!("# {end}"));
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = writeln!(text, "{line}");
}

fn event(text: &mut String, entry: &Entry) {
    let flat = entry.what.flat();
    let mut what = flat.kind.to_owned();
    for (field, value) in &flat.fields {
        let _ = match value {
            Value::Number(number) => write!(what, " {field}={number}"),
            Value::Flag(flag) => write!(what, " {field}={flag}"),
            Value::Text(value) => write!(what, " {field}={}", serde_json::Value::from(&**value)),
        };
    }
    let who = match &entry.coroutine {
        Some(who) => who.to_string(),
        None if entry.context.is_empty() => "-".to_owned(),
        None => entry.context.to_string(),
    };
    let Entry {
        seq,
        at_ns,
        decisions,
        ..
    } = entry;
    line(
        text,
        format_args!("{seq:>8} {at_ns:>13} {decisions:>9}  {who:<24}  {what}"),
    );
}
