//! Trace events as Perfetto and `chrome://tracing` read them.
//!
//! | process | lanes | what is in them |
//! |---|---|---|
//! | contexts | each context | a slice for each turn of a coroutine; arrows from wakes to the turns they led to |
//! | guests | each guest | a slice for each request, from asked to heard |
//! | jobs | each job | a slice for each state; its steps as instants; its copies |
//! | disks | each disk | a slice for each request, until it has done what it does |
//! | drained sections | each node | a slice from asked for to ended, and one within it once it is established |
//! | decisions | one | each decision as an instant, when it was made |
//!
//! Much happens at one instant of the world's clock. So that an order is seen, each event stands a
//! nanosecond after the one before at least: a time may be late by as many nanoseconds as there were
//! events in its instant.

mod lanes;

use std::collections::BTreeMap;

use blockjob_block::request::BlockTrace;
use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_jobs::trace::JobTraceKind;
use serde_json::{Value, json};

use crate::event::{DiskWhat, GuestWhat};
use crate::record::{Entry, Record, RuntimeEvent, What};
use lanes::{Lane, Lanes, Process};

/// The record as one JSON object.
pub fn export(record: &Record) -> String {
    let mut chrome = Chrome::default();
    for entry in &record.entries {
        chrome.decisions(record, entry.decisions, entry.at_ns);
        chrome.lanes.go_to(entry.at_ns);
        chrome.entry(entry);
    }
    let all = record.log.len() as u64;
    chrome.decisions(record, all, record.report.virtual_ns);
    chrome.lanes.go_to(record.report.virtual_ns);
    if let Some(failure) = &record.report.failure {
        let lane = chrome.lanes.lane(Process::Contexts, "main");
        let args = json!({ "text": failure.text, "parties": failure.parties });
        let name = format!("{} at {}", failure.rule, failure.place);
        chrome.lanes.instant(lane, &name, args);
    }
    chrome.lanes.finish()
}

#[derive(Default)]
struct Chrome {
    lanes: Lanes,
    /// So many decisions were drawn.
    decided: u64,
    /// Requests of disks under way, to tell those apart that are alike.
    at_disks: Vec<(String, u64)>,
    serial: u64,
    /// By context and serial the arrow that leads to the next turn of a coroutine.
    woken: BTreeMap<(String, u64), u64>,
    /// The jobs whose states were told.
    states: BTreeMap<String, &'static str>,
}

