//! What a place of a disk holds, and where it came from.
//!
//! Each change of a disk is followed from where it began: a guest's write puts its own data there, and a
//! copy what its read had found. So it can be told which write is missing on which disk.

use std::collections::BTreeMap;

use super::facts::{By, DiskOp, Facts, Moment, Span};
use crate::event::DiskKind;

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What was there in the beginning.
    Initial,
    /// What a request of a guest put there, by its place in the list.
    Written(usize),
    /// What somebody else put there.
    Foreign,
}

/// A change of the place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) at: Moment,
    pub(super) content: Content,
    /// The copy that brought it, if one did.
    pub(super) copy: Option<usize>,
}

/// How the contents of one place went over the disks.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// All changes of each disk, in order.
    pub(super) changes: BTreeMap<&'static str, Vec<Change>>,
    /// What each read and write had in it, by its place in the list.
    pub(super) carried: BTreeMap<usize, Content>,
    /// When each copy read the place.
    pub(super) reads: BTreeMap<usize, Moment>,
}

impl Contents {
    /// Follows the place `span` through `facts`.
    pub(super) fn follow(facts: &Facts, span: Span) -> Contents {
        let mut contents = Contents::default();
        let mut read: BTreeMap<usize, Content> = BTreeMap::new();
        let mut landed: Vec<_> = facts.disk_ops.iter().enumerate().collect();
        landed.retain(|(_, op)| op.span.overlaps(span) && op.landed.is_some_and(|it| !it.1));
        landed.sort_by_key(|(_, op)| op.landed.map(|(at, _)| at.seq));
        for (index, op) in landed {
            let Some((at, _)) = op.landed else { continue };
            match op.kind {
                DiskKind::Read => {
                    let found = contents.on(op.disk);
                    contents.carried.insert(index, found);
                    if let By::Copy(copy) = op.by {
                        read.insert(copy, found);
                        contents.reads.insert(copy, at);
                    }
                }
                DiskKind::Write | DiskKind::Zero | DiskKind::Discard => {
                    let content = content_of(op, &read);
                    contents.carried.insert(index, content);
                    let changes = contents.changes.entry(op.disk).or_default();
                    changes.push(Change {
                        at,
                        content,
                        copy: match op.by {
                            By::Copy(copy) => Some(copy),
                            _ => None,
                        },
                    });
                }
                DiskKind::Flush | DiskKind::Status => {}
            }
        }
        contents
    }

    /// What `disk` holds in the end.
    pub(super) fn on(&self, disk: &str) -> Content {
        self.last(disk)
            .map_or(Content::Initial, |change| change.content)
    }

    /// The last change of `disk`.
    pub(super) fn last(&self, disk: &str) -> Option<Change> {
        self.changes.get(disk)?.last().copied()
    }
}

fn content_of(op: &DiskOp, read: &BTreeMap<usize, Content>) -> Content {
    match op.by {
        By::Guest(request) => Content::Written(request),
        // Zeroes are not read before they are written: what they stand for is not known here.
        By::Copy(copy) => read.get(&copy).copied().unwrap_or(Content::Foreign),
        _ => Content::Foreign,
    }
}

impl Facts {
    /// What a place holds, in words.
    pub(super) fn content(&self, content: Content) -> String {
        match content {
            Content::Initial => "what was there in the beginning".to_owned(),
            Content::Written(request) => {
                format!("what request {} wrote", self.requests[request].id)
            }
            Content::Foreign => "zeroes".to_owned(),
        }
    }
}
