//! `blockjob lab` as a learner uses it: a crate is made and built, a lab fails with a sentence and a page,
//! and passes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use tempfile::TempDir;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_blockjob"))
}

/// Where this test was built: what the made crate needs is there already, or is shared with the next run.
fn target_dir() -> PathBuf {
    let profile = program().parent().expect("the program is in a folder");
    profile
        .parent()
        .expect("of a profile, in the target folder")
        .to_owned()
}

fn lab(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("lab").args(words).current_dir(dir);
    command.env("CARGO_TARGET_DIR", target_dir());
    command.output().expect("the program runs")
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

fn material(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/labs/01-pause-point");
    fs::read_to_string(path.join(name)).expect("the lab has this file")
}

#[test]
fn a_crate_is_made_and_built_and_a_lab_fails_is_shown_and_passes() {
    let scratch = TempDir::new().expect("a temporary folder can be made");
    let dir = scratch.path().join("labs");
    let dir_text = dir.display().to_string();
    let started = lab(scratch.path(), &["start", &dir_text]);
    assert!(started.status.success(), "{}", text(&started));

    fs::write(dir.join("src/lab01.rs"), material("wrong.rs")).expect("it can be written");
    let failed = lab(&dir, &["run"]);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed));
    let sentence = "there is no pause point between that piece of work and the one before";
    assert!(text(&failed).contains(sentence), "{}", text(&failed));
    let shown = text(&lab(&dir, &["show"]));
    assert!(shown.contains(sentence), "{shown}");
    let page = fs::read_to_string(dir.join("runs/lab01.html")).expect("the run is a page");
    assert!(page.contains("id=\"run\""), "the page has a run in it");

    fs::write(dir.join("src/lab01.rs"), "fn main() { no }").expect("it can be written");
    let broken = lab(&dir, &["run", "1"]);
    assert!(
        text(&broken).contains("cannot find value `no`"),
        "{}",
        text(&broken)
    );

    fs::write(dir.join("src/lab01.rs"), material("solution.rs")).expect("it can be written");
    let passed = lab(&dir, &["run", "1"]);
    assert!(passed.status.success(), "{}", text(&passed));
    assert!(
        text(&passed).contains("Passed, with 100 seeds."),
        "{}",
        text(&passed)
    );
    assert!(
        text(&passed).contains("tasks/02-bottom-half.md"),
        "{}",
        text(&passed)
    );
    let listed = text(&lab(&dir, &["list"]));
    assert!(
        listed
            .lines()
            .next()
            .is_some_and(|line| line.ends_with("passed")),
        "{listed}"
    );
    let graded = lab(&dir, &["grade"]);
    assert!(graded.status.success(), "{}", text(&graded));
    assert!(
        text(&graded).contains("200 hidden seeds passed"),
        "{}",
        text(&graded)
    );
}

#[test]
fn hints_come_one_by_one_and_a_solution_after_three_tries_that_failed() {
    let scratch = TempDir::new().expect("a temporary folder can be made");
    let dir = scratch.path();
    assert!(lab(dir, &["start", "labs"]).status.success());
    let dir = &dir.join("labs");
    for given in 1..=3 {
        let hints = text(&lab(dir, &["hint", "3"]));
        assert_eq!(hints.matches("Hint ").count(), given, "{hints}");
    }
    let refused = lab(dir, &["solution", "3"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(
        text(&refused).contains("after 3 tries"),
        "{}",
        text(&refused)
    );
    let progress = fs::read_to_string(dir.join("progress.json")).expect("it is a file");
    let tried = progress.replace("\"failed_tries\": 0", "\"failed_tries\": 3");
    fs::write(dir.join("progress.json"), tried).expect("it can be written");
    let told = lab(dir, &["solution", "3"]);
    assert!(told.status.success(), "{}", text(&told));
    assert!(
        text(&told).contains("impl Slots for Line"),
        "{}",
        text(&told)
    );
}

#[test]
fn what_was_done_is_made_anew_when_its_file_is_lost_and_nothing_else_is_touched() {
    let scratch = TempDir::new().expect("a temporary folder can be made");
    let dir = scratch.path();
    let started = text(&lab(dir, &["start", "labs"]));
    assert!(started.contains("alias blockjob='/"), "{started}");
    let made = dir.join("labs");
    let task = fs::read_to_string(made.join("tasks/01-pause-point.md")).expect("it is a file");
    assert!(task.contains(env!("CARGO_MANIFEST_DIR")), "{task}");
    fs::write(made.join("src/lab01.rs"), "// mine").expect("it can be written");
    fs::remove_file(made.join("progress.json")).expect("it was made");
    for words in [&["list"][..], &["run"], &["hint"]] {
        let refused = lab(&made, words);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        let says = text(&refused);
        assert!(
            says.contains("'blockjob lab start .' makes it anew"),
            "{says}"
        );
    }
    let again = lab(&made, &["start", "."]);
    assert!(again.status.success(), "{}", text(&again));
    let kept = fs::read_to_string(made.join("src/lab01.rs")).expect("it is a file");
    assert_eq!(kept, "// mine");
    let listed = lab(&made, &["list"]);
    assert!(
        text(&listed).contains("The next task: tasks/01"),
        "{}",
        text(&listed)
    );
    fs::write(made.join("progress.json"), "{").expect("it can be written");
    assert_eq!(lab(&made, &["list"]).status.code(), Some(2));
}

#[test]
fn what_cannot_be_done_is_one_line_and_status_2() {
    let scratch = TempDir::new().expect("a temporary folder can be made");
    let dir = scratch.path();
    assert!(lab(dir, &["start", "labs"]).status.success());
    let made = dir.join("labs");
    fs::write(dir.join("file"), "").expect("it can be written");
    let cases: [(&Path, &[&str], &str); 8] = [
        (dir, &["start", "file"], "is not a folder"),
        (&made, &["run", "abc"], "expected the number of a lab"),
        (dir, &["run"], "there are no labs in '.'"),
        (dir, &["start", "labs"], "is not empty"),
        (
            dir,
            &["start", "new", "--blockjob", "nowhere"],
            "not the sources",
        ),
        (&made, &["run", "99"], "there is no lab 99"),
        (&made, &["show"], "no run of lab 1 has failed"),
        (&made, &["grade"], "no lab is passed yet"),
    ];
    for (dir, words, sentence) in cases {
        let output = lab(dir, words);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            text(&output)
        );
        assert!(
            text(&output).contains(sentence),
            "{words:?}: {}",
            text(&output)
        );
        assert_eq!(
            text(&output).lines().count(),
            1,
            "{words:?}: {}",
            text(&output)
        );
    }
}
