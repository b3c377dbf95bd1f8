//! The trace file: one order for the events of all contexts, and a limit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use blockjob_sim::export::json::{self, At};
use blockjob_sim::export::{Flat, Value};
use serde_json::json;

use super::is_trace;
use crate::failure::Failure;
use crate::{say, size};

/// What each of them begins with.
pub(super) const BEGINNING: &str = "{\"format\":\"blockjob-trace\"";

/// Past the limit a file still gets that part of it longer, by what is rare...
const REST_PART: u64 = 16;
/// ...but so many bytes at least: enough for the end of a few jobs.
const REST_BYTES: u64 = 64 << 10;

/// Kinds that are recorded past the limit: what a long run comes to, and few of them.
const RARE: [&str; 11] = [
    "job-status",
    "job-pause",
    "job-resume",
    "job-cancel",
    "job-defer",
    "job-deferred-start",
    "job-run-end",
    "drain-begin",
    "drained",
    "drain-end",
    "replace-node",
];

/// A trace file that is being written.
pub(super) struct File {
    path: PathBuf,
    /// None when nothing more can be written.
    out: Option<BufWriter<fs::File>>,
    /// What is to be written if what is recorded begins at all. Until then the file is left as it is.
    held: Option<String>,
    /// There was no file.
    is_new: bool,
    line: String,
    seq: u64,
    /// What the clock said at the first event.
    origin_ns: Option<u64>,
    last_ns: u64,
    written_bytes: u64,
    limit_bytes: u64,
    left_out: u64,
    /// The guests by their backends: the context's name and what tells them apart there.
    guests: BTreeMap<(String, u64), u64>,
}

impl File {
    pub(super) fn create(path: &Path, limit_bytes: u64, command: &str) -> Result<File, Failure> {
        let wrong = |error: io::Error| {
            Failure::bad_input(format!("cannot record in '{}': {error}", path.display()))
        };
        let is_new = !path.exists();
        if !is_new && !is_trace(path).map_err(wrong)? {
            return Err(Failure::bad_input(format!(
                "'{}' is there and is no recording; it is left as it is",
                path.display()
            )));
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let out = options.open(path).map_err(wrong)?;
        let mut file = File {
            path: path.to_owned(),
            out: Some(BufWriter::with_capacity(64 << 10, out)),
            held: Some(String::new()),
            is_new,
            line: String::new(),
            seq: 0,
            origin_ns: None,
            last_ns: 0,
            written_bytes: 0,
            limit_bytes,
            left_out: 0,
            guests: BTreeMap::new(),
        };
        // By hand, because it begins with what tells a recording from other files.
        let header = format!(
            "{BEGINNING},\"version\":{},\"origin\":\"real\",\"program\":{},\"command\":{},\"clock\":{},\
             \"limit_bytes\":{limit_bytes},\"lost\":0}}",
            json::VERSION,
            json!(concat!("blockjob ", env!("CARGO_PKG_VERSION"))),
            json!(command),
            json!("monotonic, in nanoseconds since the first event"),
        );
        file.put(&header);
        Ok(file)
    }

    /// What is recorded takes place: the file is what this recording writes from now on.
    pub(super) fn commit(&mut self) {
        let Some(held) = self.held.take() else { return };
        let emptied = match &mut self.out {
            Some(out) => out.get_mut().set_len(0),
            None => Ok(()),
        };
        self.look_at(emptied);
        self.written_bytes = 0;
        self.write(&held);
        self.flush();
    }

    /// Adds an event. It comes after all that were added before; where two threads looked at the clock in
    /// the other order, the later one has the time of the earlier.
    pub(super) fn event(
        &mut self,
        now_ns: u64,
        context: &str,
        coroutine: Option<&str>,
        mut flat: Flat,
    ) {
        let is_past = self.written_bytes >= self.limit_bytes;
        let rest_bytes = REST_BYTES.max(self.limit_bytes / REST_PART);
        let is_full = self.written_bytes >= self.limit_bytes.saturating_add(rest_bytes);
        if self.out.is_none() || is_full || is_past && !RARE.contains(&flat.kind) {
            self.left_out += 1;
            if self.left_out == 1 && self.out.is_some() {
                self.tell_limit();
            }
            return;
        }
        self.number_guest(context, &mut flat);
        let origin_ns = *self.origin_ns.get_or_insert(now_ns);
        for (field, value) in &mut flat.fields {
            if let ("deadline_ns", Value::Number(deadline_ns)) = (*field, value) {
                *deadline_ns = deadline_ns.saturating_sub(origin_ns);
            }
        }
        self.last_ns = self.last_ns.max(now_ns.saturating_sub(origin_ns));
        let at = At {
            seq: self.seq,
            at_ns: self.last_ns,
            decisions: None,
            context,
            coroutine,
        };
        self.seq += 1;
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        json::line(&mut line, &at, &flat);
        self.write(&line);
        self.line = line;
    }

    /// Guests are numbered from 0, in the order in which they ask for something.
    fn number_guest(&mut self, context: &str, flat: &mut Flat) {
        if let Some(("guest", Value::Number(backend))) = flat.fields.first_mut() {
            let next = self.guests.len() as u64;
            let key = (context.to_owned(), *backend);
            *backend = *self.guests.entry(key).or_insert(next);
        }
    }

    fn tell_limit(&mut self) {
        say::err(&format!(
            "blockjob: '{}' has reached {}: from now on only states of jobs, drained sections and \
             exchanged nodes are recorded",
            self.path.display(),
            size::show(self.limit_bytes)
        ));
        self.put(&json!({ "kind": "limit", "at_ns": self.last_ns }).to_string());
        self.flush();
    }

    /// The last line; but of what has not taken place nothing stays behind.
    pub(super) fn end(&mut self) {
        if self.held.is_some() {
            self.out = None;
            if self.is_new {
                // Whoever cannot remove it has made it a moment ago, and the directory has changed since.
                let _ = fs::remove_file(&self.path);
            }
            return;
        }
        let end = json!({
            "kind": "end",
            "events": self.seq,
            "left_out": self.left_out,
            "at_ns": self.last_ns,
        });
        self.put(&end.to_string());
        self.flush();
        self.out = None;
    }

    fn put(&mut self, line: &str) {
        let mut text = String::new();
        // A string takes whatever is written to it.
        let _ = writeln!(text, "{line}");
        self.write(&text);
    }

    fn write(&mut self, line: &str) {
        self.written_bytes += line.len() as u64;
        if let Some(held) = &mut self.held {
            held.push_str(line);
            return;
        }
        let written = match &mut self.out {
            Some(out) => out.write_all(line.as_bytes()),
            None => Ok(()),
        };
        self.look_at(written);
    }

    /// Hands what was written to the system: it is in the file, whatever becomes of the program.
    pub(super) fn flush(&mut self) {
        let flushed = match &mut self.out {
            Some(out) if self.held.is_none() => out.flush(),
            _ => Ok(()),
        };
        self.look_at(flushed);
    }

    /// A recording that cannot go on ends; what is recorded does not.
    fn look_at(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && let Some(out) = self.out.take()
        {
            let path = self.path.display();
            say::err(&format!(
                "blockjob: '{path}' is not recorded any more: {error}"
            ));
            // What it still holds cannot be written either.
            let _ = out.into_parts();
        }
    }
}
