//! The document of a run: what the page reads.

use serde::Serialize;

use super::columns::{Columns, PlainField, Texts};
use super::facts::{States, states};
use super::sites::what_of_site;
use super::source::{StepSource, steps};
use crate::export::Value;

/// The version of the format: it changes when a field goes or means something else.
pub const VERSION: u32 = 1;

/// Where a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// In a simulated world.
    Sim,
    /// On real disks.
    Real,
}

/// A run, to be shown. The lists of events and decisions are added to with [`event`](Self::event) and
/// [`decision`](Self::decision); all else is set as it is known.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    format: &'static str,
    version: u32,
    /// What stands above the page.
    pub title: String,
    /// Where it was.
    pub origin: Origin,
    /// One command that makes the run again, or none if nothing does.
    pub command: Option<String>,
    /// All decisions as one line of text, as [`Case`](crate::case::Case) writes it.
    pub log: Option<String>,
    /// The historical bug that was switched on.
    pub bug: Option<String>,
    /// The scenario that the run was drawn from.
    pub scenario: Option<String>,
    /// Who made the decisions.
    pub policy: Option<String>,
    /// What the run was told: field, value, meaning.
    pub config: Vec<(String, String, String)>,
    /// The digest of the run, in hexadecimal.
    pub digest: Option<String>,
    /// When it ended, in nanoseconds.
    pub end_ns: u64,
    /// So many events came before the first one and were let go.
    pub lost: u64,
    #[serde(rename = "strings")]
    texts: Texts,
    kinds: Vec<Columns>,
    events: Events,
    decisions: Decisions,
    sites: Vec<Site>,
    /// The steps of a mirror with their code.
    pub steps: Vec<StepSource>,
    /// The states of a job.
    pub states: States,
    /// The jobs, as far as is known before they run.
    pub jobs: Vec<JobFact>,
    /// The disks.
    pub disks: Vec<Disk>,
    /// The run in sentences.
    pub story: StoryText,
    /// How it failed.
    pub failure: Option<Broken>,
    #[serde(skip)]
    last: Last,
}

/// One thing that happened, as a document takes it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a, S> {
    /// When, in nanoseconds; what comes before the event before is put at the time of that.
    pub at_ns: u64,
    /// How many decisions had been made; 0 where there are none.
    pub decisions: u64,
    /// The context in which it happened; empty where nobody knows.
    pub context: &'a str,
    /// The coroutine that ran, as `main/job#2`.
    pub coroutine: Option<&'a str>,
    /// One of [`KINDS`](crate::export::KINDS), or another one.
    pub kind: &'a str,
    /// The fields with their values.
    pub fields: &'a [(S, Value)],
}

/// An event as it is, whatever numbers its texts have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain<'a> {
    at_ns: u64,
    context: Option<&'a str>,
    coroutine: Option<&'a str>,
    kind: &'a str,
    fields: Vec<PlainField<'a>>,
}

/// Columns of a value for each event.
#[derive(Clone, Debug, Default, Serialize)]
struct Events {
    at_ns: Vec<u64>,
    decisions: Vec<u64>,
    context: Vec<u32>,
    coroutine: Vec<i64>,
    kind: Vec<u32>,
}

/// Columns of a value for each decision.
#[derive(Clone, Debug, Default, Serialize)]
struct Decisions {
    site: Vec<u32>,
    n: Vec<u32>,
    chosen: Vec<u32>,
    labels: Vec<Option<Vec<u32>>>,
}

/// Of what the next event tells the difference.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    at_ns: u64,
    decisions: u64,
}

/// A place that makes decisions.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// Its name, as in `aio.next`.
    pub name: String,
    /// What is decided there, in a sentence.
    pub what: String,
}

/// A job, as it was begun.
#[derive(Clone, Debug, Serialize)]
pub struct JobFact {
    /// Its id.
    pub name: String,
    /// The node that it reads.
    pub source: String,
    /// The node that it writes.
    pub target: String,
    /// The bytes that one bit of its bitmaps stands for; 0 if nobody knows.
    pub granularity_bytes: u64,
    /// The length of the disk in bytes; 0 if nobody knows.
    pub length_bytes: u64,
}

/// A disk.
#[derive(Clone, Debug, Serialize)]
pub struct Disk {
    /// Its name.
    pub name: String,
    /// Its length in bytes; 0 if nobody knows.
    pub bytes: u64,
}

/// A sentence of the story.
#[derive(Clone, Debug, Serialize)]
pub struct StoryLine {
    /// When.
    pub at_ns: u64,
    /// The event that it tells, by its place in the document.
    pub event: u64,
    /// The sentence.
    pub text: String,
}

/// The run in sentences.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StoryText {
    /// What happened, in order.
    pub lines: Vec<StoryLine>,
    /// Where it went wrong.
    pub causes: Vec<String>,
    /// Who waits for whom in the end.
    pub waiting: Vec<String>,
    /// So many sentences were left out, because there are too many.
    pub left_out: usize,
}

/// A broken rule.
#[derive(Clone, Debug, Serialize)]
pub struct Broken {
    /// The name of the rule, as in `DATA`.
    pub rule: String,
    /// In what way, as a short name.
    pub place: String,
    /// What the checker said.
    pub text: String,
    /// Who took part.
    pub parties: Vec<String>,
    /// When the checker saw it, in nanoseconds.
    pub at_ns: u64,
    /// After how many decisions.
    pub decisions: u64,
    /// The event at which it was seen.
    pub event: u64,
    /// Why, in one sentence.
    pub sentence: String,
    /// The event at which it went wrong, which is mostly long before it was seen.
    pub wrong_event: u64,
}