impl Chrome {
    fn decisions(&mut self, record: &Record, until: u64, at_ns: u64) {
        while self.decided < until {
            let Some(decision) = record.log.get(self.decided as usize) else {
                return;
            };
            // Those before the first event of a record that is cut off were made long ago.
            self.lanes.go_to(at_ns);
            let lane = self.lanes.lane(Process::Decisions, "decisions");
            let args = json!({
                "number": self.decided,
                "options": decision.n,
                "chosen": decision.chosen,
            });
            self.lanes.instant(lane, decision.site, args);
            self.decided += 1;
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let args = args_of(entry);
        match &entry.what {
            What::Runtime(event) => self.runtime(entry, event),
            What::Guest(event) => {
                let name = format!("guest {}", event.guest);
                let lane = self.lanes.lane(Process::Guests, &name);
                let id = format!("request {}", event.request);
                match event.what {
                    GuestWhat::Asks => {
                        let what = format!("{:?}", event.kind).to_lowercase();
                        let name = format!("{id}: {what}");
                        self.lanes.begin(lane, &id, &name, args);
                    }
                    _ => self.lanes.end(lane, &id, args),
                }
            }
            What::Disk(event) => {
                let lane = self.lanes.lane(Process::Disks, event.disk);
                let what = format!("{:?}", event.kind).to_lowercase();
                let range = format!("{}..{}", event.offset, event.offset + event.bytes);
                let name = format!("{what} {range}");
                let key = format!("{} {name}", event.disk);
                match event.what {
                    DiskWhat::Begins => {
                        self.serial += 1;
                        self.lanes
                            .begin(lane, &format!("op {}", self.serial), &name, args);
                        self.at_disks.push((key, self.serial));
                    }
                    DiskWhat::Lands { .. } => {
                        let place = self.at_disks.iter().position(|(known, _)| *known == key);
                        if let Some(place) = place {
                            let (_, serial) = self.at_disks.remove(place);
                            self.lanes.end(lane, &format!("op {serial}"), args);
                        }
                    }
                }
            }
            What::Block(trace) => self.block(trace, args),
            What::Job(trace) => self.job(&trace.job, &trace.what, args),
            What::Mirror(trace) => self.mirror(&trace.job, trace.event, args),
            What::Monitor(_) => {
                let lane = self.lanes.lane(Process::Contexts, "monitor");
                let flat = entry.what.flat();
                self.lanes.instant(lane, flat.kind, args);
            }
            What::Note(note) => {
                let lane = self.lanes.lane(Process::Guests, &note.who);
                self.lanes.instant(lane, &note.text, args);
            }
            // The states of jobs are seen as they change.
            What::JobEvent(_) | What::Dirty(_) | What::MirrorJob(_) | What::Backend(_) => {}
        }
    }

    fn block(&mut self, trace: &BlockTrace, args: Value) {
        match trace {
            BlockTrace::DrainBegin {
                node,
                section,
                owner,
            } => {
                let lane = self.lanes.lane(Process::Sections, node);
                let id = format!("section {section}");
                self.lanes
                    .begin(lane, &id, &format!("{id} of {owner}"), args);
            }
            BlockTrace::Drained { node, section, .. } => {
                let lane = self.lanes.lane(Process::Sections, node);
                self.lanes
                    .begin(lane, &format!("drained {section}"), "drained", args);
            }
            BlockTrace::DrainEnd { node, section, .. } => {
                let lane = self.lanes.lane(Process::Sections, node);
                self.lanes
                    .end(lane, &format!("drained {section}"), args.clone());
                self.lanes.end(lane, &format!("section {section}"), args);
            }
            BlockTrace::ReplaceNode { from, .. } => {
                let lane = self.lanes.lane(Process::Sections, from);
                self.lanes.instant(lane, "replace-node", args);
            }
            // What becomes of them is seen at the disks.
            BlockTrace::RequestBegin { .. } | BlockTrace::RequestEnd { .. } => {}
        }
    }

    fn job(&mut self, job: &str, what: &JobTraceKind, args: Value) {
        let lane = self.lanes.lane(Process::Jobs, job);
        if let JobTraceKind::Status { to, .. } = what {
            if let Some(before) = self.states.insert(job.to_owned(), to.as_str()) {
                self.lanes.end(lane, before, args.clone());
            }
            self.lanes.begin(lane, to.as_str(), to.as_str(), args);
            return;
        }
        let name = match what {
            JobTraceKind::Sleep { .. } | JobTraceKind::Yield | JobTraceKind::Enter => return,
            JobTraceKind::PausePoint { .. } => "pause point",
            JobTraceKind::Pause { .. } => "pause",
            JobTraceKind::Resume { .. } => "resume",
            JobTraceKind::Cancel { .. } => "cancel",
            JobTraceKind::Defer => "defer",
            JobTraceKind::DeferredStart => "completion starts",
            JobTraceKind::RunEnd => "run ends",
            _ => "job",
        };
        self.lanes.instant(lane, name, args);
    }

    fn mirror(&mut self, job: &str, event: MirrorEvent, args: Value) {
        let lane = self.lanes.lane(Process::Jobs, job);
        let copy = |offset: u64, bytes: u64| format!("copy {offset}..{}", offset + bytes);
        match event {
            MirrorEvent::Step(step) => self.lanes.instant(lane, &step.to_string(), args),
            MirrorEvent::MirrorIteration { offset, bytes } => {
                let name = copy(offset, bytes);
                self.lanes.begin(lane, &name, &name, args);
            }
            MirrorEvent::MirrorIterationDone { offset, bytes } => {
                self.lanes.end(lane, &copy(offset, bytes), args);
            }
            _ => {}
        }
    }

    fn runtime(&mut self, entry: &Entry, event: &RuntimeEvent) {
        let lane: Lane = self.lanes.lane(Process::Contexts, &entry.context);
        let context = entry.context.to_string();
        match *event {
            RuntimeEvent::Enter { coroutine, .. } => {
                self.lanes.enter(lane, &coroutine.to_string());
                if let Some(arrow) = self.woken.remove(&(context, coroutine.serial)) {
                    self.lanes.arrive(lane, arrow);
                }
            }
            RuntimeEvent::Yield { .. } | RuntimeEvent::End { .. } => self.lanes.leave(lane),
            RuntimeEvent::Wake { serial, .. } => {
                let arrow = self.lanes.depart(lane, entry.coroutine.is_some());
                self.woken.insert((context, serial), arrow);
            }
            RuntimeEvent::BottomHalf { name }
            | RuntimeEvent::Timer { name }
            | RuntimeEvent::EventSource { name } => self.lanes.instant(lane, name, json!({})),
            // What is going to happen is drawn when it does.
            _ => {}
        }
    }
}

fn args_of(entry: &Entry) -> Value {
    let mut args = serde_json::Map::new();
    args.insert("seq".to_owned(), entry.seq.into());
    for (field, value) in entry.what.flat().fields {
        args.insert(field.to_owned(), super::json::json(value));
    }
    Value::Object(args)
}
