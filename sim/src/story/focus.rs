//! What a failure is about: a place of the disk, jobs, nodes, sections.
//!
//! Failures say so in words, and the words of all checkers follow one pattern: `at` stands before an
//! offset in bytes, and the parties are names of jobs, nodes, disks and owners of sections.

use std::rc::Rc;

use super::facts::{Facts, Span};
use crate::config::{Config, Field};
use crate::disk::UNIT_BYTES;
use crate::failure::{Failure, Rule};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Focus {
    /// A place of a disk.
    pub(super) place: Option<Span>,
    /// Jobs, by their places in the list; all of them if none was named.
    pub(super) jobs: Vec<usize>,
    /// Nodes; those of the jobs if none was named.
    pub(super) nodes: Vec<Rc<str>>,
}

impl Focus {
    /// Of `failure`, in a run that was told `config`.
    pub(super) fn of(failure: &Failure, config: &Config, facts: &Facts) -> Focus {
        let place = match failure.rule {
            Rule::Data | Rule::Active => offset_in(&failure.text).map(|offset| Span {
                offset,
                bytes: UNIT_BYTES,
            }),
            Rule::Dirty | Rule::Inflight => offset_in(&failure.text).map(|offset| Span {
                offset,
                bytes: config.get(Field::Granularity),
            }),
            _ => None,
        };
        let named = |name: &str| {
            let mut parties = failure.parties.iter();
            parties.any(|party| party == name) || failure.text.contains(&format!("'{name}'"))
        };
        let all = 0..facts.jobs.len();
        let mut jobs: Vec<_> = all
            .clone()
            .filter(|job| named(&facts.jobs[*job].name))
            .collect();
        if jobs.is_empty() {
            jobs = all.collect();
        }
        let known = facts.nodes.iter().map(|node| &node.name);
        let mut nodes: Vec<Rc<str>> = known.filter(|name| named(name)).cloned().collect();
        if nodes.is_empty() {
            let of_jobs = jobs.iter().flat_map(|job| &facts.jobs[*job].nodes);
            nodes = of_jobs.cloned().collect();
        }
        Focus { place, jobs, nodes }
    }
}

/// The number after the first `at` that has one; but what a guest finds may name another place before, and
/// then the one where it was found stands last before what might be there.
fn offset_in(text: &str) -> Option<u64> {
    match text.split_once(", where") {
        Some((found, _)) => offsets_in(found).last(),
        None => offsets_in(text).next(),
    }
}

fn offsets_in(text: &str) -> impl Iterator<Item = u64> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric());
    let pairs = words.clone().zip(words.skip(1));
    let after_at = pairs.filter(|(word, _)| *word == "at");
    after_at.filter_map(|(_, number)| number.parse().ok())
}
