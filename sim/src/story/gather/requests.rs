//! Nodes: requests there, drained sections, filters and pivots.

use std::rc::Rc;

use blockjob_block::request::{ALL_NODES, BlockTrace, RequestKind};

use super::Gather;
use crate::event::GuestKind;
use crate::record::Entry;
use crate::story::facts::{By, Io, Moment, Pivot, Section, Span};

/// Added to the number of a request at a filter, which is told as one of the node below: the two count
/// for themselves.
const AT_FILTER: u64 = 1 << 40;

impl Gather<'_> {
    pub(super) fn block(&mut self, at: Moment, entry: &Entry, trace: &BlockTrace) {
        match trace {
            BlockTrace::RequestBegin {
                node,
                id,
                kind,
                offset,
                bytes,
            } => {
                let span = Span {
                    offset: *offset,
                    bytes: *bytes,
                };
                let by = self.serve(entry, span, |asked| is_for(*kind, asked));
                let (node, id) = self.place(node, *id);
                if id < AT_FILTER && self.came_through_filter(&node, &by, span) {
                    return;
                }
                self.request_begins(Io {
                    node,
                    context: entry.context.clone(),
                    id,
                    kind: *kind,
                    span,
                    begun: at,
                    ended: None,
                    by,
                });
            }
            BlockTrace::RequestEnd { node, id, .. } => self.request_ends(at, node, *id),
            BlockTrace::DrainBegin {
                node,
                section,
                owner,
            } => {
                let in_flight = self.in_flight(node, &entry.context);
                let section = self.facts.add_section(Section {
                    context: entry.context.clone(),
                    id: *section,
                    node: node.clone(),
                    owner,
                    begun: at,
                    established: None,
                    ended: None,
                    in_flight,
                    left_in_flight: Vec::new(),
                });
                self.open.sections.insert(section);
            }
            BlockTrace::Drained { section, .. } => {
                if let Some(index) = self.open_section(entry, *section) {
                    self.section_established(at, index);
                }
            }
            BlockTrace::DrainEnd { section, .. } => {
                if let Some(index) = self.open_section(entry, *section) {
                    self.facts.sections[index].ended = Some(at);
                    self.facts.ended_sections.push(index);
                    self.open.sections.remove(&index);
                }
            }
            BlockTrace::ReplaceNode { from, to } => self.replaced(at, from, to),
        }
    }

    fn request_begins(&mut self, io: Io) {
        if let By::Guest(request) = io.by {
            self.open.requests.remove(&request);
        }
        let index = self.facts.add_io(io);
        self.open.ios.insert(index);
    }

    fn request_ends(&mut self, at: Moment, node: &Rc<str>, id: u64) {
        let (node, id) = self.place(node, id);
        let mut open = self.open.ios.iter().rev().copied();
        let ended = open.find(|io| {
            let io = &self.facts.ios[*io];
            io.id == id && io.node == node
        });
        if let Some(index) = ended {
            self.facts.ios[index].ended = Some(at);
            self.open.ios.remove(&index);
        }
    }

    /// A filter comes or goes, which nobody sees; or the users of a node get another.
    fn replaced(&mut self, at: Moment, from: &Rc<str>, to: &Rc<str>) {
        if self.filters.get(from) == Some(to) {
            self.filters.remove(from);
        } else if to.starts_with('#') {
            // Only what nobody has named is a filter of a job here.
            self.filters.insert(to.clone(), from.clone());
        } else {
            self.facts.pivots.push(Pivot {
                at,
                from: from.clone(),
                to: to.clone(),
            });
        }
    }

    /// Where a request is told to be, and its number there.
    fn place(&self, node: &Rc<str>, id: u64) -> (Rc<str>, u64) {
        match self.filters.get(node) {
            Some(below) => (below.clone(), id | AT_FILTER),
            None => (node.clone(), id),
        }
    }

    /// Whether a request that begins at `node` is one of a guest which was seen at the filter above.
    fn came_through_filter(&self, node: &Rc<str>, by: &By, span: Span) -> bool {
        let mut open = self.open.ios.iter().map(|io| &self.facts.ios[*io]);
        open.any(|io| io.id >= AT_FILTER && io.node == *node && io.by == *by && io.span == span)
    }

    /// The requests that are in flight at `node`, which may be all nodes of `context`.
    fn in_flight(&self, node: &str, context: &str) -> Vec<usize> {
        let open = self.open.ios.iter().copied();
        let reaches = |index: &usize| {
            let io = &self.facts.ios[*index];
            *io.node == *node || (*node == *ALL_NODES && *io.context == *context)
        };
        open.filter(reaches).collect()
    }

    fn section_established(&mut self, at: Moment, index: usize) {
        let Section { node, context, .. } = &self.facts.sections[index];
        // A section of all nodes is held against none of them.
        let left_in_flight = match &**node {
            ALL_NODES => Vec::new(),
            node => self.in_flight(node, context),
        };
        let section = &mut self.facts.sections[index];
        section.left_in_flight = left_in_flight;
        section.established = Some(at);
    }

    /// The section of the number `id` in the context of `entry`: each context counts its own from 1.
    fn open_section(&self, entry: &Entry, id: u64) -> Option<usize> {
        let mut open = self.open.sections.iter().rev().copied();
        open.find(|section| {
            let section = &self.facts.sections[*section];
            section.id == id && section.context == entry.context
        })
    }
}

/// Whether a request of `kind` at a node is what becomes of what a guest has asked.
fn is_for(kind: RequestKind, asked: GuestKind) -> bool {
    match kind {
        RequestKind::Read => asked == GuestKind::Read,
        RequestKind::Write => matches!(asked, GuestKind::Write | GuestKind::Zero),
        RequestKind::Discard => asked == GuestKind::Discard,
        RequestKind::Truncate => false,
    }
}
