//! `--trace`: what the engine does, as lines on standard error or in a file.
//!
//! Events that QEMU has, too, bear its names (`mirror_yield`, `job_state_transition`); the others are
//! ours.
//!
//! QEMU: `trace_init_file`, `trace_enable_events` (trace/control.c).

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};

use blockjob::block::request::BlockTrace;
use blockjob::jobs::mirror::steps::{MirrorEvent, MirrorTrace};
use blockjob::jobs::trace::{JobTrace, JobTraceKind};
use blockjob::runtime::sync::{Arc, Mutex};
use blockjob::runtime::trace::{Event, Trace, Wants};

use crate::failure::Failure;
use crate::say;

/// Every event that can be asked for.
const NAMES: [&str; 20] = [
    "bdrv_co_drained_begin",
    "bdrv_drained",
    "bdrv_drained_end",
    "bdrv_replace_node",
    "bdrv_request_begin",
    "bdrv_request_end",
    "job_completed",
    "job_deferred",
    "job_enter",
    "job_pause",
    "job_state_transition",
    "mirror_active_begin",
    "mirror_active_end",
    "mirror_before_drain",
    "mirror_before_flush",
    "mirror_before_sleep",
    "mirror_iteration_done",
    "mirror_one_iteration",
    "mirror_start",
    "mirror_yield",
];

/// Where lines go.
enum Out {
    Stderr,
    File(BufWriter<File>),
}

/// The events that were asked for, and where they go. Its copies, for other contexts, write to the same
/// place.
#[derive(Clone)]
pub(super) struct TraceOptions {
    patterns: Vec<String>,
    out: Arc<Mutex<Out>>,
}

impl TraceOptions {
    /// Prints the events that there are.
    pub(super) fn list() {
        for name in NAMES {
            say::out(name);
        }
    }

    /// What `--trace` says, each time that it was given; none, if it was not.
    pub(super) fn parse(texts: &[String]) -> Result<Option<Self>, Failure> {
        let mut patterns = Vec::new();
        let mut out = Out::Stderr;
        for text in texts {
            let context = |what: String| Failure::failed(format!("--trace {text}: {what}"));
            for option in text.split(',').filter(|option| !option.is_empty()) {
                // Without a name it is a pattern.
                let (name, value) = option.split_once('=').unwrap_or(("enable", option));
                match name {
                    "enable" => add_pattern(&mut patterns, value, text),
                    "events" => {
                        let list = fs::read_to_string(value).map_err(|error| {
                            context(format!("could not open '{value}': {}", plain(&error)))
                        })?;
                        let lines = list.lines().map(str::trim);
                        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
                        {
                            add_pattern(&mut patterns, line, text);
                        }
                    }
                    "file" => {
                        let file = File::create(value).map_err(|error| {
                            context(format!("Error opening logfile {value}: {}", plain(&error)))
                        })?;
                        out = Out::File(BufWriter::new(file));
                    }
                    other => return Err(context(format!("Invalid parameter '{other}'"))),
                }
            }
        }
        let asked = !texts.is_empty();
        Ok(asked.then_some(TraceOptions {
            patterns,
            out: Arc::new(Mutex::new(out)),
        }))
    }

    fn line(&self, now_ns: u64, name: &str, text: &str) {
        if !self.patterns.iter().any(|pattern| matches(pattern, name)) {
            return;
        }
        let line = format!(
            "{}.{:06} {name} {text}",
            now_ns / 1_000_000_000,
            now_ns / 1000 % 1_000_000
        );
        match &mut *self.out.lock() {
            Out::Stderr => say::err(&line),
            Out::File(file) => {
                let _the_disk_is_full = writeln!(file, "{line}").and_then(|()| file.flush());
            }
        }
    }
}

/// As the peer: a pattern that means nothing is worth a warning. One with a minus takes away.
fn add_pattern(patterns: &mut Vec<String>, pattern: &str, option: &str) {
    if let Some(unwanted) = pattern.strip_prefix('-') {
        patterns.retain(|pattern| !matches(unwanted, pattern));
        return;
    }
    let mut found = false;
    for name in NAMES.into_iter().filter(|name| matches(pattern, name)) {
        found = true;
        patterns.push(name.to_owned());
    }
    if !found && !pattern.contains(['*', '?']) {
        say::err(&format!(
            "blockjob: --trace {option}: warning: trace event '{pattern}' does not exist"
        ));
    }
}

fn plain(error: &io::Error) -> String {
    blockjob::block::error::errno_text(error.raw_os_error().unwrap_or(0))
}

/// Shell patterns of `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (Some(first), rest) = (pattern.chars().next(), name) else {
        return name.is_empty();
    };
    let after = &pattern[first.len_utf8()..];
    match first {
        '*' => {
            let mut tails = (0..=rest.len()).filter(|at| rest.is_char_boundary(*at));
            tails.any(|at| matches(after, &rest[at..]))
        }
        '?' => rest
            .chars()
            .next()
            .is_some_and(|c| matches(after, &rest[c.len_utf8()..])),
        _ => rest
            .strip_prefix(first)
            .is_some_and(|rest| matches(after, rest)),
    }
}

