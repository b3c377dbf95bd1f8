//! `blockjob monitor`, as a script uses it.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::process::{Command, ExitStatus, Stdio};
use std::rc::Rc;

use blockjob::monitor::MonitorOptions;

use crate::toy::{Toy, echo_reply, error_reply};

/// What the client prints and how it ends, given these lines.
fn client(toy: &Rc<Toy>, socket: &str, lines: &str) -> (ExitStatus, String, String) {
    let (input, out, err) = (toy.path("in"), toy.path("out"), toy.path("err"));
    fs::write(&input, lines).expect("it is written");
    let file = |path| File::create(path).expect("it is made");
    let child = Command::new(env!("CARGO_BIN_EXE_blockjob"))
        .args(["monitor", socket])
        .stdin(Stdio::from(File::open(input).expect("it is there")))
        .stdout(Stdio::from(file(&out)))
        .stderr(Stdio::from(file(&err)))
        .spawn()
        .expect("it is started");
    let status = Rc::new(Cell::new(None));
    let ended = status.clone();
    toy.run(async move |toy| {
        let child = RefCell::new(child);
        let has_ended = || {
            ended.set(child.borrow_mut().try_wait().expect("it is our child"));
            ended.get().is_some()
        };
        toy.until(has_ended).await;
    });
    let read = |path| fs::read_to_string(path).expect("it is there");
    (status.get().expect("it has ended"), read(out), read(err))
}

#[test]
fn a_script_is_words_and_json_and_its_replies_and_events_are_printed_in_order() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    let path = toy.path("m").display().to_string();
    let script = "echo text='two words'\n\n# nothing\n{'execute':\n 'echo', 'arguments': {'text': 'json'}}\n\
                  tick count=2\n{'exec-oob': 'open'}";
    let (status, out, err) = client(&toy, &path, script);
    assert_eq!((status.code(), &*err), (Some(0), ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], echo_reply("two words"));
    assert_eq!(lines[1], echo_reply("json"));
    assert!(
        lines[2].contains("TICK") && lines[3].contains("TICK"),
        "{out}"
    );
    assert_eq!(lines[4..], [r#"{"return": {}}"#; 2]);
}

#[test]
fn a_command_that_fails_is_told_and_the_rest_goes_on() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    let path = toy.path("m").display().to_string();
    let (status, out, err) = client(&toy, &path, "fail text=no\necho\necho word\necho text=a\n");
    assert_eq!(status.code(), Some(1));
    let missing = error_reply("Parameter 'text' is missing");
    assert_eq!(
        out,
        [error_reply("no"), missing, echo_reply("a"), String::new()].join("\n")
    );
    assert_eq!(
        err,
        "blockjob: 'word' is no argument: write it as NAME=VALUE\n"
    );
}

#[test]
fn lines_go_to_a_monitor_for_people_as_they_are() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::readline());
    let path = toy.path("m").display().to_string();
    let (status, out, err) = client(&toy, &path, "info block\n\nlast");
    assert_eq!((status.code(), &*err), (Some(0), ""));
    assert_eq!(out, "you said\ninfo block\nyou said\nlast\n");
    let nobody = toy.path("nobody").display().to_string();
    let (status, _, err) = client(&toy, &nobody, "");
    assert_eq!(status.code(), Some(2));
    assert!(
        err.starts_with(&format!("blockjob: cannot connect to '{nobody}': ")),
        "{err}"
    );
}
