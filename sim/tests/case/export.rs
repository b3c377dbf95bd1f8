//! Exports, parsed back.

use std::collections::BTreeMap;

use blockjob_sim::export::{KINDS, chrome, json, text};
use blockjob_sim::record::{DEFAULT_LIMIT, Record};
use serde_json::Value;

use super::mischief::{SMALL, config, failing, runner_with_rule};
use super::record::record;

/// A run of everything: two contexts, faults, commands, a job that is completed.
const BUSY: &str = "own=yes,guests=2,requests=6,depth=2,kinds=all,deeds=4,rest=200000,readerror=32,\
                    onsource=ignore,spread=uniform,tspread=uniform";

pub(super) fn busy() -> Vec<Record> {
    let mut records: Vec<_> = (0..6)
        .map(|seed| record(BUSY, seed, DEFAULT_LIMIT))
        .collect();
    // One that begins in the middle of things.
    records.push(record(BUSY, 1, 100));
    // One that ends there: a rule is broken.
    let mut runner = runner_with_rule(640);
    let (case, _) = failing(&mut runner, &config(SMALL));
    let recorded = case.record(&mut runner, true, DEFAULT_LIMIT);
    records.push(recorded.expect("no exhibit is needed").0);
    records
}

#[test]
fn each_event_is_a_line_of_text_that_reads_back() {
    for record in busy() {
        let text = text::export(&record);
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.len(), record.entries.len());
        for (line, entry) in lines.iter().zip(&record.entries) {
            let mut columns = line.split_whitespace();
            let mut number = || columns.next().unwrap().parse::<u64>().unwrap();
            assert_eq!(
                (number(), number(), number()),
                (entry.seq, entry.at_ns, entry.decisions)
            );
            let flat = entry.what.flat();
            assert_eq!(columns.nth(1), Some(flat.kind), "{line}");
            for (field, _) in &flat.fields {
                assert!(line.contains(&format!(" {field}=")), "{line}");
            }
        }
    }
}

#[test]
fn the_kinds_of_events_are_in_the_table_with_their_fields() {
    let mut seen = BTreeMap::new();
    for entry in busy().iter().flat_map(|record| &record.entries) {
        let flat = entry.what.flat();
        let known = KINDS.iter().find(|(kind, _)| *kind == flat.kind);
        let (_, fields) = known.unwrap_or_else(|| panic!("{} is in no table", flat.kind));
        let mut fields = fields.iter();
        for (field, _) in &flat.fields {
            assert!(fields.any(|known| known == field), "{}: {field}", flat.kind);
        }
        *seen.entry(flat.kind).or_insert(0) += 1;
    }
    assert!(seen.len() > 25, "{seen:?}");
}

#[test]
fn json_has_an_object_a_line_between_a_header_and_an_end() {
    for record in busy() {
        let text = json::export(&record);
        let objects: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect();
        let (header, end) = (&objects[0], objects.last().unwrap());
        assert_eq!(header["format"], "blockjob-trace");
        assert_eq!(header["version"], json::VERSION);
        assert_eq!(header["told"], record.config.to_string());
        assert_eq!(header["lost"], record.lost);
        assert_eq!(end["kind"], "end");
        assert_eq!(end["events"], record.entries.len());
        assert_eq!(end["decisions"], record.report.decisions);
        assert_eq!(end["failure"].is_null(), record.report.failure.is_none());
        let events = &objects[1..objects.len() - 1];
        assert_eq!(events.len(), record.entries.len());
        for (event, entry) in events.iter().zip(&record.entries) {
            assert_eq!(event["seq"], entry.seq);
            assert_eq!(event["at_ns"], entry.at_ns);
            assert_eq!(event["kind"], entry.what.flat().kind);
        }
    }
}

fn trace_events(record: &Record) -> Vec<Value> {
    let drawing: Value = serde_json::from_str(&chrome::export(record)).expect("it is JSON");
    drawing["traceEvents"].as_array().expect("a list").clone()
}

fn ts(event: &Value) -> f64 {
    event["ts"].as_f64().expect("each event has its time")
}

#[test]
fn in_a_drawing_time_never_goes_back() {
    for record in busy() {
        let events = trace_events(&record);
        let timed: Vec<_> = events.iter().filter(|event| event["ph"] != "M").collect();
        assert!(timed.len() > 100);
        for pair in timed.windows(2) {
            assert!(ts(pair[0]) <= ts(pair[1]), "{} {}", pair[0], pair[1]);
        }
    }
}

#[test]
fn in_a_drawing_each_slice_that_begins_ends_in_its_lane() {
    for record in busy() {
        let mut turns: BTreeMap<(u64, u64), Vec<String>> = BTreeMap::new();
        let mut open: BTreeMap<String, String> = BTreeMap::new();
        let mut slices = 0;
        for event in trace_events(&record) {
            let name = event["name"].as_str().unwrap().to_owned();
            let lane = (
                event["pid"].as_u64().unwrap(),
                event["tid"].as_u64().unwrap(),
            );
            let id = format!("{}", event["id"]);
            match event["ph"].as_str().unwrap() {
                "B" => {
                    let turns = turns.entry(lane).or_default();
                    turns.push(name);
                    // Who has ended is not on the stack any more.
                    assert!(turns.len() < 8, "{turns:?}");
                }
                "E" => {
                    slices += 1;
                    assert_eq!(turns.get_mut(&lane).and_then(Vec::pop), Some(name));
                }
                "b" => assert_eq!(open.insert(id, name), None, "{event}"),
                "e" => {
                    slices += 1;
                    assert_eq!(open.remove(&id), Some(name), "{event}");
                }
                _ => {}
            }
        }
        assert!(turns.values().all(Vec::is_empty), "{turns:?}");
        assert!(open.is_empty(), "{open:?}");
        assert!(slices > 20);
    }
}

#[test]
fn in_a_drawing_each_arrow_leads_from_a_wake_to_a_turn_that_comes_later() {
    for record in busy() {
        let mut departed = BTreeMap::new();
        let mut arrows = 0;
        for event in trace_events(&record) {
            let id = event["id"].as_u64();
            match event["ph"].as_str().unwrap() {
                "s" => assert!(departed.insert(id.unwrap(), ts(&event)).is_none()),
                "f" => {
                    arrows += 1;
                    let left = departed.remove(&id.unwrap()).expect("it has departed");
                    assert!(left < ts(&event));
                }
                _ => {}
            }
        }
        assert!(departed.is_empty());
        assert!(arrows > 10, "{arrows}");
    }
}

#[test]
fn a_drawing_has_all_decisions_and_names_all_lanes() {
    for record in busy() {
        let events = trace_events(&record);
        let decisions = events
            .iter()
            .filter(|event| event["pid"] == 6 && event["ph"] == "i");
        let numbers: Vec<_> = decisions
            .map(|it| it["args"]["number"].as_u64().unwrap())
            .collect();
        let all: Vec<_> = (0..record.report.decisions).collect();
        assert_eq!(numbers, all);
        let lane = |event: &Value| {
            (
                event["pid"].as_u64().unwrap(),
                event["tid"].as_u64().unwrap(),
            )
        };
        let named: Vec<_> = events
            .iter()
            .filter(|it| it["name"] == "thread_name")
            .map(lane)
            .collect();
        for event in events.iter().filter(|event| event["ph"] != "M") {
            assert!(named.contains(&lane(event)), "{event}");
        }
    }
}
