//! Where it went wrong, as far as the facts show.
//!
//! Each of these looks for one way in which things go wrong, in what has happened and not in what was
//! said about it: so they hold for whichever checker has failed.

mod lost;

use super::content::Contents;
use super::facts::{By, Facts, Moment, Section};
use super::focus::Focus;
use super::words::{ms, range};

/// One thing that went wrong.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    pub(super) text: String,
    /// The same in one sentence.
    pub(super) sentence: String,
    /// When it went wrong: before that all was still well.
    pub(super) at: Moment,
    /// The story begins here at the latest.
    pub(super) since: Moment,
}

impl Cause {
    /// One that is told in one sentence.
    fn plain(text: String, at: Moment, since: Moment) -> Cause {
        let text = super::words::sentence(&text);
        Cause {
            sentence: text.clone(),
            text,
            at,
            since,
        }
    }
}

/// What went wrong: first the rules that were broken, then what came of it.
pub(super) fn find(facts: &Facts, focus: &Focus, contents: Option<&Contents>) -> Vec<Cause> {
    let mut causes = Vec::new();
    inside_sections(facts, &mut causes);
    overlapping_copies(facts, focus, &mut causes);
    completions_inside(facts, &mut causes);
    if let Some(contents) = contents {
        lost::find(facts, contents, &mut causes);
    }
    causes
}

/// Whether the section holds `at`.
fn holds(section: &Section, at: Moment) -> bool {
    let established = section.established.is_some_and(|begun| begun < at);
    established && section.ended.is_none_or(|ended| at < ended)
}

/// A request begins in a drained section, or is in flight when one is established.
fn inside_sections(facts: &Facts, causes: &mut Vec<Cause>) {
    for section in &facts.sections {
        let ios = facts.ios.iter().filter(|io| io.node == section.node);
        for io in ios {
            let (io_name, name) = (facts.io_name(io), facts.section_name(section));
            let over = section
                .established
                .is_some_and(|at| io.begun < at && io.ended.is_none_or(|ended| at < ended));
            let (at, text) = if holds(section, io.begun) {
                let text = format!(
                    "At {} {io_name} begins at {}, although {name} has it drained.",
                    ms(io.begun.at_ns),
                    io.node
                );
                (io.begun, text)
            } else if let (true, Some(at)) = (over, section.established) {
                let text = format!("{name} is established although {io_name} is in flight.");
                (at, text)
            } else {
                continue;
            };
            let since = match io.by {
                By::Guest(request) => facts.requests[request].asked,
                _ => section.begun,
            };
            causes.push(Cause::plain(text, at, since.min(section.begun)));
        }
    }
}

/// Two copies of one granule are under way at a time.
fn overlapping_copies(facts: &Facts, focus: &Focus, causes: &mut Vec<Cause>) {
    let at_place = |copy: &&super::facts::Copy| {
        focus.place.is_none_or(|place| copy.span.overlaps(place)) && focus.jobs.contains(&copy.job)
    };
    let copies: Vec<_> = facts.copies.iter().filter(at_place).collect();
    for (index, later) in copies.iter().enumerate() {
        let earlier = copies[..index].iter().find(|earlier| {
            earlier.job == later.job
                && earlier.span.overlaps(later.span)
                && earlier.done.is_none_or(|done| later.claimed < done)
        });
        if let Some(earlier) = earlier {
            let text = format!(
                "Two copies of {} are under way at a time: copy {} begins at {}, when copy {} has not ended.",
                range(later.span),
                later.number,
                ms(later.claimed.at_ns),
                earlier.number
            );
            causes.push(Cause::plain(text, later.claimed, earlier.claimed));
        }
    }
}

/// The completion of a job begins in a drained section of somebody else.
fn completions_inside(facts: &Facts, causes: &mut Vec<Cause>) {
    for (index, job) in facts.jobs.iter().enumerate() {
        let nodes = facts.nodes_of_job(index);
        for (at, news) in &job.news {
            if !matches!(news, super::facts::JobNews::DeferredStart) {
                continue;
            }
            let foreign = facts.sections.iter().find(|section| {
                holds(section, *at)
                    && nodes.contains(&section.node)
                    && !section.owner.starts_with("mirror")
            });
            if let Some(section) = foreign {
                let name = facts.section_name(section);
                let text = format!(
                    "The completion of {} begins at {} while {} is drained by somebody else: {name}.",
                    job.name,
                    ms(at.at_ns),
                    section.node
                );
                causes.push(Cause::plain(text, *at, section.begun));
            }
        }
    }
}
