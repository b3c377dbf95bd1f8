//! The words for things.

use blockjob_jobs::mirror::steps::Step;

use super::facts::{By, Facts, Io, Section, Span};
use crate::event::GuestKind;
use crate::monitor::Verb;

/// A range as `0..512`.
pub(super) fn range(span: Span) -> String {
    format!("{}..{}", span.offset, span.end())
}

/// A time in milliseconds.
pub(super) fn ms(ns: u64) -> String {
    format!("{:.3} ms", ns as f64 / 1e6)
}

/// `one thing` or `5 things`.
pub(super) fn count(n: usize, thing: &str) -> String {
    match n {
        1 => format!("one {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// What is done to a range.
pub(super) fn does(kind: GuestKind, span: Span) -> String {
    let range = range(span);
    match kind {
        GuestKind::Read => format!("reads {range}"),
        GuestKind::Write => format!("writes {range}"),
        GuestKind::Zero => format!("makes {range} zeroes"),
        GuestKind::Discard => format!("discards {range}"),
        GuestKind::Flush => "flushes".to_owned(),
    }
}

/// What the monitor says.
pub(crate) fn command(verb: Verb) -> &'static str {
    match verb {
        Verb::Query => "query-jobs",
        Verb::Pause => "job-pause",
        Verb::Resume => "job-resume",
        Verb::SetSpeed => "block-job-set-speed",
        Verb::Complete => "job-complete",
        Verb::Cancel => "block-job-cancel",
        Verb::ForceCancel => "block-job-cancel with force",
        Verb::DrainSource => "a drained section of the source, just begun and ended",
        Verb::DrainTarget => "a drained section of the target, just begun and ended",
        Verb::DrainAll => "a drained section of everything, just begun and ended",
        Verb::HoldSource => "a drained section of the source for a while",
        Verb::HoldTarget => "a drained section of the target for a while",
        Verb::Snapshot => "blockdev-snapshot",
        Verb::SecondJob => "a second mirror of the same disk",
        Verb::Finalize => "job-finalize",
        Verb::Dismiss => "job-dismiss",
        Verb::Quit => "quit",
        Verb::Change => "block-job-change",
        Verb::Move => "x-blockdev-set-iothread",
    }
}

/// What a step of a mirror means, where it is told; the others are told by what comes of them.
pub(super) fn step(step: Step) -> Option<&'static str> {
    Some(match step {
        Step::M1 => "begins to run (M1)",
        Step::M5 => "looks for what is allocated, and calls it dirty (M5)",
        Step::M9 => "can start nothing now, and waits for I/O to end (M9)",
        Step::M12 => "is clean and idle, and flushes the target (M12)",
        Step::M14 => {
            "is told to complete, and is clean: it drains the source, to count what is dirty once more \
             (M14)"
        }
        Step::M16 => "has done its work: it waits for all I/O, and ends (M16)",
        Step::M17 => "has its last step done in the main loop: mirror_exit (M17)",
        _ => return None,
    })
}

/// Who asks for a section.
pub(super) fn owner(name: &'static str) -> &'static str {
    match name {
        "monitor" => "the monitor",
        name => name,
    }
}

impl Facts {
    /// A section by its number and owner, and by its context if another one has the same.
    pub(super) fn section_name(&self, section: &Section) -> String {
        let name = format!("section {} of {}", section.id, owner(section.owner));
        match self.namesakes.get(&(section.id, section.owner)) {
            Some(2..) => format!("{name} in {}", section.context),
            _ => name,
        }
    }

    /// For whom something is done.
    pub(super) fn who(&self, by: &By) -> String {
        match by {
            By::Guest(request) => format!("request {}", self.requests[*request].id),
            By::Copy(copy) => self.copy_name(*copy),
            By::Job(name) => name.to_string(),
            By::Device => "a guest's device".to_owned(),
            By::Other(name) => (*name).to_owned(),
        }
    }

    /// A copy by its number, and by its job if there are several.
    pub(super) fn copy_name(&self, copy: usize) -> String {
        let copy = &self.copies[copy];
        if self.jobs.iter().filter(|job| job.copies > 0).count() > 1 {
            format!("copy {} of {}", copy.number, self.jobs[copy.job].name)
        } else {
            format!("copy {}", copy.number)
        }
    }

    /// A request at a node.
    pub(super) fn io_name(&self, io: &Io) -> String {
        use blockjob_block::request::RequestKind::{Discard, Read, Truncate, Write};
        let what = match io.kind {
            Read => "read",
            Write => "write",
            Discard => "discard",
            Truncate => "truncation",
        };
        format!("the {what} of {} ({})", range(io.span), self.who(&io.by))
    }
}

/// Things joined by commas and an `and`; some of them only, if there are many.
pub(super) fn list(mut things: Vec<String>) -> String {
    const MOST: usize = 4;
    if things.len() > MOST {
        let more = things.len() - MOST + 1;
        things.truncate(MOST - 1);
        things.push(format!("{more} more"));
    }
    match things.pop() {
        None => "nothing".to_owned(),
        Some(last) if things.is_empty() => last,
        Some(last) => format!("{} and {last}", things.join(", ")),
    }
}

/// With a capital letter, unless it begins with a name: those of jobs, nodes and owners stay as they are.
pub(super) fn sentence(text: &str) -> String {
    const OURS: [&str; 5] = ["the ", "guest ", "request ", "copy ", "section "];
    if !OURS.iter().any(|word| text.starts_with(word)) {
        return text.to_owned();
    }
    capital(text)
}

/// With a capital letter.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next();
    first.map_or(String::new(), |first| {
        first.to_uppercase().to_string() + letters.as_str()
    })
}
