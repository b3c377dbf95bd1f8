//! A log for ShiViz: who could know of what.
//!
//! Hosts are those who act: each guest, each job, each disk, and the main loop, in which the monitor
//! speaks and jobs are completed. A message goes from whoever asks a disk to the disk, back with the
//! answer, and from whoever wakes a coroutine to that. Each event is two lines:
//!
//! ```text
//! job0 {"job0":7,"source":1}
//! 100000 ns, after 6 decisions: request-end node="source" id=1
//! ```
//!
//! ShiViz asks for the pattern of an event: it is [`PATTERN`].

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::record::{Entry, Record, RuntimeEvent, What, Who};
use crate::story::actors;

/// What ShiViz is to be told of the lines of a log.
pub const PATTERN: &str = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)";

/// A vector clock: how many events of each host are known.
type Clock = BTreeMap<String, u64>;

/// The record as a log for ShiViz.
pub fn export(record: &Record) -> String {
    let mut shiviz = ShiViz {
        actors: actors(record),
        ..ShiViz::default()
    };
    for entry in &record.entries {
        shiviz.entry(entry);
    }
    shiviz.text
}

#[derive(Default)]
struct ShiViz {
    text: String,
    actors: BTreeMap<Who, String>,
    clocks: BTreeMap<String, Clock>,
    /// Messages on their way to a host, which its next event gets.
    coming: BTreeMap<String, Vec<Clock>>,
    /// Messages to coroutines that were woken and have not run, by context and serial.
    woken: BTreeMap<(String, u64), Clock>,
    /// Messages to disks, by what they were asked, the oldest first.
    asked: BTreeMap<String, Vec<Clock>>,
    /// What a disk has answered just now; whoever is woken by that gets it.
    answer: Option<Clock>,
}

impl ShiViz {
    fn entry(&mut self, entry: &Entry) {
        // What only recorders are told nobody has done who could know of it.
        if entry.what.is_detail() {
            return;
        }
        if !matches!(entry.what, What::Runtime(RuntimeEvent::Wake { .. })) {
            self.answer = None;
        }
        match &entry.what {
            What::Runtime(event) => self.runtime(entry, event),
            What::Disk(event) if event.what.lands() => {
                let key = key(entry);
                let asked = self.asked.get_mut(&key).filter(|asked| !asked.is_empty());
                let message = asked.map(|asked| asked.remove(0));
                self.coming
                    .entry(event.disk.to_owned())
                    .or_default()
                    .extend(message);
                self.happens(event.disk, entry);
                self.answer = self.clocks.get(event.disk).cloned();
            }
            _ => {
                let host = self.host(entry);
                self.happens(&host, entry);
                if let What::Disk(_) = entry.what {
                    let clock = self.clock(&host);
                    self.asked.entry(key(entry)).or_default().push(clock);
                }
            }
        }
    }

    /// Who acts.
    fn host(&self, entry: &Entry) -> String {
        let actor = entry
            .coroutine
            .as_ref()
            .and_then(|who| self.actors.get(who));
        match (actor, &entry.what) {
            (_, What::Guest(event)) => format!("guest{}", event.guest),
            // A host is one word.
            (None, What::Note(note)) => note.who.replace(' ', "-"),
            (Some(actor), _) => actor.clone(),
            (None, _) => "main".to_owned(),
        }
    }

    fn clock(&self, host: &str) -> Clock {
        self.clocks.get(host).cloned().unwrap_or_default()
    }

    /// An event of `host`, which gets what was on its way there.
    fn happens(&mut self, host: &str, entry: &Entry) {
        let mut clock = self.clock(host);
        for message in self.coming.remove(host).unwrap_or_default() {
            for (from, known) in message {
                let mine = clock.entry(from).or_default();
                *mine = known.max(*mine);
            }
        }
        *clock.entry(host.to_owned()).or_default() += 1;
        let shown: Map<String, Value> = clock
            .iter()
            .map(|(host, known)| (host.clone(), (*known).into()))
            .collect();
        let flat = entry.what.flat();
        let mut what = flat.kind.to_owned();
        for (field, value) in flat.fields {
            what = format!("{what} {field}={}", super::json::json(value));
        }
        let (at_ns, decisions) = (entry.at_ns, entry.decisions);
        let clock_text = Value::Object(shown);
        self.text.push_str(&format!(
            "{host} {clock_text}\n{at_ns} ns, after {decisions} decisions: {what}\n"
        ));
        self.clocks.insert(host.to_owned(), clock);
    }

    fn runtime(&mut self, entry: &Entry, event: &RuntimeEvent) {
        match *event {
            RuntimeEvent::Wake { serial, .. } => {
                let from_disk = self.answer.take();
                let message = match entry.coroutine {
                    None => from_disk.unwrap_or_else(|| self.clock("main")),
                    Some(_) => self.clock(&self.host(entry)),
                };
                self.woken
                    .insert((entry.context.to_string(), serial), message);
            }
            RuntimeEvent::Enter { coroutine, .. } => {
                let key = (entry.context.to_string(), coroutine.serial);
                let who = Who {
                    context: entry.context.clone(),
                    id: coroutine,
                };
                let host = self.actors.get(&who).map_or("main", String::as_str);
                if let Some(message) = self.woken.remove(&key) {
                    let coming = self.coming.entry(host.to_owned()).or_default();
                    coming.push(message);
                }
            }
            _ => {}
        }
    }
}

/// What tells requests of disks apart.
fn key(entry: &Entry) -> String {
    match &entry.what {
        What::Disk(event) => format!(
            "{} {:?} {} {}",
            event.disk, event.kind, event.offset, event.bytes
        ),
        _ => String::new(),
    }
}
