//! What `query-qmp-schema` says of us, beside what it says of the peer: whatever we announce exists there
//! with the same types.

use std::collections::{BTreeMap, BTreeSet};

use blockjob::daemon::commands::COMMANDS;
use blockjob::qapi::introspect::query_qmp_schema;
use blockjob::qapi::json::from_json;
use blockjob::qapi::types::EVENTS;
use blockjob::qapi::{Dict, Qapi, Value};

use crate::peer::Peer;

/// What we have and the peer has not, with the reason.
const OURS_ALONE: &[(&str, &str)] = &[
    ("query-status", MACHINE),
    ("stop", MACHINE),
    ("cont", MACHINE),
    ("human-monitor-command", MACHINE),
    ("SHUTDOWN", MACHINE),
    ("STOP", MACHINE),
    ("RESUME", MACHINE),
];

/// Values of the peer's enums that it has not, by the member that takes them.
const OUR_VALUES: &[(&str, &str)] = &[("copy-mode", "auto")];

/// True for commands, members and values whose name says that no client may rely on them: ours are our own.
fn is_extension(name: &str) -> bool {
    name.starts_with("x-")
}

/// A reason.
const MACHINE: &str = "the system emulator has it, the storage daemon has not";

/// Entities of a schema by their names.
struct Entities(BTreeMap<String, Dict>);

impl Entities {
    /// From the answer of `query-qmp-schema`.
    fn new(answer: &Value) -> Self {
        let list = answer.as_list().expect("the schema is an array");
        let entity = |entity: &Value| {
            let entity = entity.as_dict().expect("an entity is an object").clone();
            (text(&entity, "name").to_owned(), entity)
        };
        Entities(list.iter().map(entity).collect())
    }

    fn get(&self, name: &str) -> &Dict {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("'{name}' is announced"))
    }

    /// The entities that clients see by name.
    fn named(&self) -> impl Iterator<Item = (&String, &Dict)> {
        let named = |entity: &Dict| matches!(text(entity, "meta-type"), "command" | "event");
        self.0.iter().filter(move |(_, entity)| named(entity))
    }
}

fn text<'a>(dict: &'a Dict, name: &str) -> &'a str {
    let text = dict.get(name).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("'{name}' is a string"))
}

fn dicts<'a>(dict: &'a Dict, name: &str) -> Vec<&'a Dict> {
    let list = dict.get(name).and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(Value::as_dict).collect()
}

/// Lays one schema beside the other and notes what differs.
struct Comparison<'a> {
    ours: &'a Entities,
    theirs: &'a Entities,
    /// Pairs of types that were compared, so that a type that holds itself is compared once.
    seen: BTreeSet<(String, String)>,
    differences: Vec<String>,
}

