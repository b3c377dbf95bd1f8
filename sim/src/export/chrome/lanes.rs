//! Lanes with slices, instants and arrows, as the format of trace events has them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What a lane belongs to; a process of the format, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Process {
    Contexts = 1,
    Guests = 2,
    Jobs = 3,
    Disks = 4,
    Sections = 5,
    Decisions = 6,
}

impl Process {
    const fn name(self) -> &'static str {
        match self {
            Process::Contexts => "contexts",
            Process::Guests => "guests",
            Process::Jobs => "jobs",
            Process::Disks => "disks",
            Process::Sections => "drained sections",
            Process::Decisions => "decisions",
        }
    }
}

/// A lane: its process and its number there.
pub(super) type Lane = (Process, usize);

/// All lanes, and what was drawn so far.
#[derive(Default)]
pub(super) struct Lanes {
    events: Vec<Value>,
    names: BTreeMap<(Process, String), usize>,
    now_ns: u64,
    /// In each lane the turns that have begun, the innermost last.
    turns: BTreeMap<Lane, Vec<String>>,
    /// The slices that have begun, with their names; they may overlap.
    open: BTreeMap<(Lane, String), String>,
    arrows: u64,
    arrived: BTreeSet<u64>,
}

impl Lanes {
    /// The lane called `name` of a process.
    pub(super) fn lane(&mut self, process: Process, name: &str) -> Lane {
        let next = self.names.len() + 1;
        let number = *self.names.entry((process, name.to_owned())).or_insert(next);
        (process, number)
    }

    /// Time goes on, by a nanosecond at least.
    pub(super) fn go_to(&mut self, at_ns: u64) {
        self.now_ns = at_ns.max(self.now_ns + 1);
    }

    fn draw(&mut self, (process, number): Lane, ph: &str, name: &str, more: Value) {
        let mut event = json!({
            "ph": ph,
            "name": name,
            "pid": process as u64,
            "tid": number,
            "ts": self.now_ns as f64 / 1e3,
        });
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        self.events.push(event);
    }

    /// Something without a length.
    pub(super) fn instant(&mut self, lane: Lane, name: &str, args: Value) {
        self.draw(lane, "i", name, json!({ "s": "t", "args": args }));
    }

    /// A coroutine gets the processor.
    pub(super) fn enter(&mut self, lane: Lane, name: &str) {
        self.turns.entry(lane).or_default().push(name.to_owned());
        self.draw(lane, "B", name, json!({}));
    }

    /// It gives it back. In a record that is cut off nobody may have got it.
    pub(super) fn leave(&mut self, lane: Lane) {
        if let Some(name) = self.turns.get_mut(&lane).and_then(Vec::pop) {
            self.draw(lane, "E", &name, json!({}));
        }
    }

    /// A slice begins, which may overlap others of its lane.
    pub(super) fn begin(&mut self, lane: Lane, id: &str, name: &str, args: Value) {
        let before = self.open.insert((lane, id.to_owned()), name.to_owned());
        if let Some(before) = before {
            // Only in the museum two are alike at a time.
            self.asynchronous(lane, "e", id, &before, json!({}));
        }
        self.asynchronous(lane, "b", id, name, args);
    }

    /// It ends. In a record that is cut off it may not have begun.
    pub(super) fn end(&mut self, lane: Lane, id: &str, args: Value) {
        if let Some(name) = self.open.remove(&(lane, id.to_owned())) {
            self.asynchronous(lane, "e", id, &name, args);
        }
    }

    fn asynchronous(&mut self, lane: Lane, ph: &str, id: &str, name: &str, args: Value) {
        let (process, number) = lane;
        let id = format!("{} {number} {id}", process.name());
        let more = json!({ "cat": process.name(), "id": id, "args": args });
        self.draw(lane, ph, name, more);
    }

    /// An arrow begins: from the turn that is on, or else from a slice of its own.
    pub(super) fn depart(&mut self, lane: Lane, in_turn: bool) -> u64 {
        self.arrows += 1;
        if !in_turn {
            self.draw(lane, "X", "wake", json!({ "dur": 0.001 }));
        }
        let more = json!({ "cat": "wake", "id": self.arrows });
        self.draw(lane, "s", "wake", more);
        self.arrows
    }

    /// It ends at the turn that has just begun.
    pub(super) fn arrive(&mut self, lane: Lane, arrow: u64) {
        self.arrived.insert(arrow);
        let more = json!({ "cat": "wake", "id": arrow, "bp": "e" });
        self.draw(lane, "f", "wake", more);
    }

    /// The drawing as one object. What has not ended ends now, and arrows that lead nowhere are left out.
    pub(super) fn finish(mut self) -> String {
        self.now_ns += 1;
        for ((lane, id), name) in std::mem::take(&mut self.open) {
            self.asynchronous(lane, "e", &id, &name, json!({ "unfinished": true }));
        }
        for lane in self.turns.keys().copied().collect::<Vec<_>>() {
            while self.turns.get(&lane).is_some_and(|turns| !turns.is_empty()) {
                self.leave(lane);
            }
        }
        let arrived = std::mem::take(&mut self.arrived);
        self.events.retain(|event| {
            let departs = event["ph"] == "s";
            !departs || event["id"].as_u64().is_some_and(|id| arrived.contains(&id))
        });
        let mut events = self.metadata();
        events.append(&mut self.events);
        json!({ "traceEvents": events, "displayTimeUnit": "ns" }).to_string()
    }

    fn metadata(&self) -> Vec<Value> {
        let name = |what: &str, process: Process, tid: usize, name: &str| {
            json!({
                "ph": "M",
                "name": what,
                "pid": process as u64,
                "tid": tid,
                "args": { "name": name },
            })
        };
        let processes: BTreeSet<_> = self.names.keys().map(|(process, _)| *process).collect();
        let processes = processes
            .into_iter()
            .map(|process| name("process_name", process, 0, process.name()));
        let lanes = self.names.iter();
        let lanes = lanes.map(|((process, lane), tid)| name("thread_name", *process, *tid, lane));
        processes.chain(lanes).collect()
    }
}
