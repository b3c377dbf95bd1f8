//! Facts from a record.
//!
//! For whom a request is made is seen by its coroutine: a guest's lane, or a copy of a job, makes a
//! coroutine for each request, and that is in the record. Only the other end of a ring has no parent;
//! what it serves is told by what it asks.

use std::collections::BTreeMap;
use std::rc::Rc;

use blockjob_block::request::{ALL_NODES, BlockTrace, RequestKind};
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace};
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use super::facts::{
    By, Copy, Deed, DiskOp, Facts, GuestRequest, Io, JobNews, Moment, Pivot, Section, Span,
};
use crate::event::{DiskEvent, DiskKind, DiskWhat, GuestEvent, GuestKind, GuestWhat};
use crate::record::{Entry, Record, RuntimeEvent, What, Who};

/// What `record` says.
pub(super) fn gather(record: &Record) -> Facts {
    let mut gather = Gather::default();
    for (index, entry) in record.entries.iter().enumerate() {
        gather.entry(entry, &record.entries[index + 1..]);
    }
    Facts {
        works_for: gather.by,
        ..gather.facts
    }
}

#[derive(Default)]
struct Gather {
    facts: Facts,
    /// For whom each coroutine works.
    by: BTreeMap<Who, By>,
    /// When the monitor's callback began to run.
    monitor: Option<Moment>,
    /// The filters that jobs have put on top of nodes, each with the node that it shows.
    filters: BTreeMap<Rc<str>, Rc<str>>,
}

/// Added to the number of a request at a filter, which is told as one of the node below: the two count
/// for themselves.
const AT_FILTER: u64 = 1 << 40;

impl Gather {
    fn entry(&mut self, entry: &Entry, later: &[Entry]) {
        let at = Moment {
            seq: entry.seq,
            at_ns: entry.at_ns,
            decisions: entry.decisions,
        };
        self.facts.end = Some(at);
        match &entry.what {
            What::Block(trace) => self.block(at, entry, trace),
            What::Job(trace) => self.job(at, entry, trace),
            What::Mirror(trace) => self.mirror(at, entry, trace),
            What::JobEvent(event) => {
                let job = self.facts.job(&event.job_id().as_str().into());
                let news = JobNews::Event(event.clone());
                self.facts.jobs[job].news.push((at, news));
            }
            What::Disk(event) => self.disk(at, entry, event, later),
            What::Guest(event) => self.guest(at, entry, event),
            What::Monitor(event) => self.facts.deeds.push(Deed {
                at: self.monitor.take().unwrap_or(at),
                verb: event.verb,
                refused: event.refused.clone(),
            }),
            What::Runtime(event) => self.runtime(at, entry, event),
            What::Dirty(_) | What::MirrorJob(_) | What::Backend(_) => {}
        }
    }

    /// For whom the running coroutine works.
    fn by(&self, entry: &Entry) -> By {
        let Some(who) = &entry.coroutine else {
            return By::Other("the main loop");
        };
        let by = self.by.get(who).cloned();
        by.unwrap_or(By::Other(who.id.name))
    }

    fn runtime(&mut self, at: Moment, entry: &Entry, event: &RuntimeEvent) {
        match *event {
            RuntimeEvent::Create { coroutine } => {
                let by = match coroutine.name {
                    "guest" | "virtio" => By::Device,
                    name if name.starts_with("mirror_co_") => self.newest_copy(entry),
                    _ if entry.coroutine.is_some() => self.by(entry),
                    name => By::Other(name),
                };
                let who = Who {
                    context: entry.context.clone(),
                    id: coroutine,
                };
                self.by.insert(who, by);
            }
            RuntimeEvent::Timer { name: "monitor" }
            | RuntimeEvent::EventSource { name: "monitor" } => self.monitor = Some(at),
            _ => {}
        }
    }

    /// The copy that the running job has begun last.
    fn newest_copy(&self, entry: &Entry) -> By {
        let by = self.by(entry);
        let By::Job(name) = &by else { return by };
        let copies = self.facts.copies.iter();
        let newest = copies.enumerate().rev().find(|(_, copy)| {
            let job = &self.facts.jobs[copy.job];
            job.name == *name
        });
        newest.map_or(by, |(index, _)| By::Copy(index))
    }

