//! `blockjob sim`: what it finds, what it prints, what it refuses.

use super::bad_input::assert_refusal;
use super::support::{Ended, Scratch};

fn sim(words: &[&str]) -> Ended {
    let words: Vec<&str> = ["sim"].iter().chain(words).copied().collect();
    Scratch::new().run(&words)
}

/// Status 0, and the output contains each of `parts`.
fn assert_prints(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.status, Some(0), "{ended:?}");
    for part in parts {
        assert!(
            ended.stdout.contains(part),
            "'{part}' is not in: {}",
            ended.stdout
        );
    }
}

#[test]
fn a_sweep_of_good_runs_says_what_it_covered() {
    let ended = sim(&["run", "--seeds", "0..100"]);
    assert_prints(
        &ended,
        &[
            "digest",
            "marks:",
            "steps of mirrors",
            "100 runs made",
            "none failed",
        ],
    );
}

#[test]
fn a_sweep_does_not_depend_on_the_number_of_threads() {
    let one = sim(&["run", "--seeds", "0..60"]);
    let two = sim(&["run", "--seeds", "0..60", "--jobs", "2"]);
    assert_eq!(one.status, Some(0), "{one:?}");
    assert_eq!(one.stdout, two.stdout);
}

#[test]
fn one_seed_prints_its_configuration_first() {
    let ended = sim(&["run", "--scenario", "tiny", "--seed", "5"]);
    let first = ended.stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("seed 5: granules=2,"), "{ended:?}");
    assert_prints(&ended, &["no rule was broken"]);
}

#[test]
fn the_story_of_a_seed_tells_its_steps() {
    let ended = sim(&["explain", "--long", "tiny@3"]);
    assert_prints(&ended, &["READY (M13)", "The pivot"]);
}

#[test]
fn a_run_is_traced_in_every_form() {
    for (format, part) in [
        ("text", "mirror-step"),
        ("json", "\"mirror-step\""),
        ("perfetto", "traceEvents"),
        ("shiviz", "main"),
    ] {
        let ended = sim(&["trace", "tiny@3", "--format", format]);
        assert_prints(&ended, &[part]);
    }
}

#[test]
fn a_scenario_in_a_file_is_run_and_repeated_by_the_name_of_the_file() {
    let scratch = Scratch::new();
    let text = "name = mine\ngranules = 2..4\nguests = 0 | 1\n";
    scratch.file("mine.txt", text.as_bytes());
    let ended = scratch.run(&["sim", "run", "--scenario", "mine.txt", "--seeds", "0..20"]);
    assert_prints(&ended, &["scenario mine, seeds 0..20", "none failed"]);
}

#[test]
fn numbers_of_a_sweep_are_written_as_json() {
    let scratch = Scratch::new();
    let words = ["sim", "run", "--seeds", "0..20", "--json", "out.json"];
    assert_eq!(scratch.run(&words).status, Some(0));
    let text = std::fs::read_to_string(scratch.path("out.json")).expect("it was written");
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(json["runs"], 20);
    assert_eq!(json["failed"], 0);
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line() {
    assert_refusal(&sim(&["run", "--scenario", "mirrow"]), "is no scenario");
    assert_refusal(&sim(&["run", "--policy", "chance"]), "is no policy");
    assert_refusal(&sim(&["run", "--seeds", "5..5"]), "A..B");
    assert_refusal(&sim(&["run", "--jobs", "0"]), "0 is not in");
    assert_refusal(&sim(&["replay", "no-such-file"]), "no log in");
    assert_refusal(&sim(&["compare", "--seeds", "2"]), "two");
    assert_refusal(&sim(&["compare", "--vary", "slyce=1ms,2ms"]), "slyce");
}

#[test]
fn a_log_with_a_typing_error_is_refused() {
    let log = "bj1:granules=2:=5:0000000000000000.0000000000000000.00000000";
    assert_refusal(&sim(&["replay", log]), "cannot be read");
}

#[test]
fn without_the_museum_nobody_visits_it() {
    if cfg!(feature = "museum") {
        return;
    }
    assert_refusal(&sim(&["museum"]), "--features museum");
    assert_refusal(
        &sim(&["run", "--bug", "MIR-02", "--seeds", "0..2"]),
        "museum",
    );
}

#[test]
fn a_mistake_in_a_scenario_file_is_told_with_its_place() {
    let scratch = Scratch::new();
    scratch.file("bad.txt", b"name = bad\ngranules = many\n");
    let ended = scratch.run(&["sim", "run", "--scenario", "bad.txt"]);
    assert_refusal(&ended, "bad.txt");
    assert!(ended.stderr.contains('2'), "the line: {}", ended.stderr);
}