impl Comparison<'_> {
    fn note(&mut self, place: &str, what: impl std::fmt::Display) {
        self.differences.push(format!("{place}: {what}"));
    }

    /// The peer lacks something, which is no difference if it says of itself that it is an extension.
    fn lacks(&mut self, place: &str, name: &str, what: impl std::fmt::Display) {
        if !is_extension(name) {
            self.note(place, what);
        }
    }

    /// A command or an event.
    fn named(&mut self, name: &str, ours: &Dict) {
        let Some(theirs) = self.theirs.0.get(name) else {
            return self.lacks(name, name, "the peer does not have it");
        };
        if text(ours, "meta-type") != text(theirs, "meta-type") {
            return self.note(name, "it is something else there");
        }
        if ours.get("allow-oob") != theirs.get("allow-oob") {
            self.note(name, "'allow-oob' differs");
        }
        self.types(name, text(ours, "arg-type"), text(theirs, "arg-type"));
        if ours.contains("ret-type") {
            let place = format!("{name} ->");
            self.types(&place, text(ours, "ret-type"), text(theirs, "ret-type"));
        }
    }

    fn types(&mut self, place: &str, ours: &str, theirs: &str) {
        if !self.seen.insert((ours.to_owned(), theirs.to_owned())) {
            return;
        }
        let (our_name, their_name) = (ours, theirs);
        let (ours, theirs) = (self.ours.get(ours), self.theirs.get(theirs));
        let meta_type = text(ours, "meta-type");
        if meta_type != text(theirs, "meta-type") {
            let theirs = text(theirs, "meta-type");
            return self.note(place, format!("{meta_type} here, {theirs} there"));
        }
        match meta_type {
            "builtin" if our_name == their_name => {}
            "builtin" => self.note(place, format!("{our_name} here, {their_name} there")),
            "enum" => self.enums(place, ours, theirs),
            "array" => {
                let place = format!("{place}[]");
                self.types(
                    &place,
                    text(ours, "element-type"),
                    text(theirs, "element-type"),
                );
            }
            "object" => self.objects(place, ours, theirs),
            "alternate" => self.alternates(place, ours, theirs),
            other => self.note(place, format!("'{other}' is no type")),
        }
    }

    fn enums(&mut self, place: &str, ours: &Dict, theirs: &Dict) {
        let names = |entity| {
            let members = dicts(entity, "members");
            let names = members
                .into_iter()
                .map(|member| text(member, "name").to_owned());
            names.collect::<Vec<_>>()
        };
        let mut ours = names(ours);
        let is_ours = |value: &String| {
            let mut alone = OUR_VALUES.iter();
            alone.any(|(member, name)| place.ends_with(member) && value == name)
        };
        ours.retain(|value| !is_ours(value));
        self.same_order(place, &ours, &names(theirs));
    }

    /// All of ours are there, and in the same order.
    fn same_order(&mut self, place: &str, ours: &[String], theirs: &[String]) {
        let mut rest = theirs.iter();
        for name in ours {
            if !theirs.contains(name) {
                self.lacks(place, name, format!("the peer does not have '{name}'"));
            } else if !rest.any(|their| their == name) {
                return self.note(place, format!("'{name}' comes earlier there"));
            }
        }
    }

    fn objects(&mut self, place: &str, ours: &Dict, theirs: &Dict) {
        let (our_members, their_members) = (dicts(ours, "members"), dicts(theirs, "members"));
        let names = |members: &[&Dict]| {
            let names = members.iter().map(|member| text(member, "name").to_owned());
            names.collect::<Vec<_>>()
        };
        self.same_order(place, &names(&our_members), &names(&their_members));
        for theirs in &their_members {
            let name = text(theirs, "name");
            match our_members.iter().find(|ours| text(ours, "name") == name) {
                Some(ours) => {
                    let place = format!("{place} {name}");
                    if ours.get("default") != theirs.get("default") {
                        self.note(&place, "it is optional on one side");
                    }
                    self.types(&place, text(ours, "type"), text(theirs, "type"));
                }
                None if theirs.contains("default") => {}
                None => self.note(
                    place,
                    format!("'{name}' is missing, which is never left out"),
                ),
            }
        }
        self.variants(place, ours, theirs);
    }

    fn variants(&mut self, place: &str, ours: &Dict, theirs: &Dict) {
        if ours.get("tag") != theirs.get("tag") {
            return self.note(place, "another member says which variant it is");
        }
        let their_variants = dicts(theirs, "variants");
        for ours in dicts(ours, "variants") {
            let case = text(ours, "case");
            let place = format!("{place} ({case})");
            match their_variants
                .iter()
                .find(|their| text(their, "case") == case)
            {
                Some(theirs) => self.types(&place, text(ours, "type"), text(theirs, "type")),
                None => self.note(&place, "the peer does not have it"),
            }
        }
    }

    /// Each of our types has one of the peer's of its kind; an alternate has each kind once.
    fn alternates(&mut self, place: &str, ours: &Dict, theirs: &Dict) {
        let their_members = dicts(theirs, "members");
        for ours in dicts(ours, "members") {
            let kind = |entities: &Entities, name: &str| match entities.0.get(name) {
                Some(entity) if text(entity, "meta-type") == "builtin" => name.to_owned(),
                Some(entity) => text(entity, "meta-type").to_owned(),
                None => panic!("'{name}' is announced"),
            };
            let our_kind = kind(self.ours, text(ours, "type"));
            let alike = |their: &&&Dict| kind(self.theirs, text(their, "type")) == our_kind;
            match their_members.iter().find(alike) {
                Some(theirs) => {
                    let place = format!("{place} <{our_kind}>");
                    self.types(&place, text(ours, "type"), text(theirs, "type"));
                }
                None => self.note(place, format!("no {our_kind} there")),
            }
        }
    }
}

