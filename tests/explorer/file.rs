//! The page in a file.

use std::fs;

use serde_json::Value;
use tempfile::tempdir;

use super::client::view;

fn document(args: &[&str]) -> Value {
    let folder = tempdir().expect("there is room");
    let mut args = args.to_vec();
    args.extend(["--out", "run.json"]);
    let output = view(folder.path(), &args);
    assert!(output.status.success(), "{output:?}");
    let text = fs::read(folder.path().join("run.json")).expect("the document is there");
    serde_json::from_slice(&text).expect("it is JSON")
}

/// What stands in the element of `page` with that id.
fn element<'a>(page: &'a str, id: &str) -> &'a str {
    let begin = format!("<script id=\"{id}\" ");
    let (_, rest) = page.split_once(&begin).expect("the element is there");
    let (_, rest) = rest.split_once('>').expect("its head ends");
    rest.split_once("</script>").expect("it ends").0
}

fn refused(args: &[&str], sentence: &str) {
    let folder = tempdir().expect("there is room");
    let output = view(folder.path(), args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    // The command line's own refusals come with the usage below them.
    let usage = said.contains("Usage:");
    assert!(usage || said.lines().count() == 1, "{args:?}: {said}");
    assert!(said.contains(sentence), "{args:?}: {said}");
    let left = fs::read_dir(folder.path()).expect("it can be read").count();
    assert_eq!(left, 0, "{args:?} left a file");
}

#[test]
fn a_seed_is_written_as_a_page_and_its_size_is_said() {
    let folder = tempdir().expect("there is room");
    let output = view(folder.path(), &["--seed", "3", "--out", "page.html"]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    let page = fs::read_to_string(folder.path().join("page.html")).expect("the page is there");
    assert!(page.starts_with("<!doctype html>") && page.contains("<script id=\"run\""));
    assert!(said.starts_with("mirror, seed 3: "), "{said}");
    assert!(
        said.contains("page.html: a page of ") && said.contains(" events and "),
        "{said}"
    );
}

#[test]
fn a_seed_and_its_log_show_the_same_run() {
    let of_seed = document(&["--scenario", "tiny", "--seed", "5"]);
    assert_eq!(
        of_seed["command"],
        "blockjob sim run --scenario tiny --seed 5"
    );
    assert_eq!(
        (&of_seed["scenario"], &of_seed["policy"]),
        (&"tiny".into(), &"random".into())
    );
    let log = of_seed["log"].as_str().expect("it has a log");
    let of_log = document(&[log]);
    assert_eq!(of_log["events"], of_seed["events"]);
    assert_eq!(of_log["digest"], of_seed["digest"]);
    assert_eq!(document(&["tiny@5"])["digest"], of_seed["digest"]);
    let other = document(&["--scenario", "tiny", "--seed", "5", "--policy", "pct:3"]);
    assert_ne!(
        other["log"], of_seed["log"],
        "another policy decides otherwise"
    );
}

#[test]
fn two_seeds_are_one_page_with_the_first_difference() {
    let folder = tempdir().expect("there is room");
    let output = view(folder.path(), &["tiny@5", "--against", "6"]);
    assert!(output.status.success(), "{output:?}");
    let page = fs::read_to_string(folder.path().join("run.html")).expect("the page is there");
    let output = view(folder.path(), &["tiny@6", "--out", "other.html"]);
    assert!(output.status.success(), "{output:?}");
    let other = fs::read_to_string(folder.path().join("other.html")).expect("it is there");
    assert_eq!(element(&page, "against"), element(&other, "run"));
    let difference = element(&page, "difference");
    let difference: Value = serde_json::from_str(difference).expect("it is JSON");
    let first = &difference["first_difference"];
    let (a, b) = (document(&["tiny@5"]), document(&["tiny@6"]));
    let event = first["event_a"].as_u64().expect("they differ") as usize;
    assert_eq!(first["event_a"], first["event_b"]);
    for column in ["at_ns", "decisions"] {
        assert_eq!(
            a["events"][column].as_array().expect("a list")[..event],
            b["events"][column].as_array().expect("a list")[..event],
            "{column}"
        );
    }
    assert!(first["decision"].is_number(), "{first}");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    refused(&["bj1:nonsense"], "log");
    refused(&["nowhere.txt"], "there is no log in 'nowhere.txt'");
    refused(
        &["--scenario", "no-such"],
        "'no-such' is no scenario: mirror, tiny, ",
    );
    refused(&["--policy", "lucky"], "'lucky' is no policy");
    refused(&["--policy", "exhaustive"], "expected random or pct:D");
    refused(&["tiny@5", "--against-clean"], "this run has no bug");
    refused(
        &["tiny@5", "--against-shrunk"],
        "only one that fails can be shrunk",
    );
    refused(
        &["tiny@5", "--against", "6", "--out", "x.json"],
        "a page, such as",
    );
    refused(&["tiny@5", "--seed", "3"], "cannot be used with");
    refused(&["--port", "80"], "--serve");
    if cfg!(feature = "museum") {
        let sentence = "'NOPE-1' is no bug: expected MIR-02, MIR-07, ";
        refused(&["--bug", "NOPE-1"], sentence);
        refused(&["--bug", "NOPE-1", "--seed", "3"], "'NOPE-1' is no bug: ");
        refused(&["tiny@5", "--bug", "NOPE-1"], "'NOPE-1' is no bug: ");
    } else {
        refused(&["--bug", "MIR-02"], "feature 'museum'");
        refused(&["tiny@5", "--bug", "NOPE-1"], "feature 'museum'");
    }
}

#[cfg(feature = "museum")]
#[test]
fn a_bug_alone_is_looked_for_in_its_room_and_shown_beside_the_run_without_it() {
    let found = document(&["--bug", "MIR-02"]);
    assert_eq!(
        (&found["bug"], &found["failure"]["rule"]),
        (&"MIR-02".into(), &"DATA".into())
    );
    let log = found["log"].as_str().expect("it has a log");
    for beside in ["--against-clean", "--against-shrunk"] {
        let folder = tempdir().expect("there is room");
        let output = view(folder.path(), &[log, beside]);
        assert!(output.status.success(), "{beside}: {output:?}");
        let page = fs::read_to_string(folder.path().join("run.html")).expect("the page is there");
        assert!(page.contains("<script id=\"against\""), "{beside}");
    }
    refused(
        &[log, "--bug", "MIR-02"],
        "a log says itself which bug is on",
    );
}

#[cfg(feature = "museum")]
#[test]
fn the_id_of_a_bug_is_known_however_it_is_written() {
    for (typed, id) in [
        ("mir-04a", "MIR-04a"),
        ("MIR-04A", "MIR-04a"),
        ("mir-02", "MIR-02"),
    ] {
        let run = document(&["--scenario", "tiny", "--seed", "3", "--bug", typed]);
        assert_eq!(run["bug"], id);
        let log = run["log"].as_str().expect("it has a log");
        assert_eq!(document(&[log])["digest"], run["digest"], "{typed}");
    }
}
