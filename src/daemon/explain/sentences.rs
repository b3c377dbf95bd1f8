//! What is known of a job, as sentences on one screen.

use blockjob_jobs::error_policy::IoOperation;
use blockjob_jobs::mirror::conflicts::OperationKind;
use blockjob_jobs::state::JobStatus;

use super::words::{self, count, size, span};
use crate::qapi::types::explain::{
    XBlockRequest, XDrainedSection, XJobCancel, XJobExplanation, XJobMirror, XJobPauseBy, XJobWait,
};

/// So many lines are a screen.
const MAX_LINES: usize = 24;
/// So many characters are a line.
const MAX_COLUMNS: usize = 100;
/// So many lines are said of whether a mirror catches up.
pub(super) const MAX_CONVERGENCE: usize = 3;
/// So many links of a chain are told.
const MAX_LINKS: usize = 7;
/// So many drained sections are told.
const MAX_SECTIONS: usize = 4;
/// So many requests are told.
const MAX_REQUESTS: usize = 3;

/// The explanation in lines. `convergence` are those that tell whether a mirror catches up.
pub(super) fn sentences(
    explanation: &XJobExplanation,
    convergence: Option<Vec<String>>,
) -> Vec<String> {
    let mut screen = Screen::default();
    screen.say(&head(explanation));
    if let Some(mirror) = &explanation.mirror {
        work(&mut screen, mirror);
    }
    for line in convergence.into_iter().flatten().take(MAX_CONVERGENCE) {
        screen.say(&line);
    }
    stop(&mut screen, explanation);
    requested(&mut screen, explanation);
    chain(&mut screen, explanation);
    sections(&mut screen, &explanation.sections);
    requests(&mut screen, &explanation.requests);
    screen.finish()
}

/// The explanation in one line.
pub(super) fn summary(explanation: &XJobExplanation) -> String {
    let mut text = format!(
        "{}: {}, {} for {}",
        explanation.id,
        explanation.job_type,
        explanation.status,
        span(explanation.since_ms)
    );
    if explanation.total_progress > 0 {
        let percent = u128::from(explanation.current_progress) * 100;
        text += &format!(", {} %", percent / u128::from(explanation.total_progress));
    }
    let Some(last) = explanation.waits_for.last() else {
        return shortened(text);
    };
    text += "; waits for ";
    let whole = format!("{text}{}", told(last));
    if whole.chars().count() <= MAX_COLUMNS {
        return whole;
    }
    shortened(text + &last.waits_for)
}

/// Lines that are being filled.
#[derive(Default)]
struct Screen {
    lines: Vec<String>,
}

impl Screen {
    /// Adds a sentence, over as many lines as it takes; those after the first one are indented.
    fn say(&mut self, sentence: &str) {
        self.lay("", sentence);
    }