/// What differs, of the entities that we announce.
fn differences(ours: &Entities, theirs: &Entities) -> Vec<String> {
    let mut comparison = Comparison {
        ours,
        theirs,
        seen: BTreeSet::new(),
        differences: Vec::new(),
    };
    for (name, entity) in ours.named() {
        if !OURS_ALONE.iter().any(|(alone, _)| alone == name) {
            comparison.named(name, entity);
        }
    }
    comparison.differences
}

fn our_schema() -> Entities {
    let commands = COMMANDS.iter().copied().flatten();
    let schema = query_qmp_schema(commands, EVENTS).to_value();
    Entities::new(&schema)
}

fn their_schema() -> Option<Entities> {
    let (lines, _) = Peer::start()?.ask(b"{'execute': 'query-qmp-schema'}");
    let reply = from_json(&lines[0]).expect("the peer's reply is JSON");
    let schema = reply.as_dict().and_then(|reply| reply.get("return"));
    Some(Entities::new(schema.expect("the peer has a schema")))
}

#[test]
fn whatever_we_announce_exists_in_the_peer_with_the_same_types() {
    let Some(theirs) = their_schema() else {
        return;
    };
    let differences = differences(&our_schema(), &theirs);
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn what_is_said_to_be_ours_alone_is() {
    let Some(theirs) = their_schema() else {
        return;
    };
    let ours = our_schema();
    for (name, reason) in OURS_ALONE {
        assert!(
            ours.0.contains_key(*name),
            "'{name}' is not announced any more"
        );
        assert!(!theirs.0.contains_key(*name), "'{name}': {reason}?");
    }
}

#[test]
fn a_schema_that_is_not_the_peers_is_told_from_it() {
    let entities = |json: &str| Entities::new(&from_json(json).expect("it is JSON"));
    let theirs = "[{'name': 'c', 'meta-type': 'command', 'arg-type': '0', 'ret-type': 'str'}, \
         {'name': '0', 'meta-type': 'object', 'members': [{'name': 'a', 'type': 'str'}, \
         {'name': 'b', 'type': 'int', 'default': null}]}, \
         {'name': 'str', 'meta-type': 'builtin', 'json-type': 'string'}, \
         {'name': 'int', 'meta-type': 'builtin', 'json-type': 'int'}]";
    let said = |from: &str, to: &str| {
        let ours = theirs.replacen(from, to, 1);
        assert_ne!(ours, theirs, "'{from}' is there");
        differences(&entities(&ours), &entities(theirs)).join("; ")
    };
    assert_eq!(said(" ", ""), "");
    assert_eq!(
        said("'name': 'c'", "'name': 'd'"),
        "d: the peer does not have it"
    );
    assert_eq!(said("'name': 'c'", "'name': 'x-d'"), "");
    assert_eq!(
        said(
            ", {'name': 'b'",
            ", {'name': 'x-b', 'type': 'int'}, {'name': 'b'"
        ),
        ""
    );
    assert_eq!(
        said("'ret-type': 'str'", "'ret-type': 'int'"),
        "c ->: int here, str there"
    );
    assert_eq!(
        said(", 'default': null", ""),
        "c b: it is optional on one side"
    );
    assert_eq!(
        said("'name': 'b'", "'name': 'x'"),
        "c: the peer does not have 'x'"
    );
    assert_eq!(
        said("{'name': 'a', 'type': 'str'}, ", ""),
        "c: 'a' is missing, which is never left out"
    );
}
