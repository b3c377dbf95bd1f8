//! Facts from a record.
//!
//! For whom a request is made is seen by its coroutine: a guest's lane, or a copy of a job, makes a
//! coroutine for each request, and that is in the record. Only the other end of a ring has no parent;
//! what it serves is told by what it asks.

mod disks;
mod guests;
mod open;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use super::facts::{BitsChange, By, Copy, Deed, Facts, JobNews, Moment, Span};
use crate::record::{Entry, RuntimeEvent, What, Who};
use disks::Wakes;
use open::Open;

/// What the `entries` of a record say.
pub(super) fn gather(entries: &[Entry]) -> Facts {
    let mut gather = Gather {
        facts: Facts::default(),
        by: BTreeMap::new(),
        monitor: None,
        started: None,
        filters: BTreeMap::new(),
        open: Open::default(),
        asked: BTreeMap::new(),
        newest_copies: Vec::new(),
        wakes: Wakes::new(entries),
    };
    for (index, entry) in entries.iter().enumerate() {
        gather.entry(index, entry);
    }
    Facts {
        works_for: gather.by,
        ..gather.facts
    }
}

struct Gather<'a> {
    facts: Facts,
    /// For whom each coroutine works.
    by: BTreeMap<Who, By>,
    /// When the monitor's callback began to run.
    monitor: Option<Moment>,
    /// The job that runs from now on; its coroutine is entered next.
    started: Option<Rc<str>>,
    /// The filters that jobs have put on top of nodes, each with the node that it shows.
    filters: BTreeMap<Rc<str>, Rc<str>>,
    /// What has begun and is not over.
    open: Open,
    /// The place of the request of each number that a guest has asked for.
    asked: BTreeMap<u32, usize>,
    /// The copy that each job has begun last, by the place of the job.
    newest_copies: Vec<Option<usize>>,
    wakes: Wakes<'a>,
}

impl Gather<'_> {
    fn entry(&mut self, index: usize, entry: &Entry) {
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
            What::Disk(event) => self.disk(at, index, entry, event),
            What::Guest(event) => self.guest(at, entry, event),
            What::Monitor(event) => self.facts.deeds.push(Deed {
                at: self.monitor.take().unwrap_or(at),
                verb: event.verb,
                refused: event.refused.clone(),
            }),
            What::Runtime(event) => self.runtime(at, entry, event),
            What::Note(note) => self.facts.notes.push((at, note.clone())),
            What::Dirty(trace) => self.facts.bits.push(BitsChange {
                at,
                node: trace.node.clone(),
                span: Span {
                    offset: trace.offset,
                    bytes: trace.bytes,
                },
                dirty: trace.dirty,
            }),
            What::MirrorJob(_) | What::Backend(_) => {}
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
            RuntimeEvent::Enter { coroutine, .. } if coroutine.name == "job" => {
                if let Some(job) = self.started.take() {
                    let who = Who {
                        context: entry.context.clone(),
                        id: coroutine,
                    };
                    self.by.insert(who, By::Job(job));
                }
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
        let mut jobs = self.facts.jobs.iter();
        let job = jobs.position(|job| job.name == *name);
        let newest = job.and_then(|job| *self.newest_copies.get(job)?);
        newest.map_or(by, By::Copy)
    }

    fn job(&mut self, at: Moment, entry: &Entry, trace: &JobTrace) {
        let job = self.known_job(entry, trace);
        if let JobTraceKind::Status {
            from: JobStatus::Created,
            to: JobStatus::Running,
        } = trace.what
        {
            self.started = Some(trace.job.clone());
        }
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
                self.copy_begins(at, job, Span { offset, bytes });
            }
            MirrorEvent::MirrorIterationDone { offset, bytes } => {
                let copy = match self.by(entry) {
                    By::Copy(copy) => Some(copy),
                    _ => self.open_copy(job, Span { offset, bytes }),
                };
                if let Some(copy) = copy {
                    self.facts.copies[copy].done = Some(at);
                    self.open.copies.remove(&copy);
                }
            }
            _ => {}
        }
    }

    fn copy_begins(&mut self, at: Moment, job: usize, span: Span) {
        let index = self.facts.copies.len();
        self.facts.jobs[job].copies += 1;
        self.facts.copies.push(Copy {
            job,
            number: self.facts.jobs[job].copies,
            span,
            claimed: at,
            done: None,
        });
        self.open.copies.insert(index);
        let jobs = self.facts.jobs.len();
        self.newest_copies.resize(jobs, None);
        self.newest_copies[job] = Some(index);
    }

    /// The oldest copy of a range that its job has not ended.
    fn open_copy(&self, job: usize, span: Span) -> Option<usize> {
        let mut open = self.open.copies.iter().copied();
        open.find(|copy| {
            let copy = &self.facts.copies[*copy];
            copy.job == job && copy.span == span
        })
    }
}
