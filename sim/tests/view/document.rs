//! What is in a document.

use blockjob_sim::decide::Random;
use blockjob_sim::export::{Value as Field, json};
use blockjob_sim::record::Record;
use blockjob_sim::run::Runner;
use blockjob_sim::view::{Document, Event, Origin};

use super::support::{BUSY, MOVING, config, decisions, document, events, parsed, record};

#[test]
fn a_document_has_every_event_of_its_record_with_every_field() {
    for (told, seed) in [(BUSY, 3), (MOVING, 5), ("", 0)] {
        let record = record(told, seed);
        let shown = events(&parsed(&mut document(&record)));
        assert_eq!(shown.len(), record.entries.len(), "{told}");
        assert!(shown.len() > 100, "the run is too short to show anything");
        for (entry, shown) in record.entries.iter().zip(shown) {
            let mut event = json::event(entry);
            event.remove("seq");
            assert_eq!(shown, event, "{told}");
        }
    }
}

#[test]
fn a_document_has_every_decision_of_its_log() {
    let record = record(BUSY, 4);
    let shown = decisions(&parsed(&mut document(&record)));
    assert_eq!(shown.len(), record.log.len());
    assert!(
        shown.len() > 50,
        "the run decides too little to show anything"
    );
    for (decision, shown) in record.log.iter().zip(shown) {
        assert_eq!(shown.site, decision.site);
        assert_eq!(
            (shown.n, shown.chosen),
            (decision.n.into(), decision.chosen.into())
        );
    }
}

#[test]
fn the_log_of_a_document_makes_the_same_run() {
    let record = record(BUSY, 9);
    let shown = parsed(&mut document(&record));
    let log = shown["log"].as_str().expect("a simulated run has a log");
    let case: blockjob_sim::case::Case = log.parse().expect("it is a case");
    let again = case
        .replay(&mut Runner::new(), true)
        .expect("it has no bug");
    assert!(again.is_exact(), "{again}");
    assert_eq!(shown["digest"], format!("{:016x}", again.report.digest));
    assert_eq!(shown["end_ns"], again.report.virtual_ns);
}

#[test]
fn sentences_of_the_story_point_at_events_of_their_time() {
    let record = record(BUSY, 3);
    let shown = parsed(&mut document(&record));
    let events = events(&shown);
    let lines = shown["story"]["lines"].as_array().expect("a list");
    assert!(lines.len() > 20, "the story is too short to show anything");
    for line in lines {
        let event = line["event"].as_u64().expect("a place") as usize;
        assert_eq!(events[event]["at_ns"], line["at_ns"], "{line}");
    }
}

#[test]
fn jobs_and_disks_of_a_document_are_those_of_its_events() {
    for told in [
        "jobs=2,requests=2",
        "format=both,requests=2,cluster=512,tcluster=512",
        BUSY,
    ] {
        let shown = parsed(&mut document(&record(told, 1)));
        let events = events(&shown);
        let named = |field: &str, name: &serde_json::Value| {
            let mut events = events.iter();
            events.any(|event| event.get(field) == Some(name))
        };
        for job in shown["jobs"].as_array().expect("a list") {
            assert!(named("job", &job["name"]), "{told}: {job}");
            assert!(
                named("node", &job["source"]) && named("node", &job["target"]),
                "{job}"
            );
        }
        let disks = shown["disks"].as_array().expect("a list");
        assert!(disks.len() >= 2, "{told}");
        for event in events.iter().filter_map(|event| event.get("disk")) {
            assert!(
                disks.iter().any(|disk| disk["name"] == *event),
                "{told}: {event}"
            );
        }
    }
}

#[test]
fn what_was_let_go_is_counted_and_the_rest_stays_in_place() {
    let policy = || Box::new(Random::new(3));
    let whole = Record::of(&mut Runner::new(), &config(BUSY), policy(), usize::MAX);
    let end = Record::of(&mut Runner::new(), &config(BUSY), policy(), 50);
    let (whole, end) = (parsed(&mut document(&whole)), parsed(&mut document(&end)));
    let lost = end["lost"].as_u64().expect("a number") as usize;
    assert_eq!(events(&end), events(&whole)[lost..]);
    let lines = end["story"]["lines"].as_array().expect("a list");
    let inside = |line: &serde_json::Value| line["event"].as_u64().is_some_and(|it| it < 50);
    assert!(lines.iter().all(inside));
}

#[test]
fn events_of_a_real_run_need_no_decisions_and_may_have_kinds_of_their_own() {
    let mut document = Document::new("a copy", Origin::Real);
    let mut add = |at_ns, kind, fields: &[(&str, Field)]| {
        document.event(&Event {
            at_ns,
            decisions: 0,
            context: "main",
            coroutine: None,
            kind,
            fields,
        });
    };
    let request = |id: u64| [("id", Field::from(id)), ("colour", Field::from("red"))];
    add(5, "request-begin", &request(1));
    // Clocks of two threads may differ by a little: time does not go back here.
    add(3, "new-kind", &[("odd", Field::from(true))]);
    add(
        9,
        "request-begin",
        &[("node", Field::from("source")), ("id", Field::from("x"))],
    );
    let shown = parsed(&mut document);
    assert_eq!(
        (&shown["origin"], &shown["log"]),
        (&"real".into(), &serde_json::Value::Null)
    );
    let events = events(&shown);
    assert_eq!(events[1]["at_ns"], 5);
    assert_eq!(events[1]["odd"], true);
    assert_eq!(
        (events[0]["id"].clone(), events[0]["colour"].clone()),
        (1.into(), "red".into())
    );
    assert_eq!(events[2]["node"], "source");
    assert_eq!(events[2].get("id"), None, "a column has one type");
    let columns: Vec<_> = shown["kinds"][0]["columns"]
        .as_object()
        .expect("an object")
        .keys()
        .collect();
    assert_eq!(
        columns,
        ["colour", "id", "node"]
            .map(String::from)
            .iter()
            .collect::<Vec<_>>()
    );
}