    fn lay(&mut self, indent: &str, sentence: &str) {
        let mut line = indent.to_owned();
        let mut empty = true;
        for word in sentence.split(' ') {
            let used = line.chars().count();
            if !empty && used + 1 + word.chars().count() > MAX_COLUMNS {
                self.lines.push(std::mem::take(&mut line));
                line = format!("{indent}  ");
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.lines.push(line);
    }

    /// The lines, as many as there is room for, none too long.
    fn finish(mut self) -> Vec<String> {
        if self.lines.len() > MAX_LINES {
            self.lines.truncate(MAX_LINES - 1);
            self.lines
                .push("There is more, which --json shows.".to_owned());
        }
        self.lines.into_iter().map(shortened).collect()
    }
}

fn shortened(line: String) -> String {
    if line.chars().count() <= MAX_COLUMNS {
        return line;
    }
    let short: String = line.chars().take(MAX_COLUMNS - 3).collect();
    short + "..."
}

fn head(explanation: &XJobExplanation) -> String {
    let age = span(explanation.since_ms);
    let (id, job_type) = (&explanation.id, explanation.job_type);
    let mut text = format!(
        "Job '{id}' ({job_type}) is {}, {age} so far",
        explanation.status
    );
    match &explanation.error {
        Some(error) => text += &format!("; it has failed: {error}"),
        None if explanation.status == JobStatus::Concluded => text += "; it has ended well",
        None => {}
    }
    text + "."
}

fn work(screen: &mut Screen, mirror: &XJobMirror) {
    if let (Some(source), Some(target)) = (&mirror.source, &mirror.target) {
        let under_way = match mirror.in_flight {
            0 => "no copy is under way".to_owned(),
            number => {
                let copies = count(number, "copy is", "copies are");
                format!("{copies} under way ({})", size(mirror.in_flight_bytes))
            }
        };
        screen.say(&format!(
            "It copies node '{source}' to node '{target}': {} of {} are dirty, {under_way}.",
            size(mirror.dirty_bytes),
            size(mirror.len)
        ));
    }
    if let Some(verified_bytes) = mirror.verified_bytes {
        let percent = u128::from(verified_bytes) * 100 / u128::from(mirror.len.max(1));
        screen.say(&format!(
            "It is verifying, {percent} %: both sides are read back and compared, and the guest waits."
        ));
    }
    if mirror.recopied_bytes > 0 {
        screen.say(&format!(
            "{} had to be copied again: somebody wrote there, or the copy failed.",
            size(mirror.recopied_bytes)
        ));
    }
    if let (Some(text), Some(since_ms)) = (&mirror.last_error, mirror.last_error_since_ms) {
        screen.say(&format!(
            "Its last error, {} ago: a {text}.",
            span(since_ms)
        ));
    }
    active_writes(screen, mirror);
    if let (Some(step), Some(means), Some(since_ms)) =
        (&mirror.step, &mirror.step_means, mirror.step_since_ms)
    {
        let since = span(since_ms);
        screen.say(&format!("Its last step is {step} ({means}), {since} ago."));
    }
}

/// The writes of guests that go to both sides.
fn active_writes(screen: &mut Screen, mirror: &XJobMirror) {
    let operations = mirror.operations.iter();
    let active = operations.filter(|it| it.kind == OperationKind::ActiveWrite);
    let active: Vec<_> = active.collect();
    if active.is_empty() {
        return;
    }
    let number = count(
        active.len() as u64,
        "write of a guest goes",
        "writes of guests go",
    );
    let mut text = format!("{number} to both sides");
    let waiting = active.iter().filter(|it| it.waits_for.is_some()).count();
    if waiting > 0 {
        text += &format!(", {waiting} of them after a copy or a write of the same place");
    }
    let let_go = active.iter().filter(|it| it.let_go).count();
    if let_go > 0 {
        text += &format!(", {let_go} of them answered before the target was");
    }
    screen.say(&format!("{text}."));
}

fn stop(screen: &mut Screen, explanation: &XJobExplanation) {
    let Some(stop) = &explanation.stop else {
        return;
    };
    let mirror = explanation.mirror.as_ref();
    let (what, node) = match stop.operation {
        IoOperation::Read => ("read from", mirror.and_then(|it| it.source.as_deref())),
        IoOperation::Write => ("write to", mirror.and_then(|it| it.target.as_deref())),
    };
    let node = node.map_or("its disk".to_owned(), |node| format!("node '{node}'"));
    screen.say(&format!(
        "A {what} {node} failed {} ago, and its error policy stopped it: {}.",
        span(stop.since_ms),
        stop.error
    ));
}

fn requested(screen: &mut Screen, explanation: &XJobExplanation) {
    let requested = &explanation.requested;
    for pause in &requested.pauses {
        let since = pause.since_ms.map(|ms| format!(", {} so far", span(ms)));
        let since = since.unwrap_or_default();
        screen.say(&match pause.by {
            XJobPauseBy::Start => "It has not been started.".to_owned(),
            _ => format!("It is asked to stand still by {}{since}.", pause.who),
        });
    }
    let mut asked = Vec::new();
    if requested.complete {
        asked.push("complete");
    }
    match requested.cancel {
        Some(XJobCancel::Soft) => asked.push("end as a copy of this moment (cancel)"),
        Some(XJobCancel::Force) => asked.push("abandon its work (cancel by force)"),
        None => {}
    }
    if !asked.is_empty() {
        screen.say(&format!(
            "The user has told it to {}.",
            asked.join(", and to ")
        ));
    }
    if requested.pauses.is_empty() && asked.is_empty() {
        screen.say("Nobody has asked anything of it that is not done.");
    }
}

/// What is waited for, with what has to happen.
fn told(link: &XJobWait) -> String {
    match &*link.why {
        "" => link.waits_for.clone(),
        why => format!("{} {why}", link.waits_for),
    }
}

fn chain(screen: &mut Screen, explanation: &XJobExplanation) {
    let links = &explanation.waits_for;
    let first = links.first().map(|link| link.who.clone());
    let mut before: Option<&XJobWait> = None;
    for (index, link) in links.iter().take(MAX_LINKS).enumerate() {
        let stop = match links.get(index + 1) {
            Some(next) if goes_on(next, link) => ",",
            _ => ".",
        };
        let age = link.since_ms.map(|ms| format!(" ({} so far)", span(ms)));
        let text = format!("{}{}{stop}", told(link), age.unwrap_or_default());
        match before {
            Some(before) if goes_on(link, before) => {
                screen.lay("  ", &format!("which waits for {text}"));
            }
            Some(_) if Some(&link.who) == first.as_ref() => {
                screen.say(&format!("It also waits for {text}"));
            }
            _ => screen.say(&format!("It waits for {text}")),
        }
        before = Some(link);
    }
    if links.len() > MAX_LINKS {
        let more = links.len() - MAX_LINKS;
        screen.lay(
            "  ",
            &format!(
                "and so on, {}.",
                count(more as u64, "link more", "links more")
            ),
        );
    }
    for link in links {
        if let Some(remedy) = &link.remedy {
            screen.say(&format!("What to do: {remedy}."));
        }
    }
}

/// Whether `next` begins where `link` ends.
fn goes_on(next: &XJobWait, link: &XJobWait) -> bool {
    next.who == link.waits_for
}

fn sections(screen: &mut Screen, sections: &[XDrainedSection]) {
    for section in sections.iter().take(MAX_SECTIONS) {
        let mut text = words::section_of(&section.owner, &section.node);
        text.replace_range(..1, "T");
        let state = match section.established {
            true => "is open",
            false => "is to begin",
        };
        text += &format!(" {state}, {} so far", span(section.since_ms));
        if section.held_back > 0 {
            let requests = count(section.held_back, "request waits", "requests wait");
            text += &format!("; {requests} for its end");
        }
        screen.say(&format!("{text}."));
    }
    if sections.len() > MAX_SECTIONS {
        let more = sections.len() - MAX_SECTIONS;
        let more = count(more as u64, "drained section is", "drained sections are");
        screen.say(&format!("{more} open besides."));
    }
}

fn requests(screen: &mut Screen, requests: &[XBlockRequest]) {
    if requests.is_empty() {
        return;
    }
    let number = count(requests.len() as u64, "request is", "requests are");
    screen.say(&format!(
        "{number} under way at its nodes and below; the oldest:"
    ));
    for request in requests.iter().take(MAX_REQUESTS) {
        screen.lay(
            "  ",
            &format!(
                "{} #{} at node '{}', {} at {}, {} so far{}",
                words::kind(request.operation),
                request.id,
                request.node,
                size(request.bytes),
                request.offset,
                span(request.since_ms),
                match request.waits_for {
                    Some(other) => format!(", after #{other}"),
                    None => String::new(),
                }
            ),
        );
    }
}
