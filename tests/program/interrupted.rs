//! Signals in the middle of a copy.

use std::fs;

use rustix::process::Signal;

use super::support::{Ended, Scratch, noise};

/// Whether whoever started these tests has this signal ignored, as shells do for what they put into the
/// background: then the program leaves it ignored.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.expect("it is a line").trim(), 16);
    ignored.expect("it is a number") & (1 << (signal.as_raw() - 1)) != 0
}

/// Ctrl-C, or what else ends a program where Ctrl-C is ignored.
fn interrupt() -> (Signal, &'static str, i32) {
    match is_ignored(Signal::INT) {
        false => (Signal::INT, "SIGINT", 130),
        true => (Signal::TERM, "SIGTERM", 143),
    }
}

/// Interrupts a slow copy of 16 MiB after it has begun to copy, and returns the rest of its lines.
fn interrupted(scratch: &Scratch, more: &[&str]) -> Ended {
    scratch.file("src", &noise(1, 16 << 20));
    let words = [
        "mirror",
        "src",
        "dst",
        "--json",
        "--speed",
        "1M",
        "--buf-size",
        "1M",
    ];
    let words: Vec<&str> = words.iter().chain(more).copied().collect();
    let mut running = scratch.start(&words);
    running.wait_for_line(" %, ");
    let (signal, name, status) = interrupt();
    running.signal(signal);
    let ended = running.end();
    assert_eq!(ended.status, Some(status), "{ended:?}");
    assert!(ended.stderr.contains(name), "{ended:?}");
    let object: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one JSON value");
    assert_eq!(object["outcome"], "abandoned");
    assert_eq!(object["is_copy"], false);
    ended
}

#[test]
fn an_interrupted_copy_leaves_no_half_target() {
    let scratch = Scratch::new();
    let ended = interrupted(&scratch, &[]);
    assert!(ended.stderr.contains("'dst' was removed"), "{ended:?}");
    assert!(!scratch.path("dst").exists());
}

#[test]
fn an_interrupted_copy_leaves_a_target_that_was_there_before() {
    let scratch = Scratch::new();
    scratch.file("dst", &noise(2, 16 << 20));
    let ended = interrupted(&scratch, &["--mode", "existing"]);
    assert!(ended.stderr.contains("was there before"), "{ended:?}");
    let target = fs::read(scratch.path("dst")).expect("it is still there");
    // The end was not reached, and is as it was.
    assert!(target[15 << 20..] == noise(2, 16 << 20)[15 << 20..]);
}

#[test]
fn what_was_put_in_the_place_of_the_target_is_not_removed() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 16 << 20));
    let mut running = scratch.start(&["mirror", "src", "dst", "--speed", "1M"]);
    running.wait_for_line("copying");
    fs::rename(scratch.path("dst"), scratch.path("moved")).expect("it was created");
    scratch.file("dst", b"precious");
    running.signal(interrupt().0);
    let ended = running.end();
    assert!(ended.stderr.contains("could not be removed"), "{ended:?}");
    assert_eq!(
        fs::read(scratch.path("dst")).expect("it is there"),
        b"precious"
    );
}

#[test]
fn also_a_quit_leaves_no_half_target() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 16 << 20));
    let mut running = scratch.start(&["mirror", "src", "dst", "--speed", "1M"]);
    running.wait_for_line("copying");
    running.signal(match is_ignored(Signal::QUIT) {
        false => Signal::QUIT,
        true => Signal::TERM,
    });
    let ended = running.end();
    assert!(ended.stderr.contains("'dst' was removed"), "{ended:?}");
    assert!(!scratch.path("dst").exists());
}
