//! The document of a recording: its events, and what they say of jobs and disks.

use std::path::Path;

use blockjob_sim::view::{Disk, Document, Event, JobFact, Origin, StoryLine};

use super::read::{Header, Line, TraceFile};
use crate::failure::Failure;
use crate::size;

/// A document, and what its reader should know of the file.
pub(super) struct Told {
    pub(super) document: Document,
    pub(super) note: Option<String>,
}

/// Reads a trace file to its end.
pub(super) fn of_file(path: &Path) -> Result<Told, Failure> {
    let (mut file, header) = TraceFile::open(path)?;
    let mut document = begun(&header, path);
    let mut contexts: Vec<String> = Vec::new();
    let mut has_ended = false;
    while let Some(line) = file.event()? {
        match &*line.kind {
            "end" => {
                has_ended = true;
                ended(&mut document, &line);
            }
            "limit" => {}
            _ => {
                if !line.context.is_empty() && !contexts.contains(&line.context) {
                    contexts.push(line.context.clone());
                }
                learn(&mut document, &line);
                document.event(&Event {
                    at_ns: line.at_ns,
                    decisions: line.decisions,
                    context: &line.context,
                    coroutine: line.coroutine.as_deref(),
                    kind: &line.kind,
                    fields: &line.fields,
                });
            }
        }
    }
    row(
        &mut document,
        "contexts",
        &contexts.join(", "),
        "threads, each with its event loop",
    );
    let note = (!has_ended).then(|| {
        let (path, events) = (path.display(), document.events());
        let how = match file.is_cut_off {
            true => "is cut off in the middle of a line",
            false => "has no end",
        };
        format!("'{path}' {how}, as that of a program that was killed: {events} events are shown")
    });
    if let Some(note) = &note {
        row(&mut document, "recording", note, "");
    }
    Ok(Told { document, note })
}

fn row(document: &mut Document, field: &str, value: &str, meaning: &str) {
    let row = (field.to_owned(), value.to_owned(), meaning.to_owned());
    document.config.push(row);
}

/// The document as the first line of the file has it.
fn begun(header: &Header, path: &Path) -> Document {
    let name = path.display().to_string();
    let told = header.text("told");
    let mut document = match told {
        Some(_) => Document::new(&format!("A simulated run, from {name}"), Origin::Sim),
        None => {
            let title = header.text("command").unwrap_or(&name);
            Document::new(title, Origin::Real)
        }
    };
    document.command = header.text("command").map(str::to_owned);
    document.lost = header.number("lost").unwrap_or(0);
    for (field, value, meaning) in [
        ("told", told, "what the run was told"),
        ("program", header.text("program"), "who recorded it"),
        ("clock", header.text("clock"), "what times are"),
    ] {
        if let Some(value) = value {
            row(&mut document, field, value, meaning);
        }
    }
    document
}

fn ended(document: &mut Document, line: &Line) {
    document.digest = line.text("digest").map(str::to_owned);
    let end_ns = line.number("virtual_ns").unwrap_or(line.at_ns);
    document.end_ns = document.end_ns.max(end_ns);
    if let Some(left_out) = line.number("left_out").filter(|left_out| *left_out > 0) {
        let value = left_out.to_string();
        let meaning = "events that are not here, because the recording had reached its limit";
        row(document, "left out", &value, meaning);
    }
    if let Some(failure) = line.text("failure") {
        row(
            document,
            "failure",
            failure,
            "how the run failed; 'blockjob sim view' knows more",
        );
    }
}

/// What an event says of the run as a whole.
fn learn(document: &mut Document, line: &Line) {
    if line.kind == "mirror-job" {
        let text = |name: &str| line.text(name).unwrap_or_default().to_owned();
        let number = |name: &str| line.number(name).unwrap_or(0);
        let job = JobFact {
            name: text("job"),
            source: text("source"),
            target: text("target"),
            granularity_bytes: number("granularity_bytes"),
            length_bytes: number("length_bytes"),
        };
        for name in [&job.source, &job.target] {
            if !document.disks.iter().any(|disk| disk.name == *name) {
                document.disks.push(Disk {
                    name: name.clone(),
                    bytes: job.length_bytes,
                });
            }
        }
        document.jobs.push(job);
    }
    if let Some(text) = sentence(line) {
        let line = StoryLine {
            at_ns: line.at_ns,
            event: document.events() as u64,
            text,
        };
        document.story.lines.push(line);
    }
}

/// What stands in the story of a run.
fn sentence(line: &Line) -> Option<String> {
    let text = |name: &str| line.text(name).unwrap_or("?");
    let job = text("job");
    Some(match &*line.kind {
        "mirror-job" => format!(
            "{job} is to mirror '{}' to '{}': {}, in granules of {}",
            text("source"),
            text("target"),
            size::show(line.number("length_bytes").unwrap_or(0)),
            size::show(line.number("granularity_bytes").unwrap_or(0)),
        ),
        "job-status" => format!("{job} goes from {} to {}", text("from"), text("to")),
        "job-cancel" => format!("{job} is cancelled"),
        "job-defer" => format!("{job} leaves the rest to the main loop"),
        "drained" => format!("'{}' is drained, by {}", text("node"), text("owner")),
        "drain-end" => format!("'{}' goes on, after {}", text("node"), text("owner")),
        "replace-node" => format!("the users of '{}' now use '{}'", text("from"), text("to")),
        _ => return None,
    })
}
