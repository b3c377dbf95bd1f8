//! Runs to look at, and documents as a reader has them.

use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::record::{DEFAULT_LIMIT, Record};
use blockjob_sim::run::Runner;
use blockjob_sim::view::{About, Document, of_record};
use serde_json::{Map, Value};

/// A small disk with guests, errors, and a monitor that does everything.
pub(super) const BUSY: &str = "granules=6,guests=2,depth=3,requests=12,kinds=read+flush,deeds=6,own=yes,\
                               spread=uniform,rest=100000,targeterror=20,ontarget=stop";

/// Disks in an iothread, which move.
pub(super) const MOVING: &str = "granules=4,guests=2,requests=10,deeds=4,iothread=yes,verbs=move+drain+pause+resume,rest=200000";

pub(super) fn config(text: &str) -> Config {
    Config::parse(text).expect("the configuration is well formed")
}

pub(super) fn record(told: &str, seed: u64) -> Record {
    let mut runner = Runner::new();
    let policy = Box::new(Random::new(seed));
    Record::of(&mut runner, &config(told), policy, DEFAULT_LIMIT)
}

pub(super) fn document(record: &Record) -> Document {
    of_record(record, &About::default())
}

/// A document as the page has it.
pub(super) fn parsed(document: &mut Document) -> Value {
    serde_json::from_slice(&document.to_json()).expect("a document is JSON")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("it is a number")
}

fn text(document: &Value, number: &Value) -> Value {
    match number.as_u64() {
        Some(number) => document["strings"][number as usize].clone(),
        None => Value::Null,
    }
}

/// The events of a document, each as one object, put together as a reader does who knows only the format.
pub(super) fn events(document: &Value) -> Vec<Map<String, Value>> {
    let columns = &document["events"];
    let kinds = document["kinds"].as_array().expect("a list");
    let mut nth = vec![0; kinds.len()];
    let (mut at_ns, mut decisions) = (0, 0);
    let count = columns["kind"].as_array().expect("a list").len();
    let event = |place: usize| {
        at_ns += number(&columns["at_ns"][place]);
        decisions += number(&columns["decisions"][place]);
        let which = number(&columns["kind"][place]) as usize;
        let kind = &kinds[which];
        let mut event = Map::new();
        event.insert("at_ns".to_owned(), at_ns.into());
        event.insert("decisions".to_owned(), decisions.into());
        event.insert("kind".to_owned(), kind["name"].clone());
        for part in ["context", "coroutine"] {
            let name = text(document, &columns[part][place]);
            if name.as_str().is_some_and(|name| !name.is_empty()) {
                event.insert(part.to_owned(), name);
            }
        }
        for (field, values) in kind["columns"].as_object().expect("an object") {
            let value = &values[nth[which]];
            let of = kind["types"][field]
                .as_str()
                .expect("each column has a type");
            let value = match (value, of) {
                (Value::Null, _) => continue,
                (value, "text") => text(document, value),
                (value, "flag") => Value::Bool(number(value) == 1),
                (value, _) => value.clone(),
            };
            event.insert(field.clone(), value);
        }
        nth[which] += 1;
        event
    };
    (0..count).map(event).collect()
}

/// A decision of a document: its site, the option that was taken, and the names of all.
pub(super) struct Decision {
    pub(super) site: String,
    pub(super) n: u64,
    pub(super) chosen: u64,
    pub(super) labels: Vec<String>,
}

pub(super) fn decisions(document: &Value) -> Vec<Decision> {
    let columns = &document["decisions"];
    let count = columns["n"].as_array().expect("a list").len();
    let decision = |place: usize| {
        let site = number(&columns["site"][place]) as usize;
        let labels = columns["labels"][place].as_array();
        let labels = labels.into_iter().flatten().map(|label| {
            let label = text(document, label);
            label.as_str().expect("a label is a text").to_owned()
        });
        Decision {
            site: document["sites"][site]["name"]
                .as_str()
                .expect("a name")
                .to_owned(),
            n: number(&columns["n"][place]),
            chosen: number(&columns["chosen"][place]),
            labels: labels.collect(),
        }
    };
    (0..count).map(decision).collect()
}
