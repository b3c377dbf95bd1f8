//! What a record says, put together: requests with their fates, copies, sections, jobs.

use std::collections::BTreeMap;
use std::rc::Rc;

use blockjob_block::request::{ALL_NODES, RequestKind};
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::state::JobStatus;

use crate::event::{DiskKind, GuestKind, GuestWhat, Note};
use crate::monitor::Verb;
use crate::record::Who;

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Its place among all events.
    pub seq: u64,
    /// When, in nanoseconds of the world's clock.
    pub at_ns: u64,
    /// How many decisions had been made.
    pub decisions: u64,
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl Span {
    pub(super) fn end(self) -> u64 {
        self.offset + self.bytes
    }

    pub(super) fn overlaps(self, other: Span) -> bool {
        self.offset < other.end() && other.offset < self.end()
    }
}

/// For whom something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// For a request of a guest, by its place in the list.
    Guest(usize),
    /// For a copy of a job, by its place in the list.
    Copy(usize),
    /// For a job, by its name: its flushes.
    Job(Rc<str>),
    /// For a guest's lane that is between two requests, or a ring's other end.
    Device,
    /// For somebody else: the name of the coroutine.
    Other(&'static str),
}

/// A request of a guest.
#[derive(Debug)]
pub(super) struct GuestRequest {
    pub(super) guest: usize,
    pub(super) id: u32,
    pub(super) kind: GuestKind,
    pub(super) span: Span,
    pub(super) asked: Moment,
    /// The requests at nodes that it became, by their places in the list.
    pub(super) ios: Vec<usize>,
    /// The requests at disks that were made for it, by their places in the list.
    pub(super) disk_ops: Vec<usize>,
    /// The sections that were there when it was asked for and had not been let go.
    pub(super) behind: Vec<usize>,
    pub(super) fate: Option<(Moment, GuestWhat)>,
}

/// A request at a node.
#[derive(Debug)]
pub(super) struct Io {
    pub(super) node: Rc<str>,
    /// The context in which it began.
    pub(super) context: Rc<str>,
    pub(super) id: u64,
    pub(super) kind: RequestKind,
    pub(super) span: Span,
    pub(super) begun: Moment,
    pub(super) ended: Option<Moment>,
    pub(super) by: By,
}

/// A request at a disk.
#[derive(Debug)]
pub(super) struct DiskOp {
    pub(super) disk: &'static str,
    pub(super) kind: DiskKind,
    pub(super) span: Span,
    pub(super) begun: Moment,
    /// When it did what it does, and whether it failed.
    pub(super) landed: Option<(Moment, bool)>,
    pub(super) by: By,
    /// The coroutine that waits for it: its context and its serial there.
    pub(super) waits: Option<(Rc<str>, u64)>,
}

/// Granules that a mirror has taken, to copy them.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) job: usize,
    /// Counts the copies of its job from 1.
    pub(super) number: u64,
    pub(super) span: Span,
    pub(super) claimed: Moment,
    pub(super) done: Option<Moment>,
}

/// A drained section.
#[derive(Debug)]
pub(super) struct Section {
    /// The context in which it is; each counts its sections for itself.
    pub(super) context: Rc<str>,
    pub(super) id: u64,
    pub(super) node: Rc<str>,
    pub(super) owner: &'static str,
    pub(super) begun: Moment,
    pub(super) established: Option<Moment>,
    pub(super) ended: Option<Moment>,
    /// The requests at nodes that were in flight when it began.
    pub(super) in_flight: Vec<usize>,
    /// Those at its node that were in flight when it was established, which should be none.
    pub(super) left_in_flight: Vec<usize>,
}

impl Section {
    /// Whether it holds back requests of `context`: one of all nodes has only those of its own.
    pub(super) fn reaches(&self, context: &str) -> bool {
        *self.node != *ALL_NODES || *self.context == *context
    }
}

/// What happened to a job.
#[derive(Debug)]
pub(super) enum JobNews {
    Status { from: JobStatus, to: JobStatus },
    Step(Step),
    Sleep { until_ns: u64 },
    PausePoint { pause_count: u32 },
    Cancel { force: bool },
    RunEnd,
    DeferredStart,
    Event(JobEvent),
}

/// A job.
#[derive(Debug)]
pub(super) struct JobFacts {
    pub(super) name: Rc<str>,
    pub(super) news: Vec<(Moment, JobNews)>,
    /// How many have asked it to stand still.
    pub(super) pause_count: u32,
    pub(super) copies: u64,
    /// The nodes that it reads from and writes to, as far as it has.
    pub(super) nodes: Vec<Rc<str>>,
}