    fn block(&mut self, at: Moment, entry: &Entry, trace: &BlockTrace) {
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
                if let By::Guest(request) = by {
                    let io = self.facts.ios.len();
                    self.facts.requests[request].ios.push(io);
                }
                self.facts.ios.push(Io {
                    node,
                    id,
                    kind: *kind,
                    span,
                    begun: at,
                    ended: None,
                    by,
                });
            }
            BlockTrace::RequestEnd { node, id, .. } => {
                let (node, id) = self.place(node, *id);
                let mut ios = self.facts.ios.iter_mut().rev();
                if let Some(io) = ios.find(|io| io.node == node && io.id == id) {
                    io.ended = Some(at);
                }
            }
            BlockTrace::DrainBegin {
                node,
                section,
                owner,
            } => self.section_begins(at, node, *section, owner),
            BlockTrace::Drained { section, .. } => {
                if let Some(section) = self.section(*section) {
                    section.established = Some(at);
                }
            }
            BlockTrace::DrainEnd { section, .. } => {
                if let Some(section) = self.section(*section) {
                    section.ended = Some(at);
                }
            }
            BlockTrace::ReplaceNode { from, to } => self.replaced(at, from, to),
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
        let mut ios = self.facts.ios.iter().rev();
        ios.any(|io| {
            io.id >= AT_FILTER
                && io.ended.is_none()
                && io.node == *node
                && io.by == *by
                && io.span == span
        })
    }

    fn section_begins(&mut self, at: Moment, node: &Rc<str>, id: u64, owner: &'static str) {
        let reaches = |io: &Io| io.node == *node || **node == *ALL_NODES;
        let ios = self.facts.ios.iter().enumerate();
        let in_flight = ios.filter(|(_, io)| io.ended.is_none() && reaches(io));
        let in_flight = in_flight.map(|(index, _)| index).collect();
        self.facts.sections.push(Section {
            id,
            node: node.clone(),
            owner,
            begun: at,
            established: None,
            ended: None,
            in_flight,
        });
    }

    fn section(&mut self, id: u64) -> Option<&mut Section> {
        self.facts.sections.iter_mut().rev().find(|it| it.id == id)
    }

    /// For whom a request is that begins now. A ring's other end is known from then on by the oldest
    /// request of a guest that fits.
    fn serve(&mut self, entry: &Entry, span: Span, fits: impl Fn(GuestKind) -> bool) -> By {
        let by = self.by(entry);
        if by != By::Device {
            return by;
        }
        let mut requests = self.facts.requests.iter().enumerate();
        let served = requests.find(|(_, request)| {
            request.ios.is_empty()
                && request.fate.is_none()
                && request.span == span
                && fits(request.kind)
        });
        let Some((index, _)) = served else { return by };
        if let Some(who) = &entry.coroutine {
            self.by.insert(who.clone(), By::Guest(index));
        }
        By::Guest(index)
    }

    fn guest(&mut self, at: Moment, entry: &Entry, event: &GuestEvent) {
        let requests = &mut self.facts.requests;
        if event.what != GuestWhat::Asks {
            let mut requests = requests.iter_mut().rev();
            if let Some(request) = requests.find(|request| request.id == event.request) {
                request.fate = Some((at, event.what));
            }
            return;
        }
        let sections = self.facts.sections.iter().enumerate();
        let open = sections.filter(|(_, section)| section.ended.is_none());
        let behind = open.map(|(index, _)| index).collect();
        requests.push(GuestRequest {
            guest: event.guest,
            id: event.request,
            kind: event.kind,
            span: Span {
                offset: event.offset,
                bytes: event.bytes,
            },
            asked: at,
            ios: Vec::new(),
            behind,
            fate: None,
        });
        let index = requests.len() - 1;
        // In a context of its own its requests are another's: those of the ring's other end.
        if let Some(who) = &entry.coroutine
            && *who.context == *"main"
        {
            self.by.insert(who.clone(), By::Guest(index));
        }
    }

    fn disk(&mut self, at: Moment, entry: &Entry, event: &DiskEvent, later: &[Entry]) {
        let span = Span {
            offset: event.offset,
            bytes: event.bytes,
        };
        match event.what {
            DiskWhat::Begins => {
                let flushes = event.kind == DiskKind::Flush;
                let by = self.serve(entry, span, |asked| flushes && asked == GuestKind::Flush);
                self.facts.disk_ops.push(DiskOp {
                    disk: event.disk,
                    kind: event.kind,
                    span,
                    begun: at,
                    landed: None,
                    by,
                    waits: entry.coroutine.as_ref().map(|who| who.id.serial),
                });
            }
            DiskWhat::Lands { failed } => {
                // Of several that are alike it is the one whose coroutine is woken next.
                let woken = later.iter().find_map(|entry| match entry.what {
                    What::Runtime(RuntimeEvent::Wake { serial, .. }) => Some(serial),
                    _ => None,
                });
                let alike = |op: &&mut DiskOp| {
                    op.landed.is_none()
                        && op.disk == event.disk
                        && op.kind == event.kind
                        && op.span == span
                };
                let mut ops: Vec<_> = self.facts.disk_ops.iter_mut().filter(alike).collect();
                let place = ops.iter().position(|op| op.waits == woken).unwrap_or(0);
                if let Some(op) = ops.get_mut(place) {
                    op.landed = Some((at, failed));
                }
            }
        }
    }

    fn job(&mut self, at: Moment, entry: &Entry, trace: &JobTrace) {
        let job = self.known_job(entry, trace);
        let facts = &mut self.facts.jobs[job];
        let news = match trace.what {
            JobTraceKind::Status { from, to } => JobNews::Status { from, to },
            JobTraceKind::Sleep { deadline_ns } => JobNews::Sleep {
                until_ns: deadline_ns,
            },
            JobTraceKind::PausePoint { pause_count } => JobNews::PausePoint { pause_count },
            JobTraceKind::Pause { pause_count } | JobTraceKind::Resume { pause_count } => {
                facts.pause_count = pause_count;
                return;
            }
            JobTraceKind::Cancel { force } => JobNews::Cancel { force },
            JobTraceKind::RunEnd => JobNews::RunEnd,
            JobTraceKind::DeferredStart => JobNews::DeferredStart,
            _ => return,
        };
        facts.news.push((at, news));
    }

    /// The job, and by the way who its coroutine is.
    fn known_job(&mut self, entry: &Entry, trace: &JobTrace) -> usize {
        if let Some(who) = &entry.coroutine
            && who.id.name == "job"
            && !matches!(self.by.get(who), Some(By::Job(_)))
        {
            self.by.insert(who.clone(), By::Job(trace.job.clone()));
        }
        self.facts.job(&trace.job)
    }

    fn mirror(&mut self, at: Moment, entry: &Entry, trace: &MirrorTrace) {
        let job = self.facts.job(&trace.job);
        if let Some(who) = &entry.coroutine
            && who.id.name == "job"
        {
            self.by.insert(who.clone(), By::Job(trace.job.clone()));
        }
        match trace.event {
            MirrorEvent::Step(step) => {
                let news = &mut self.facts.jobs[job].news;
                news.push((at, JobNews::Step(step)));
            }
            MirrorEvent::MirrorIteration { offset, bytes } => {
                self.facts.jobs[job].copies += 1;
                self.facts.copies.push(Copy {
                    job,
                    number: self.facts.jobs[job].copies,
                    span: Span { offset, bytes },
                    claimed: at,
                    done: None,
                });
            }
            MirrorEvent::MirrorIterationDone { offset, bytes } => {
                let by = self.by(entry);
                let span = Span { offset, bytes };
                let copies = &mut self.facts.copies;
                let its = match by {
                    By::Copy(index) => copies.get_mut(index),
                    _ => copies
                        .iter_mut()
                        .find(|copy| copy.job == job && copy.done.is_none() && copy.span == span),
                };
                if let Some(copy) = its {
                    copy.done = Some(at);
                }
            }
            _ => {}
        }
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