impl Trace for TraceOptions {
    fn event(&self, now_ns: u64, _context: &str, event: &Event<'_>) {
        let Event::Layer(event) = event else { return };
        let event = event.as_any();
        let line = if let Some(trace) = event.downcast_ref::<MirrorTrace>() {
            mirror_line(trace)
        } else if let Some(trace) = event.downcast_ref::<JobTrace>() {
            job_line(trace)
        } else {
            event.downcast_ref::<BlockTrace>().map(block_line)
        };
        if let Some((name, text)) = line {
            self.line(now_ns, name, &text);
        }
    }

    fn wants(&self) -> Wants {
        Wants::LAYERS
    }
}

fn mirror_line(trace: &MirrorTrace) -> Option<(&'static str, String)> {
    let job = &trace.job;
    Some(match trace.event {
        MirrorEvent::MirrorStart => ("mirror_start", format!("job {job}")),
        MirrorEvent::MirrorYield {
            dirty_bytes,
            buf_free_bytes,
            in_flight,
        } => (
            "mirror_yield",
            format!(
                "job {job} dirty count {dirty_bytes} free buffers {buf_free_bytes} in_flight {in_flight}"
            ),
        ),
        MirrorEvent::MirrorIteration { offset, bytes } => (
            "mirror_one_iteration",
            format!("job {job} offset {offset} bytes {bytes}"),
        ),
        MirrorEvent::MirrorIterationDone { offset, bytes } => (
            "mirror_iteration_done",
            format!("job {job} offset {offset} bytes {bytes}"),
        ),
        MirrorEvent::MirrorActiveBegin { offset, bytes } => (
            "mirror_active_begin",
            format!("job {job} offset {offset} bytes {bytes}"),
        ),
        MirrorEvent::MirrorActiveEnd { offset, bytes } => (
            "mirror_active_end",
            format!("job {job} offset {offset} bytes {bytes}"),
        ),
        MirrorEvent::MirrorBeforeFlush => ("mirror_before_flush", format!("job {job}")),
        MirrorEvent::MirrorBeforeDrain { dirty_bytes } => (
            "mirror_before_drain",
            format!("job {job} dirty count {dirty_bytes}"),
        ),
        MirrorEvent::MirrorBeforeSleep {
            dirty_bytes,
            synced,
            delay_ns,
        } => (
            "mirror_before_sleep",
            format!(
                "job {job} dirty count {dirty_bytes} synced {} delay {delay_ns}ns",
                u8::from(synced)
            ),
        ),
        _ => return None,
    })
}

fn job_line(trace: &JobTrace) -> Option<(&'static str, String)> {
    let job = &trace.job;
    Some(match &trace.what {
        JobTraceKind::Status { from, to } => {
            ("job_state_transition", format!("job {job} {from}-->{to}"))
        }
        JobTraceKind::Enter => ("job_enter", format!("job {job}")),
        JobTraceKind::Pause { pause_count } => {
            ("job_pause", format!("job {job} count {pause_count}"))
        }
        JobTraceKind::Defer => ("job_deferred", format!("job {job}")),
        JobTraceKind::RunEnd => ("job_completed", format!("job {job}")),
        _ => return None,
    })
}

fn block_line(trace: &BlockTrace) -> (&'static str, String) {
    match trace {
        BlockTrace::RequestBegin {
            node,
            id,
            kind,
            offset,
            bytes,
        } => (
            "bdrv_request_begin",
            format!("node {node} request {id} {kind:?} offset {offset} bytes {bytes}"),
        ),
        BlockTrace::RequestEnd {
            node,
            id,
            kind,
            offset,
            bytes,
        } => (
            "bdrv_request_end",
            format!("node {node} request {id} {kind:?} offset {offset} bytes {bytes}"),
        ),
        BlockTrace::DrainBegin {
            node,
            section,
            owner,
        } => (
            "bdrv_co_drained_begin",
            format!("node {node} section {section} by {owner}"),
        ),
        BlockTrace::Drained {
            node,
            section,
            owner,
        } => (
            "bdrv_drained",
            format!("node {node} section {section} by {owner}"),
        ),
        BlockTrace::DrainEnd {
            node,
            section,
            owner,
        } => (
            "bdrv_drained_end",
            format!("node {node} section {section} by {owner}"),
        ),
        BlockTrace::ReplaceNode { from, to } => {
            ("bdrv_replace_node", format!("from {from} to {to}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_has_it() {
        assert!(matches("mirror_*", "mirror_yield"));
        assert!(matches("*_y?eld", "mirror_yield"));
        assert!(!matches("mirror", "mirror_yield"));
        assert!(!matches("m?rror", "mirror_yield"));
        assert!(matches("*", ""));
    }

    #[test]
    fn an_event_that_is_taken_away_again_is_not_asked_for() {
        let mut patterns = Vec::new();
        add_pattern(&mut patterns, "mirror_before_*", "x");
        add_pattern(&mut patterns, "-mirror_before_f*", "x");
        assert_eq!(patterns, ["mirror_before_drain", "mirror_before_sleep"]);
    }
}
