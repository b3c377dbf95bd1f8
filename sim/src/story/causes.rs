//! Where it went wrong, as far as the facts show.
//!
//! Each of these looks for one way in which things go wrong, in what has happened and not in what was
//! said about it: so they hold for whichever checker has failed.

mod lost;

use super::content::Contents;
use super::facts::{By, Copy, Facts, Io, Moment, Section};
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
        let Some(established) = section.established else {
            continue;
        };
        let name = facts.section_name(section);
        for io in section.left_in_flight.iter().map(|io| &facts.ios[*io]) {
            let io_name = facts.io_name(io);
            let text = format!("{name} is established although {io_name} is in flight.");
            causes.push(Cause::plain(text, established, since(facts, section, io)));
        }
        let ios = facts.ios_at(&section.node);
        let first = ios.partition_point(|io| facts.ios[*io].begun <= established);
        let later = ios[first..].iter().map(|io| &facts.ios[*io]);
        for io in later.take_while(|io| holds(section, io.begun)) {
            let text = format!(
                "At {} {} begins at {}, although {name} has it drained.",
                ms(io.begun.at_ns),
                facts.io_name(io),
                io.node
            );
            causes.push(Cause::plain(text, io.begun, since(facts, section, io)));
        }
    }
}

/// Where the story of a request and a section begins.
fn since(facts: &Facts, section: &Section, io: &Io) -> Moment {
    let asked = match io.by {
        By::Guest(request) => facts.requests[request].asked,
        _ => section.begun,
    };
    asked.min(section.begun)
}

/// Two copies of one granule are under way at a time.
fn overlapping_copies(facts: &Facts, focus: &Focus, causes: &mut Vec<Cause>) {
    let at_place = |copy: &&Copy| {
        focus.place.is_none_or(|place| copy.span.overlaps(place)) && focus.jobs.contains(&copy.job)
    };
    let copies = facts.copies.iter().filter(at_place);
    // Those that have not ended when the next one begins.
    let mut open: Vec<&Copy> = Vec::new();
    for later in copies {
        open.retain(|earlier| earlier.done.is_none_or(|done| later.claimed < done));
        let mut earlier = open.iter();
        let earlier =
            earlier.find(|earlier| earlier.job == later.job && earlier.span.overlaps(later.span));
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
        open.push(later);
    }
}

/// The completion of a job begins in a drained section of somebody else.
fn completions_inside(facts: &Facts, causes: &mut Vec<Cause>) {
    for job in &facts.jobs {
        let nodes = &job.nodes;
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
