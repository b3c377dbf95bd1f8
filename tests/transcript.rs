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
#[path = "transcript/recorded.rs"]
mod recorded;
#[path = "transcript/script.rs"]
mod script;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use daemon::Which;
use play::{Heading, Transcript, play};

/// A test for each script, so that one that fails is known by its name.
macro_rules! scripts {
    ($($name:ident)*) => {
        /// The names of the scripts that have a test.
        const SCRIPTS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
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
    dirty_image
    drive_mirror_errors
    errors_source
    errors_target
    existing_targets
    filters
    finalize_and_dismiss
    input_in_pieces
    iothread_in_use
    iothread_mirror
    iothread_reopen
    iothreads
    job_control
    monitors
    nbd_client
    nbd_client_names
    nbd_client_qcow2
    nbd_mirror
    nbd_options
    nbd_server
    negotiation
    new_targets
    node_options
    nodes
    objects
    odd_length
    odd_sizes
    of_a_machine
    options_not_done
    options_refused
    options_taken
    protocol
    protocol_lexical
    protocol_nesting
    qcow2_kinds
    quit_concluded
    quit_many
    quit_paused
    quit_pending
    quit_ready
    quit_running
    quit_standby
    quorum_child
    snapshots_and_reopen
    top_of_nothing
    verbs_concluded
    verbs_nobody
    verbs_paused
    verbs_pending
    verbs_ready
    verbs_running
    verbs_standby
    write_blocking
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

/// The version of the peer that ours is held to: others answer differently here and there.
const PEER_VERSION: &str = "qemu-storage-daemon version 10.0.2";

/// Whether the peer can be started, and is the one that is meant.
fn has_peer() -> bool {
    let asked = Command::new("qemu-storage-daemon")
        .arg("--version")
        .output();
    let answer = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let found = answer.is_ok_and(|answer| answer.starts_with(PEER_VERSION));
    if !found {
        // Written past the test harness, which keeps what passing tests print.
        writeln!(io::stderr(), "skipped: there is no {PEER_VERSION}")
            .expect("standard error is open");
    }
    found
}

/// A folder with a short name, for the paths of sockets are short.
fn scratch() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("t").tempdir();
    dir.expect("there is a temporary folder")
}

/// What a script brings out of a daemon, in a folder of its own.
fn transcript(name: &str, which: Which) -> Transcript {
    play(&script(name), which, scratch().path())
}

/// With I/O threads the peer crashes now and then, at a move of what clients have just used, or does not end
/// and is killed. So often a script of these is played until it does neither: about one in ten does.
const MAX_PEER_CRASHES: usize = 20;

/// What a script brings out of the peer.
fn peer_transcript(name: &str) -> Transcript {
    let mut peer = transcript(name, Which::Peer);
    for _ in 0..MAX_PEER_CRASHES {
        if !(name.starts_with("iothread") && peer.has_crashed()) {
            break;
        }
        peer = transcript(name, Which::Peer);
    }
    peer
}

/// Plays a script against both daemons, and fails with all that differs and is not meant to.
fn is_the_same(name: &str) {
    if !has_peer() {
        return;
    }
    let peer = peer_transcript(name);
    let ours = transcript(name, Which::Ours);
    let findings = compare::compare(&peer, &ours);
    let known = differences::parse(&read(&folder().join("differences.list")));
    let mut wrong = differences::judge(name, &findings, &known);
    if peer.is_silent() || peer.has_crashed() {
        wrong.push("the peer has hung or crashed: the script must not ask that".to_owned());
    }
    assert!(
        wrong.is_empty(),
        "{} differences in {name}:\n{}\n",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn recorded_replies_of_an_emulator_match_word_for_word() {
    if !has_peer() {
        return;
    }
    let cases = recorded::cases(&read(&folder().join("replies.txt")));
    assert_eq!(cases.len(), 89, "all that was recorded");
    let images = scratch();
    recorded::make_images(images.path());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| case.judge(scratch().path(), images.path()))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ:\n{}\n",
        wrong.len(),
        cases.len(),
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

#[test]
fn a_change_of_any_line_is_found() {
    if !has_peer() {
        return;
    }
    let peer = transcript("basics", Which::Peer);
    assert!(!peer.is_silent() && compare::compare(&peer, &peer).is_empty());
    let mut planted = 0;
    for (stream, lines) in &peer.streams {
        for (index, line) in lines.iter().enumerate() {
            for ours in plants(&peer, stream, index) {
                let findings = compare::compare(&peer, &ours);
                let line = &line.text;
                assert!(!findings.is_empty(), "{stream}: {line}");
                planted += 1;
            }
        }
    }
    assert!(planted > 60, "only {planted} changes were tried");
}

/// Transcripts in which one line is another, has gone, has its members in another order, or has changed
/// places with the next.
fn plants(peer: &Transcript, stream: &str, index: usize) -> Vec<Transcript> {
    let change = |change: &dyn Fn(&mut Vec<Heading>)| {
        let mut ours = peer.clone();
        change(
            ours.streams
                .get_mut(stream)
                .expect("it was taken from there"),
        );
        ours
    };
    let mut plants = vec![
        change(&|lines| lines[index].text.push(' ')),
        change(&|lines| drop(lines.remove(index))),
    ];
    let lines = &peer.streams[stream];
    let turned = turned(&lines[index].text);
    if turned != lines[index].text {
        plants.push(change(&|lines| lines[index].text = turned.clone()));
    }
    if index + 1 < lines.len() && lines[index].text != lines[index + 1].text {
        plants.push(change(&|lines| lines.swap(index, index + 1)));
    }
    plants
}

/// A line whose first two members with a blank between have changed places.
fn turned(text: &str) -> String {
    match text.split_once(", ") {
        Some((before, after)) => format!("{after}, {before}"),
        None => text.to_owned(),
    }
}

#[test]
fn every_difference_has_its_reason_in_the_documents() {
    let page = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/differences.md"));
    let listed: BTreeSet<String> = differences::parse(&read(&folder().join("differences.list")))
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    let told: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(
        listed, told,
        "in differences.list, and in docs/differences.md"
    );
}

/// A tool for who looks for more differences: the scripts named in `SCRIPT`, which may stand in any folder
/// (a name with its folder, without `.script`), against both.
#[test]
#[ignore = "it needs the names of scripts"]
fn the_named_scripts_say_the_same() {
    let wanted = std::env::var("SCRIPT").expect("SCRIPT has the names of scripts");
    let mut wrong = Vec::new();
    for name in wanted.split(',') {
        let peer = transcript(name, Which::Peer);
        for finding in compare::compare(&peer, &transcript(name, Which::Ours)) {
            wrong.push(format!("{name}: {finding}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
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
