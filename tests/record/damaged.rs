//! Recordings that were cut off, and files that are none.

use std::fs;

use rustix::process::Signal;

use super::support::{Ended, Scratch, noise};

/// A short recording, as text.
fn recording(scratch: &Scratch) -> String {
    scratch.half_holes("src", 4);
    let ended = scratch.run(&["mirror", "src", "dst", "--record", "run.trace"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    fs::read_to_string(scratch.path("run.trace")).expect("the recording is there")
}

fn view(scratch: &Scratch, text: &str) -> Ended {
    scratch.file("other.trace", text.as_bytes());
    scratch.run(&["view", "other.trace"])
}

fn assert_refused(ended: &Ended, line: &str) {
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    let expected = format!("blockjob: 'other.trace', line {line}");
    assert!(ended.stderr.starts_with(&expected), "{ended:?}");
}

#[test]
fn a_recording_that_is_cut_off_in_a_line_is_shown_up_to_there() {
    let scratch = Scratch::new();
    let text = recording(&scratch);
    let half = text.len() / 2;
    let cut = text[half..].find(':').expect("there are more lines") + half;
    let events = text[..cut].lines().count() - 2;
    let ended = view(&scratch, &text[..cut]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let told = format!(
        "cut off in the middle of a line, as that of a program that was killed: {events} events"
    );
    assert!(ended.stderr.contains(&told), "{ended:?}");
    assert!(
        ended.stdout.contains(&format!("with {events} events")),
        "{ended:?}"
    );
}

#[test]
fn a_recording_of_a_program_that_is_killed_can_be_shown() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 16 << 20));
    let words = [
        "mirror",
        "src",
        "dst",
        "--speed",
        "1M",
        "--buf-size",
        "1M",
        // So few events that none would be in the file yet, were they not handed over at each wait.
        "--granularity",
        "1M",
        "--record",
        "run.trace",
    ];
    let mut running = scratch.start(&words);
    running.wait_for_line(" %, ");
    running.signal(Signal::KILL);
    drop(running);
    let ended = scratch.run(&["view", "run.trace", "--out", "run.json"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("a program that was killed"),
        "{ended:?}"
    );
    let document = fs::read(scratch.path("run.json")).expect("the document is there");
    let document: serde_json::Value = serde_json::from_slice(&document).expect("it is JSON");
    let kinds = document["kinds"].as_array().expect("a list");
    // It waits for its rate, and that was in the file before it did.
    assert!(
        kinds
            .iter()
            .any(|kind| kind["name"] == "mirror-before-sleep")
    );
}

#[test]
fn a_damaged_line_is_named_with_its_file() {
    let scratch = Scratch::new();
    let text = recording(&scratch);
    let lines: Vec<&str> = text.lines().collect();
    let with = |line: &str| {
        let mut lines = lines.clone();
        lines[6] = line;
        lines.join("\n") + "\n"
    };
    for (line, what) in [
        ("{\"seq\":5,\"at_ns\"", "7: it is no JSON object"),
        ("", "7: it is no JSON object"),
        ("{\"seq\":5,\"at_ns\":1}", "7: it has no 'kind'"),
        (
            "{\"kind\":\"x\",\"at_ns\":-1}",
            "7: 'at_ns' is no whole number",
        ),
        (
            "{\"kind\":\"x\",\"at_ns\":\"1\",\"y\":[]}",
            "7: 'y' is no number, text or flag",
        ),
    ] {
        assert_refused(&view(&scratch, &with(line)), what);
    }
}

#[test]
fn what_is_no_recording_is_refused_at_its_first_line() {
    let scratch = Scratch::new();
    for text in [
        "",
        "hello\n",
        "{}\n",
        "[1]\n",
        "{\"format\":\"blockjob-view\"}\n",
    ] {
        assert_refused(&view(&scratch, text), "1: it is no recording");
    }
    let newer = "{\"format\":\"blockjob-trace\",\"version\":2}\n";
    assert_refused(&view(&scratch, newer), "1: it is a recording of version 2");
    let ended = scratch.run(&["view", "missing.trace"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("cannot open 'missing.trace'"),
        "{ended:?}"
    );
}

#[test]
fn kinds_and_fields_that_are_not_known_here_are_shown_as_they_are() {
    let scratch = Scratch::new();
    let text = "{\"format\":\"blockjob-trace\",\"version\":1}\n\
                {\"seq\":0,\"at_ns\":5,\"context\":\"main\",\"kind\":\"new\",\"with\":\"a field\"}\n";
    let ended = view(&scratch, text);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("with 1 events"), "{ended:?}");
}

#[test]
fn a_file_that_is_no_recording_is_not_overwritten_by_one() {
    let scratch = Scratch::new();
    scratch.half_holes("src", 2);
    scratch.file("precious", b"a disk, perhaps");
    let before = scratch.contents();
    for words in [
        &["mirror", "src", "dst", "--record", "precious"][..],
        &["mirror", "src", "dst", "--record", "src"],
    ] {
        let ended = scratch.run(words);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(
            ended
                .stderr
                .contains("is no recording; it is left as it is"),
            "{ended:?}"
        );
        assert_eq!(scratch.contents(), before);
    }
    scratch.file(
        "run.trace",
        b"{\"format\":\"blockjob-trace\",\"version\":1}\n",
    );
    let ended = scratch.run(&["mirror", "src", "dst", "--record", "run.trace"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let ended = scratch.run(&["mirror", "src", "dst2", "--record", "run.trace"]);
    assert_eq!(ended.status, Some(0), "its own recording: {ended:?}");
}

#[test]
fn of_a_copy_that_is_refused_there_is_no_recording_and_an_older_one_stays() {
    let scratch = Scratch::new();
    recording(&scratch);
    let before = scratch.contents();
    // The target is there.
    for name in ["run.trace", "new.trace"] {
        let ended = scratch.run(&["mirror", "src", "dst", "--record", name]);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert_eq!(scratch.contents(), before, "{name}");
    }
}

#[test]
fn with_a_daemon_it_is_the_daemon_that_records() {
    let scratch = Scratch::new();
    let words = [
        "mirror",
        "disk",
        "dst",
        "--socket",
        "qmp",
        "--record",
        "run.trace",
    ];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("'blockjob serve' has --record"),
        "{ended:?}"
    );
    assert!(!scratch.path("run.trace").exists());
}
