//! `blockjob serve` beside `qemu-storage-daemon`: the same scripts, the same images, and what comes over
//! the wire compared line by line, with the order of members and of events.
//!
//! The scripts are in `tests/transcript/scripts`, a file each; `transcript/script.rs` says what they are
//! made of. A difference that is meant stands in `transcript/differences.list`, with its reason in
//! `docs/differences.md`. Without the peer on the machine these tests say so and do nothing.

#[path = "transcript/compare.rs"]
mod compare;
#[path = "transcript/daemon.rs"]
mod daemon;
#[path = "transcript/differences.rs"]
mod differences;
#[path = "transcript/normal.rs"]
mod normal;
#[path = "transcript/play.rs"]
mod play;
#[path = "transcript/races.rs"]
mod races;
#[path = "transcript/script.rs"]
mod script;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use daemon::Which;
use play::{Transcript, play};

/// A test for each script, so that one that fails is known by its name.
macro_rules! scripts {
    ($($name:ident)*) => {
        /// The names of the scripts that have a test.
        const SCRIPTS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            #[ignore = "the daemon does not speak yet"]
            fn $name() {
                is_the_same(stringify!($name));
            }
        )*
    };
}

scripts! {
    basics
    blockdev_mirror_arguments
    blockdev_mirror_errors
    chain_full
    chain_none
    chain_top
    create_and_resize
    drive_mirror_errors
    errors_source
    errors_target
    existing_targets
    finalize_and_dismiss
    input_in_pieces
    job_control
    monitors
    negotiation
    nodes
    objects
    options_refused
    options_taken
    protocol
    protocol_lexical
    protocol_nesting
    quit_concluded
    quit_paused
    quit_pending
    quit_ready
    quit_running
    quit_standby
    snapshots_and_reopen
    verbs_concluded
    verbs_nobody
    verbs_paused
    verbs_pending
    verbs_ready
    verbs_running
    verbs_standby
}

/// The folder of the test's data.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcript")
}

fn read(path: &Path) -> String {
    let text = fs::read_to_string(path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn script(name: &str) -> String {
    read(&folder().join("scripts").join(format!("{name}.script")))
}

/// Whether the peer can be started.
fn has_peer() -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|bin| bin.join("qemu-storage-daemon").is_file());
    if !found {
        // Written past the test harness, which keeps what passing tests print.
        writeln!(io::stderr(), "skipped: there is no qemu-storage-daemon")
            .expect("standard error is open");
    }
    found
}

/// What a script brings out of a daemon, in a folder of its own.
fn transcript(name: &str, which: Which) -> Transcript {
    // Short, for the paths of sockets are.
    let dir = tempfile::Builder::new().prefix("t").tempdir();
    let dir = dir.expect("there is a temporary folder");
    play(&script(name), which, dir.path())
}

/// Plays a script against both daemons, and fails with all that differs and is not meant to.
fn is_the_same(name: &str) {
    if !has_peer() {
        return;
    }
    let peer = transcript(name, Which::Peer);
    let ours = transcript(name, Which::Ours);
    let findings = compare::compare(&peer, &ours);
    let known = differences::parse(&read(&folder().join("differences.list")));
    let wrong = differences::judge(name, &findings, &known);
    assert!(
        wrong.is_empty(),
        "{} differences in {name}:\n{}\n",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_script_has_a_test() {
    let entries = fs::read_dir(folder().join("scripts")).expect("the folder is there");
    let found: BTreeSet<String> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    let listed: BTreeSet<String> = SCRIPTS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, listed);
}

/// A tool for who writes scripts: what the peer says, and whether it says the same twice. Names in
/// `SCRIPT`, else all of them.
#[test]
#[ignore = "it says nothing about ours"]
fn the_peer_says_the_same_twice() {
    let wanted = std::env::var("SCRIPT").unwrap_or_else(|_| SCRIPTS.join(","));
    let mut wrong = Vec::new();
    for name in wanted.split(',') {
        let once = transcript(name, Which::Peer);
        for (stream, lines) in &once.streams {
            println!("== {name}: {stream}");
            let mut after = "";
            for line in lines {
                if line.after != after {
                    println!("-> {}", line.after);
                    after = &line.after;
                }
                println!("   {}", line.text);
            }
        }
        for finding in compare::compare(&once, &transcript(name, Which::Peer)) {
            wrong.push(format!("{name}: {finding}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
