//! `blockjob mirror --record`, and the page of what it records.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::support::{Scratch, noise};
use super::trace::Trace;

const GRANULARITY: u64 = 65536;

fn recorded() -> (Scratch, Trace) {
    let scratch = Scratch::new();
    scratch.half_holes("src", 8);
    let ended = scratch.run(&[
        "mirror",
        "src",
        "dst",
        "--granularity",
        "64K",
        "--record",
        "run.trace",
    ]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let trace = Trace::read(&scratch.path("run.trace"));
    (scratch, trace)
}

#[test]
fn a_recorded_mirror_takes_its_steps_in_order_and_leaves_nothing_dirty() {
    let (_scratch, trace) = recorded();
    let command = "blockjob mirror src dst --granularity 64K --record run.trace";
    assert_eq!(trace.header["command"], command);
    assert_eq!(trace.end["left_out"], 0);
    assert_eq!(trace.events[0]["at_ns"], 0);

    let steps: Vec<&str> = trace
        .of("mirror-step")
        .map(|it| it["step"].as_str().expect("text"))
        .collect();
    let mut first = Vec::new();
    for step in &steps {
        if !first.contains(step) {
            first.push(step);
        }
    }
    let expected = [
        "M1", "M2", "M3", "M4", "M5", "M7", "M8", "M10", "M11", "M12", "M13", "M14", "M16", "M17",
    ];
    // M6, M9 and M15 depend on how fast the disk is.
    first.retain(|step| expected.contains(step));
    assert_eq!(first, expected);
    assert_eq!(steps.last(), Some(&"M17"));

    let job = trace
        .of("mirror-job")
        .next()
        .expect("it says what it is about");
    assert_eq!(job["granularity_bytes"], GRANULARITY);
    assert_eq!(job["length_bytes"], 8 << 20);
    let mut dirty = BTreeSet::new();
    let mut most = 0;
    for event in &trace.events {
        let number = |name: &str| event[name].as_u64().expect("a number");
        match event["kind"].as_str().expect("a text") {
            "dirty-set" => {
                assert_eq!(event["node"], job["source"]);
                let (offset, bytes) = (number("offset"), number("bytes"));
                dirty.extend((offset..offset + bytes).step_by(GRANULARITY as usize));
            }
            "dirty-clear" => {
                let (offset, bytes) = (number("offset"), number("bytes"));
                dirty.retain(|at| !(offset..offset + bytes).contains(at));
            }
            "mirror-before-sleep" | "mirror-yield" | "mirror-before-drain" => {
                assert_eq!(
                    number("dirty_bytes"),
                    dirty.len() as u64 * GRANULARITY,
                    "{event}"
                );
            }
            _ => {}
        }
        most = most.max(dirty.len());
    }
    assert!(dirty.is_empty(), "{dirty:?}");
    assert!(
        most >= 64,
        "4 MiB were to be copied, and {most} granules were ever dirty"
    );
    assert_eq!(
        trace.count("mirror-iteration"),
        trace.count("mirror-iteration-done")
    );
    let last = trace.of("job-status").last().expect("its states are there");
    assert!(last["to"] == "concluded" || last["to"] == "null", "{last}");
}

#[test]
fn each_turn_of_a_coroutine_that_begins_ends_and_says_who_runs() {
    let (_scratch, trace) = recorded();
    let mut running: Vec<String> = Vec::new();
    let mut turns = 0;
    for event in &trace.events {
        let who = running
            .last()
            .map_or(Value::Null, |who| who.as_str().into());
        assert_eq!(event["coroutine"], who, "{event}");
        match event["kind"].as_str().expect("a text") {
            "coroutine-enter" => {
                running.push(format!(
                    "main/{}",
                    event["entered"].as_str().expect("a text")
                ));
                turns += 1;
            }
            "coroutine-yield" | "coroutine-end" => {
                running.pop();
            }
            _ => {}
        }
    }
    assert!(turns > 20, "{turns} turns");
    assert_eq!(running, [""; 0]);
}

#[test]
fn a_recording_becomes_a_page_beside_it_or_a_document() {
    let (scratch, trace) = recorded();
    let ended = scratch.run(&["view", "run.trace"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        ended.stdout.starts_with("run.html: a page of "),
        "{ended:?}"
    );
    assert_eq!(ended.stderr, "");
    let page = fs::read_to_string(scratch.path("run.html")).expect("the page is there");
    assert!(page.contains("<script id=\"run\""));

    let ended = scratch.run(&["view", "run.trace", "--out", "run.json"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let document = fs::read(scratch.path("run.json")).expect("the document is there");
    let document: Value = serde_json::from_slice(&document).expect("it is JSON");
    assert_eq!(document["origin"], "real");
    assert_eq!(document["command"], trace.header["command"]);
    assert_eq!(document["jobs"][0]["granularity_bytes"], GRANULARITY);
    assert_eq!(document["disks"].as_array().map(Vec::len), Some(2));
    let events = document["events"]["kind"].as_array().map(Vec::len);
    assert_eq!(events, Some(trace.events.len()));
    let told = document["story"]["lines"].as_array().expect("a list");
    for line in told {
        let event = &trace.events[line["event"].as_u64().expect("a number") as usize];
        assert_eq!(event["at_ns"], line["at_ns"]);
    }
    assert!(
        told.iter()
            .any(|line| line["text"] == "mirror goes from running to ready")
    );
}

#[test]
fn two_recordings_stand_side_by_side_on_one_page() {
    let (scratch, _) = recorded();
    fs::copy(scratch.path("run.trace"), scratch.path("other.trace")).expect("there is space");
    let words = [
        "view",
        "run.trace",
        "--against",
        "other.trace",
        "--out",
        "both.html",
    ];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let page = fs::read_to_string(scratch.path("both.html")).expect("the page is there");
    assert!(page.contains("<script id=\"against\""));
}

#[test]
fn the_guest_of_the_demonstration_is_recorded_with_all_that_it_asks() {
    let scratch = Scratch::new();
    let ended = scratch.run(&["mirror", "--seed", "3", "--record", "demo.trace"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let trace = Trace::read(&scratch.path("demo.trace"));
    let asked: BTreeSet<_> = trace.of("guest-ask").map(|it| it["id"].as_u64()).collect();
    let done: BTreeSet<_> = trace.of("guest-done").map(|it| it["id"].as_u64()).collect();
    assert!(asked.len() > 100, "{}", asked.len());
    assert_eq!(asked, done);
    assert!(trace.of("guest-ask").all(|it| it["guest"] == 0));
    let pivot = trace.of("replace-node").last().expect("it pivots");
    assert_eq!(pivot["to"], "target");
}

#[test]
fn past_its_limit_a_recording_keeps_what_is_rare_and_says_so() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 16 << 20));
    let ended = scratch.run(&[
        "mirror",
        "src",
        "dst",
        "--granularity",
        "4K",
        "--buf-size",
        "64K",
        "--record",
        "run.trace",
        "--record-limit",
        "64K",
    ]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("'run.trace' has reached 64.0 KiB"),
        "{ended:?}"
    );
    let trace = Trace::read(&scratch.path("run.trace"));
    let bytes = fs::metadata(scratch.path("run.trace"))
        .expect("it is there")
        .len();
    assert!((65_536..132_000).contains(&bytes), "{bytes} bytes");
    assert!(trace.end["left_out"].as_u64() > Some(100), "{}", trace.end);
    let last = trace.of("job-status").last().expect("its states are there");
    assert!(last["to"] == "concluded" || last["to"] == "null", "{last}");
    let ended = scratch.run(&["view", "run.trace"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
}
