//! `blockjob lab` as a learner uses it: a crate is made and built, a lab fails with a sentence and a page,
//! and passes.

// What a program says is read by a thread beside the test, or no wait for it would have an end.
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{env, fs, thread};

use tempfile::TempDir;

/// Longer than a build on a busy machine, after which nothing more is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

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

/// Keeps other tests from building while it lives: the crates of all of them have the same name, and so the
/// programs would lie at the same place.
fn alone() -> File {
    let lock = File::create(target_dir().join("labs.lock")).expect("the folder is ours");
    lock.lock().expect("it can be locked");
    lock
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
    let _alone = alone();
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
    let graded = text(&lab(&dir, &["grade", "1"]));
    assert!(graded.contains("200 hidden seeds passed"), "{graded}");
    assert!(!graded.contains("labs that you have done"), "{graded}");
    let graded = lab(&dir, &["grade", "2"]);
    assert_eq!(graded.status.code(), Some(1), "{}", text(&graded));
    assert!(text(&graded).contains("Item "), "{}", text(&graded));
}

#[test]
fn a_lab_that_ends_without_a_word_says_with_which_seed_and_the_compiler_warns_once() {
    let _alone = alone();
    let scratch = TempDir::new().expect("a temporary folder can be made");
    assert!(lab(scratch.path(), &["start", "labs"]).status.success());
    let dir = scratch.path().join("labs");
    let aborts = material("start.rs").replace(
        "    let _ = job;",
        "    let _ = job;\n    let unused = 1;\n    std::process::abort();",
    );
    fs::write(dir.join("src/lab01.rs"), aborts).expect("it can be written");
    let died = lab(&dir, &["run"]);
    assert_eq!(died.status.code(), Some(1), "{}", text(&died));
    let says = text(&died);
    assert!(
        says.contains("with seed 0 in the world 'drained sections'"),
        "{says}"
    );
    assert_eq!(
        says.matches("unused variable: `unused`").count(),
        1,
        "{says}"
    );
    assert!(!says.contains("trying"), "{says}");
}

#[test]
fn watching_tries_again_when_the_file_has_changed_and_goes_on_to_the_next_lab() {
    let _alone = alone();
    let scratch = TempDir::new().expect("a temporary folder can be made");
    assert!(lab(scratch.path(), &["start", "labs"]).status.success());
    let dir = scratch.path().join("labs");
    let mut watched = Watched::begin(&dir);
    watched.until("[h: hint");
    assert!(watched.said.contains("That was seed"), "{}", watched.said);
    watched.type_("h");
    watched.until("Hint 1 of 3");
    fs::write(dir.join("src/lab01.rs"), material("wrong.rs")).expect("it can be written");
    watched.until("src/lab01.rs has changed.");
    watched.until("there is no pause point between");
    watched.until("[h: hint");
    watched.type_("r");
    watched.until("there is no pause point between");
    watched.until("[h: hint");
    fs::write(dir.join("src/lab01.rs"), material("solution.rs")).expect("it can be written");
    watched.until("Passed, with 100 seeds.");
    watched.until("The next task: tasks/02-bottom-half.md");
    watched.until("[h: hint");
    watched.type_("r");
    watched.until("Lab 2: ");
    watched.until("[h: hint");
    watched.type_("q");
    assert!(watched.end().success());
}

/// `blockjob lab watch` in a folder, with its keys and what it says.
struct Watched {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Watched {
    fn begin(dir: &Path) -> Watched {
        let mut command = Command::new(program());
        command.args(["lab", "watch"]).current_dir(dir);
        command.env("CARGO_TARGET_DIR", target_dir());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let output = child.stdout.take().expect("it was asked for");
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Watched {
            child,
            lines,
            said: String::new(),
        }
    }

    /// Waits until a line with `words` is said, which was not waited for before.
    fn until(&mut self, words: &str) {
        self.said.clear();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no line has '{words}':\n{}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(words) {
                return;
            }
        }
    }

    fn type_(&mut self, keys: &str) {
        let stdin = self.child.stdin.as_mut().expect("it was asked for");
        stdin.write_all(keys.as_bytes()).expect("it reads");
        stdin.flush().expect("it reads");
    }

    /// Waits until it has ended by itself.
    fn end(&mut self) -> ExitStatus {
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        self.child.wait().expect("it is ours")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It has ended already if the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    let cases: [(&Path, &[&str], &str); 9] = [
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
        (&made, &["grade", "99"], "there is no lab 99"),
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
