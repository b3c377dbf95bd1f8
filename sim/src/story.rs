//! The story of a run: who did what, who waited for whom, and where it went wrong.
//!
//! A story is told from a [`Record`], in sentences. The long form tells everything. The short form is a
//! slice: what touches the place that the failure is about, the turns in the lives of its jobs, and no
//! more of what was before than is needed. Both end with *where it went wrong*, which is found in what
//! has happened, and not in the words of the checker that has failed.

mod actors;
mod causes;
mod chronicle;
mod content;
mod facts;
mod focus;
mod gather;
mod queue;
mod waiting;
mod words;

use std::collections::BTreeSet;
use std::fmt;

use crate::failure::{Failure, Rule};
use crate::record::Record;
pub(crate) use actors::actors;
use chronicle::{Sentence, Weight};
use content::Contents;
pub use facts::Moment;
use focus::Focus;
pub(crate) use words::command;

/// So many lines has a short story, at most.
const SHORT_LINES: usize = 48;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// What touches the failure.
    Short,
    /// Everything.
    Long,
}

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it happened.
    pub at: Moment,
    /// What happened.
    pub text: String,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Story {
    /// How the run failed, if it did.
    pub failure: Option<Failure>,
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// So many sentences were left out, because they do not touch the failure.
    pub left_out: usize,
    /// Where it went wrong, as far as can be seen.
    pub causes: Vec<String>,
    /// The first of them in one sentence, and when it was.
    pub wrong: Option<Line>,
    /// What is not over in the end, and who waits for whom; not told where only content is wrong.
    pub waiting: Vec<String>,
    /// So many events came before the record begins.
    pub lost: u64,
    ended_ns: u64,
}

impl Story {
    /// The story of `record`.
    pub fn of(record: &Record, length: Length) -> Story {
        let facts = gather::gather(&record.entries);
        let failure = record.report.failure.clone();
        let focus = failure
            .as_ref()
            .map(|failure| Focus::of(failure, &record.config, &facts));
        let contents = focus
            .as_ref()
            .and_then(|focus| focus.place)
            .map(|place| Contents::follow(&facts, place));
        let causes = match &focus {
            Some(focus) => causes::find(&facts, focus, contents.as_ref()),
            None => Vec::new(),
        };
        let mut sentences = chronicle::tell(&facts, contents.as_ref());
        let all = sentences.len();
        if let (Length::Short, Some(focus)) = (length, &focus) {
            let since = causes.iter().map(|cause| cause.since).min();
            shorten(&mut sentences, focus, since);
        }
        let waiting = match (&failure, &focus) {
            // What a disk holds is wrong for other reasons than that somebody waits.
            (Some(failure), Some(focus))
                if !matches!(failure.rule, Rule::Data | Rule::Dirty | Rule::Active) =>
            {
                waiting::tell(&facts, focus)
            }
            _ => Vec::new(),
        };
        let mut lines: Vec<_> = sentences.into_iter().map(line).collect();
        let left_out = all - lines.len();
        lines.extend(failure.as_ref().zip(facts.end).map(|(failure, at)| Line {
            at,
            text: format!("Here {} is broken: {}.", failure.rule, failure.place),
        }));
        let wrong = causes.first().map(|cause| Line {
            at: cause.at,
            text: cause.sentence.clone(),
        });
        let mut told = BTreeSet::new();
        let texts = causes.into_iter().map(|cause| cause.text);
        let texts = texts.filter(|text| told.insert(text.clone())).collect();
        Story {
            failure,
            left_out,
            lines,
            causes: texts,
            wrong,
            waiting,
            lost: record.lost,
            ended_ns: facts.end_ns(),
        }
    }
}

fn line(sentence: Sentence) -> Line {
    Line {
        at: sentence.at,
        text: sentence.text,
    }
}

/// Leaves the sentences that touch `focus`: turns of its jobs from the beginning, all else from `since`.
fn shorten(sentences: &mut Vec<Sentence>, focus: &Focus, since: Option<Moment>) {
    let since = since.map_or(0, |at| at.seq);
    sentences.retain(|sentence| {
        let about = &sentence.about;
        let touches = match (focus.place, about.span) {
            (Some(place), Some(span)) => span.overlaps(place),
            (None, Some(_)) => true,
            (_, None) => about
                .node
                .as_ref()
                .is_none_or(|node| focus.nodes.contains(node)),
        };
        let ours = about.job.is_none_or(|job| focus.jobs.contains(&job));
        let told = match sentence.weight {
            Weight::Turn => true,
            Weight::Plain => sentence.at.seq >= since,
            Weight::Detail => false,
        };
        touches && ours && told
    });
    // What is too much is left out where it is oldest, but for the turns.
    let mut excess = sentences.len().saturating_sub(SHORT_LINES);
    sentences.retain(|sentence| {
        let kept = excess == 0 || sentence.weight == Weight::Turn;
        excess -= usize::from(!kept);
        kept
    });
}

impl Story {
    /// The story without its first line, which says how the run failed.
    pub fn body(&self) -> impl fmt::Display {
        Body(self)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            Some(failure) => writeln!(f, "{failure}")?,
            None => writeln!(f, "Nothing went wrong.")?,
        }
        writeln!(f)?;
        Body(self).fmt(f)
    }
}

struct Body<'a>(&'a Story);

impl fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let story = self.0;
        if story.lost > 0 {
            writeln!(f, "The record begins after {} events.", story.lost)?;
        }
        for line in &story.lines {
            let at_ms = line.at.at_ns as f64 / 1e6;
            wrap(f, &format!("{at_ms:>10.3} ms  "), &line.text)?;
        }
        if story.left_out > 0 {
            let left_out = words::count(story.left_out, "sentence");
            wrap(f, &" ".repeat(15), &format!("({left_out} left out.)"))?;
        }
        section(f, "Where it went wrong:", &story.causes)?;
        let ended = words::ms(story.ended_ns);
        section(f, &format!("In the end, at {ended}:"), &story.waiting)
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    lines.iter().try_for_each(|line| wrap(f, "  - ", line))
}

/// Writes `text` in lines of a hundred columns, after `lead` and below itself.
fn wrap(f: &mut fmt::Formatter<'_>, lead: &str, text: &str) -> fmt::Result {
    const COLUMNS: usize = 100;
    let mut column = lead.len();
    write!(f, "{lead}")?;
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 && column + 1 + word.len() > COLUMNS {
            write!(f, "\n{}", " ".repeat(lead.len()))?;
            column = lead.len();
        } else if index > 0 {
            write!(f, " ")?;
            column += 1;
        }
        write!(f, "{word}")?;
        column += word.len();
    }
    writeln!(f)
}