impl Document {
    /// A document in which nothing happens; it knows the steps and the states.
    pub fn new(title: &str, origin: Origin) -> Document {
        Document {
            format: "blockjob-view",
            version: VERSION,
            title: title.to_owned(),
            origin,
            command: None,
            log: None,
            bug: None,
            scenario: None,
            policy: None,
            config: Vec::new(),
            digest: None,
            end_ns: 0,
            lost: 0,
            texts: Texts::default(),
            kinds: Vec::new(),
            events: Events::default(),
            decisions: Decisions::default(),
            sites: Vec::new(),
            steps: steps(),
            states: states(),
            jobs: Vec::new(),
            disks: Vec::new(),
            story: StoryText::default(),
            failure: None,
            last: Last::default(),
        }
    }

    /// How many events there are.
    pub fn events(&self) -> usize {
        self.events.kind.len()
    }

    /// How many decisions there are.
    pub fn decisions(&self) -> usize {
        self.decisions.site.len()
    }

    /// The columns of each kind of events that happened.
    pub fn kinds(&self) -> &[Columns] {
        &self.kinds
    }

    /// The texts that stand in the field `name` of any event, each once, in the order in which they came.
    pub fn texts_in(&self, name: &str) -> Vec<String> {
        let columns = self.kinds.iter().flat_map(Columns::columns);
        let columns = columns.filter(|column| column.name() == name && column.is_text());
        let numbers = columns.flat_map(|column| column.values().iter().flatten());
        let mut found: Vec<u64> = Vec::new();
        for number in numbers {
            if !found.contains(number) {
                found.push(*number);
            }
        }
        found.sort_unstable();
        let texts = found.iter().filter_map(|number| self.texts.get(*number));
        texts.map(str::to_owned).collect()
    }

    /// Adds the next event.
    pub fn event<S: AsRef<str>>(&mut self, event: &Event<'_, S>) {
        let at_ns = event.at_ns.max(self.last.at_ns);
        let decisions = event.decisions.max(self.last.decisions);
        let events = &mut self.events;
        events.at_ns.push(at_ns - self.last.at_ns);
        events.decisions.push(decisions - self.last.decisions);
        self.last = Last { at_ns, decisions };
        events.context.push(self.texts.number(event.context));
        let coroutine = event.coroutine.map(|name| self.texts.number(name));
        events.coroutine.push(coroutine.map_or(-1, i64::from));
        let known = self.kinds.iter().position(|it| it.kind() == event.kind);
        let kind = known.unwrap_or_else(|| {
            self.kinds.push(Columns::new(event.kind));
            self.kinds.len() - 1
        });
        // There are as many kinds as there are names for them.
        events.kind.push(kind as u32);
        self.kinds[kind].push(event.fields, &mut self.texts);
        self.end_ns = self.end_ns.max(at_ns);
    }

    /// Adds the next decision: at the site called `site` one of `n` options was taken. `labels` has a name
    /// for each option, if they have names.
    pub fn decision(&mut self, site: &str, n: u32, chosen: u32, labels: Option<&[String]>) {
        let known = self.sites.iter().position(|known| known.name == site);
        let number = known.unwrap_or_else(|| {
            self.sites.push(Site {
                name: site.to_owned(),
                what: what_of_site(site).to_owned(),
            });
            self.sites.len() - 1
        });
        self.decisions.site.push(number as u32);
        self.decisions.n.push(n);
        self.decisions.chosen.push(chosen);
        let labels = labels.map(|labels| {
            let numbers = labels.iter().map(|label| self.texts.number(label));
            numbers.collect()
        });
        self.decisions.labels.push(labels);
    }

    /// All events without the numbers that only this document gives to texts.
    pub(super) fn plain_events(&self) -> impl Iterator<Item = Plain<'_>> {
        let mut nth = vec![0; self.kinds.len()];
        let mut at_ns = 0;
        (0..self.events()).map(move |place| {
            at_ns += self.events.at_ns[place];
            let columns = &self.kinds[self.events.kind[place] as usize];
            let row = &mut nth[self.events.kind[place] as usize];
            *row += 1;
            let coroutine = u64::try_from(self.events.coroutine[place]);
            Plain {
                at_ns,
                context: self.texts.get(u64::from(self.events.context[place])),
                coroutine: coroutine.ok().and_then(|number| self.texts.get(number)),
                kind: columns.kind(),
                fields: columns.row(*row - 1, &self.texts),
            }
        })
    }

    /// The decision at `place`: its site, the options, and what was chosen.
    pub(super) fn plain_decision(&self, place: usize) -> Option<(&str, u32, u32)> {
        let site = *self.decisions.site.get(place)? as usize;
        let name = self.sites[site].name.as_str();
        Some((name, self.decisions.n[place], self.decisions.chosen[place]))
    }

    /// The document as JSON, to be written once.
    pub fn to_json(&mut self) -> Vec<u8> {
        self.kinds.iter_mut().for_each(Columns::fill);
        serde_json::to_vec(self).expect("a document has nothing that JSON cannot hold")
    }
}