/// A node, with the requests there by their places in the list, in the order in which they began.
#[derive(Debug)]
pub(super) struct NodeFacts {
    pub(super) name: Rc<str>,
    pub(super) ios: Vec<usize>,
}

/// Something that the monitor did.
#[derive(Debug)]
pub(super) struct Deed {
    /// When it began to.
    pub(super) at: Moment,
    pub(super) verb: Verb,
    pub(super) refused: Option<String>,
}

/// Bits of a dirty bitmap were set or cleared.
#[derive(Debug)]
pub(super) struct BitsChange {
    pub(super) at: Moment,
    pub(super) node: Rc<str>,
    pub(super) span: Span,
    pub(super) dirty: bool,
}

/// All users of one node got another.
#[derive(Debug)]
pub(super) struct Pivot {
    pub(super) at: Moment,
    pub(super) from: Rc<str>,
    pub(super) to: Rc<str>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) requests: Vec<GuestRequest>,
    pub(super) ios: Vec<Io>,
    /// The nodes that requests were made at, in the order of the first ones.
    pub(super) nodes: Vec<NodeFacts>,
    pub(super) disk_ops: Vec<DiskOp>,
    pub(super) copies: Vec<Copy>,
    pub(super) sections: Vec<Section>,
    /// Those that have ended, in the order of their ends.
    pub(super) ended_sections: Vec<usize>,
    /// How many sections have a number and an owner: several, if they are of several contexts.
    pub(super) namesakes: BTreeMap<(u64, &'static str), usize>,
    pub(super) jobs: Vec<JobFacts>,
    pub(super) deeds: Vec<Deed>,
    pub(super) notes: Vec<(Moment, Note)>,
    /// The dirty bits that were set or cleared.
    pub(super) bits: Vec<BitsChange>,
    pub(super) pivots: Vec<Pivot>,
    pub(super) end: Option<Moment>,
    /// For whom each coroutine works; a guest's lane works for its last request.
    pub(super) works_for: BTreeMap<Who, By>,
}

impl Facts {
    /// The place of the job called `name`, which is new if nobody has spoken of it.
    pub(super) fn job(&mut self, name: &Rc<str>) -> usize {
        let known = self.jobs.iter().position(|job| job.name == *name);
        known.unwrap_or_else(|| {
            self.jobs.push(JobFacts {
                name: name.clone(),
                news: Vec::new(),
                pause_count: 0,
                copies: 0,
                nodes: Vec::new(),
            });
            self.jobs.len() - 1
        })
    }

    /// Adds a request at a node, and returns its place.
    pub(super) fn add_io(&mut self, io: Io) -> usize {
        let index = self.ios.len();
        match io.by {
            By::Guest(request) => self.requests[request].ios.push(index),
            By::Copy(copy) => {
                let nodes = &mut self.jobs[self.copies[copy].job].nodes;
                if !nodes.contains(&io.node) {
                    nodes.push(io.node.clone());
                }
            }
            _ => {}
        }
        match self.nodes.iter_mut().find(|node| node.name == io.node) {
            Some(node) => node.ios.push(index),
            None => self.nodes.push(NodeFacts {
                name: io.node.clone(),
                ios: vec![index],
            }),
        }
        self.ios.push(io);
        index
    }

    /// Adds a section, and returns its place.
    pub(super) fn add_section(&mut self, section: Section) -> usize {
        let name = (section.id, section.owner);
        *self.namesakes.entry(name).or_default() += 1;
        self.sections.push(section);
        self.sections.len() - 1
    }

    /// Adds a request at a disk, and returns its place.
    pub(super) fn add_disk_op(&mut self, op: DiskOp) -> usize {
        let index = self.disk_ops.len();
        if let By::Guest(request) = op.by {
            self.requests[request].disk_ops.push(index);
        }
        self.disk_ops.push(op);
        index
    }

    /// The requests at `node`, in the order in which they began.
    pub(super) fn ios_at(&self, node: &str) -> &[usize] {
        let found = self.nodes.iter().find(|known| *known.name == *node);
        found.map_or(&[], |node| &node.ios)
    }

    /// When the last thing happened.
    pub(super) fn end_ns(&self) -> u64 {
        self.end.map_or(0, |end| end.at_ns)
    }
}
