//! A trace file, line by line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use blockjob_sim::export::Value;
use blockjob_sim::export::json::VERSION;
use serde_json::{Map, Value as Json};

use crate::failure::Failure;

/// No line that this program writes is as long, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// The first line of a trace file.
pub(super) struct Header(Map<String, Json>);

impl Header {
    /// A text of it.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// A number of it.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.0.get(key)?.as_u64()
    }
}

/// A line of a trace file after the first one.
pub(super) struct Line {
    pub(super) at_ns: u64,
    pub(super) decisions: u64,
    pub(super) context: String,
    pub(super) coroutine: Option<String>,
    pub(super) kind: String,
    /// Everything else, in order.
    pub(super) fields: Vec<(String, Value)>,
}

impl Line {
    /// A text of it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().filter(|(field, _)| field == name);
        match fields.next()? {
            (_, Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A number of it.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let mut fields = self.fields.iter().filter(|(field, _)| field == name);
        match fields.next()? {
            (_, Value::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

/// A trace file that is being read.
pub(super) struct TraceFile<'a> {
    path: &'a Path,
    lines: BufReader<File>,
    /// Counted from 1, as editors do.
    number: u64,
    /// The last line has no end: whoever wrote it was stopped in the middle of it.
    pub(super) is_cut_off: bool,
}

impl<'a> TraceFile<'a> {
    /// Opens the file and reads its first line.
    pub(super) fn open(path: &'a Path) -> Result<(TraceFile<'a>, Header), Failure> {
        let file = File::open(path).map_err(|error| {
            Failure::bad_input(format!("cannot open '{}': {error}", path.display()))
        })?;
        let mut file = TraceFile {
            path,
            lines: BufReader::new(file),
            number: 0,
            is_cut_off: false,
        };
        let none = "it is no recording, which begins with {\"format\":\"blockjob-trace\",...}";
        let text = file.line()?.ok_or_else(|| file.wrong(none))?;
        let header: Map<String, Json> =
            serde_json::from_str(&text).map_err(|_| file.wrong(none))?;
        if header.get("format").and_then(Json::as_str) != Some("blockjob-trace") {
            return Err(file.wrong(none));
        }
        let version = header.get("version").and_then(Json::as_u64);
        if version != Some(VERSION) {
            let version = header.get("version").unwrap_or(&Json::Null);
            return Err(file.wrong(&format!(
                "it is a recording of version {version}, and only {VERSION} is known here"
            )));
        }
        Ok((file, Header(header)))
    }

    /// The next event; none at the end.
    pub(super) fn event(&mut self) -> Result<Option<Line>, Failure> {
        let Some(text) = self.line()? else {
            return Ok(None);
        };
        let object: Map<String, Json> = serde_json::from_str(&text)
            .map_err(|error| self.wrong(&format!("it is no JSON object: {error}")))?;
        let mut line = Line {
            at_ns: 0,
            decisions: 0,
            context: String::new(),
            coroutine: None,
            kind: String::new(),
            fields: Vec::new(),
        };
        for (key, value) in object {
            match (&*key, value) {
                ("seq", _) | (_, Json::Null) => {}
                ("at_ns", Json::Number(number)) => line.at_ns = self.whole(&key, &number)?,
                ("decisions", Json::Number(number)) => {
                    line.decisions = self.whole(&key, &number)?
                }
                ("context", Json::String(text)) => line.context = text,
                ("coroutine", Json::String(text)) => line.coroutine = Some(text),
                ("kind", Json::String(text)) => line.kind = text,
                (_, Json::Number(number)) => {
                    let number = self.whole(&key, &number)?;
                    line.fields.push((key, Value::Number(number)));
                }
                (_, Json::String(text)) => line.fields.push((key, Value::Text(text))),
                (_, Json::Bool(flag)) => line.fields.push((key, Value::Flag(flag))),
                // How a simulated run failed, in its last line.
                ("failure", Json::Object(failure)) => {
                    let text = Json::Object(failure).to_string();
                    line.fields.push((key, Value::Text(text)));
                }
                _ => return Err(self.wrong(&format!("'{key}' is no number, text or flag"))),
            }
        }
        match line.kind.is_empty() {
            true => Err(self.wrong("it has no 'kind'")),
            false => Ok(Some(line)),
        }
    }

    fn whole(&self, key: &str, number: &serde_json::Number) -> Result<u64, Failure> {
        let whole = number.as_u64();
        whole.ok_or_else(|| self.wrong(&format!("'{key}' is no whole number: {number}")))
    }

    /// The next whole line. What comes after the last end of line is none.
    fn line(&mut self) -> Result<Option<String>, Failure> {
        let mut bytes = Vec::new();
        let read = (&mut self.lines)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut bytes);
        read.map_err(|error| {
            Failure::bad_input(format!("cannot read '{}': {error}", self.path.display()))
        })?;
        self.number += 1;
        if bytes.pop() == Some(b'\n') {
            let text = String::from_utf8(bytes);
            return text.map(Some).map_err(|_| self.wrong("it is no text"));
        }
        if bytes.len() as u64 + 1 >= MAX_LINE_BYTES {
            return Err(self.wrong("it is longer than any line of a recording"));
        }
        self.is_cut_off = !bytes.is_empty();
        Ok(None)
    }

    /// An error of the line that was read last.
    fn wrong(&self, what: &str) -> Failure {
        let (path, number) = (self.path.display(), self.number);
        Failure::bad_input(format!("'{path}', line {number}: {what}"))
    }
}
