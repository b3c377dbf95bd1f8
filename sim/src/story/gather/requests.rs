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
            } => self.section_begins(at, node, *section, owner),
            BlockTrace::Drained { section, .. } => self.section_established(at, *section),
            BlockTrace::DrainEnd { section, .. } => self.section_ends(at, *section),
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

    /// The requests that are in flight at `node`, which may be all nodes.
    fn in_flight(&self, node: &str) -> Vec<usize> {
        let open = self.open.ios.iter().copied();
        let reaches = |io: &usize| *self.facts.ios[*io].node == *node || *node == *ALL_NODES;
        open.filter(reaches).collect()
    }

    fn section_begins(&mut self, at: Moment, node: &Rc<str>, id: u64, owner: &'static str) {
        self.open.sections.insert(self.facts.sections.len());
        self.facts.sections.push(Section {
            id,
            node: node.clone(),
            owner,
            begun: at,
            established: None,
            ended: None,
            in_flight: self.in_flight(node),
            left_in_flight: Vec::new(),
        });
    }

    fn section_established(&mut self, at: Moment, id: u64) {
        let Some(index) = self.open_section(id) else {
            return;
        };
        // A section of all nodes is held against none of them.
        let node = self.facts.sections[index].node.clone();
        if *node != *ALL_NODES {
            self.facts.sections[index].left_in_flight = self.in_flight(&node);
        }
        self.facts.sections[index].established = Some(at);
    }

    fn section_ends(&mut self, at: Moment, id: u64) {
        if let Some(index) = self.open_section(id) {
            self.facts.sections[index].ended = Some(at);
            self.facts.ended_sections.push(index);
            self.open.sections.remove(&index);
        }
    }

    fn open_section(&self, id: u64) -> Option<usize> {
        let mut open = self.open.sections.iter().rev().copied();
        open.find(|section| self.facts.sections[*section].id == id)
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
