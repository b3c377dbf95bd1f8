//! The daemon, and the programs that talk to it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::{Scratch, has, skip};

/// A daemon that ends with the test.
struct Daemon(Child);

impl Daemon {
    /// Starts it with a monitor at the socket `qmp`, and returns when that is there.
    fn start(scratch: &Scratch, words: &[&str]) -> Daemon {
        let monitor = [
            "--chardev",
            "socket,id=qmp,path=qmp,server=on,wait=on",
            "--monitor",
            "chardev=qmp",
        ];
        let words = [&["serve"], words, &monitor[..]].concat();
        let mut command = scratch.command(&words);
        command.stdout(Stdio::null());
        Daemon(command.spawn().expect("the program can be started"))
    }

    /// Waits until the socket is there. The daemon waits for its first client.
    fn socket(&mut self, scratch: &Scratch) -> UnixStream {
        loop {
            if let Ok(socket) = UnixStream::connect(scratch.path("qmp")) {
                return socket;
            }
            let ended = self.0.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the daemon has ended: {ended:?}");
            std::thread::yield_now();
        }
    }

    fn status(mut self) -> Option<i32> {
        self.0.wait().expect("it is our child").code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended in most tests.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Sends commands, each after the reply to the one before, and returns the replies.
pub(super) fn talk(socket: &UnixStream, commands: &[&str]) -> Vec<String> {
    let mut lines = BufReader::new(socket).lines();
    let mut next = || {
        lines
            .next()
            .expect("the daemon answers")
            .expect("it is there")
    };
    let greeting = next();
    assert!(greeting.starts_with("{\"QMP\": "), "{greeting}");
    let mut replies = Vec::new();
    for command in ["{'execute': 'qmp_capabilities'}"].iter().chain(commands) {
        let mut socket = socket;
        socket.write_all(command.as_bytes()).expect("it listens");
        let mut reply = next();
        while reply.contains("\"event\": ") {
            reply = next();
        }
        replies.push(reply);
    }
    replies
}

fn qemu_img(scratch: &Scratch, words: &[&str]) -> bool {
    let mut command = Command::new("qemu-img");
    command.args(words).current_dir(scratch.path(""));
    command
        .output()
        .expect("the tool is installed")
        .status
        .success()
}

const DISK: &str = "driver=qcow2,node-name=disk,file.driver=file,file.filename=disk";

#[test]
fn a_mirror_in_a_daemon_is_started_shown_and_completed_from_outside() {
    if !has("qemu-img") {
        return skip("a mirror in a daemon", "qemu-img is not installed");
    }
    let scratch = Scratch::new();
    assert!(qemu_img(
        &scratch,
        &["create", "-q", "-f", "qcow2", "disk", "16M"]
    ));
    let mut daemon = Daemon::start(&scratch, &["--blockdev", DISK]);
    let guest = "{'execute': 'human-monitor-command', 'arguments': \
                 {'command-line': 'qemu-io disk \"write -P 0x11 1M 1M\"'}}";
    let replies = talk(&daemon.socket(&scratch), &[guest]);
    assert!(replies[1].contains("wrote 1048576/1048576"), "{replies:?}");

    for (then, outcome) in [("copy", "point-in-time"), ("pivot", "pivoted")] {
        let words = [
            "mirror", "--socket", "qmp", "--json", "--then", then, "disk", then,
        ];
        let ended = scratch.run(&words);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert!(ended.stdout.contains(outcome), "{ended:?}");
    }
    let ended = scratch.run(&["mirror", "--socket", "qmp", "nothing", "no"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("Cannot find device='nothing'"),
        "{ended:?}"
    );
    assert!(!scratch.path("no").exists());
    let ended = scratch.run(&["mirror", "--socket", "qmp", "disk", "copy"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("'copy' exists already"), "{ended:?}");
    let words = [
        "mirror", "--socket", "qmp", "disk", "bad", "--format", "bogus",
    ];
    assert_eq!(scratch.run(&words).status, Some(2));
    let words = [
        "mirror", "--socket", "qmp", "disk", "bad", "--sync", "none", "--format", "raw",
    ];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(!scratch.path("bad").exists(), "{ended:?}");

    let replies = talk(&daemon.socket(&scratch), &["{'execute': 'quit'}"]);
    assert_eq!(replies[1], "{\"return\": {}}");
    assert_eq!(daemon.status(), Some(0));
    for copy in ["copy", "pivot"] {
        assert!(
            qemu_img(&scratch, &["compare", "-q", "disk", copy]),
            "{copy} is no copy"
        );
        assert!(
            qemu_img(&scratch, &["check", "-q", copy]),
            "{copy} is damaged"
        );
    }
}

#[test]
fn a_socket_is_for_its_owner_and_goes_with_the_daemon() {
    let scratch = Scratch::new();
    let mut daemon = Daemon::start(&scratch, &[]);
    let socket = daemon.socket(&scratch);
    let mode = fs::metadata(scratch.path("qmp"))
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    talk(&socket, &["{'execute': 'quit'}"]);
    assert_eq!(daemon.status(), Some(0));
    assert!(!scratch.path("qmp").exists());
}

#[test]
fn options_that_are_wrong_are_told_in_one_line_with_status_1() {
    let scratch = Scratch::new();
    let wrong: [(&[&str], &str); 8] = [
        (&["--bogus"], "blockjob: unrecognized option '--bogus'"),
        (&["extra"], "blockjob: extra: Unexpected argument"),
        (
            &["--chardev", "stdio,id=a", "--chardev", "stdio,id=b"],
            "blockjob: --chardev stdio,id=b: cannot use stdio by multiple character devices",
        ),
        (
            &["--blockdev", "driver=foo"],
            "blockjob: --blockdev driver=foo: Parameter 'driver' does not accept value 'foo'",
        ),
        (
            &["--blockdev", "{\"driver\":"],
            "blockjob: --blockdev {\"driver\":: JSON parse error, premature EOI",
        ),
        (
            &["--monitor", "chardev=nope"],
            "blockjob: --monitor chardev=nope: chardev \"nope\" not found",
        ),
        (
            &["--chardev", "foo"],
            "blockjob: --chardev foo: chardev: no id specified",
        ),
        (
            &["--pidfile", "no/where"],
            "blockjob: cannot create PID file: Could not create 'no/where': No such file or directory",
        ),
    ];
    for (words, line) in wrong {
        let ended = scratch.run(&[&["serve"], words].concat());
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert_eq!(ended.stderr, format!("{line}\n"));
    }
    assert!(scratch.contents().is_empty());
}

#[test]
fn a_daemon_in_the_background_is_there_when_its_start_has_ended() {
    let scratch = Scratch::new();
    let words = [
        "serve",
        "--chardev",
        "socket,id=qmp,path=qmp,server=on,wait=off",
        "--monitor",
        "chardev=qmp",
        "--pidfile",
        "pid",
        "--daemonize",
    ];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let pid = fs::read_to_string(scratch.path("pid")).expect("the daemon has written it");
    let process = format!("/proc/{}", pid.trim());
    assert!(Path::new(&process).exists(), "{pid}");
    let second = scratch.run(&["serve", "--pidfile", "pid"]);
    assert_eq!(second.status, Some(1), "{second:?}");
    assert!(second.stderr.contains("Cannot lock pid file"), "{second:?}");

    let socket = UnixStream::connect(scratch.path("qmp")).expect("it listens");
    talk(&socket, &["{'execute': 'quit'}"]);
    // The end of the connection is the daemon's last act but for its files.
    while scratch.path("pid").exists() {
        std::thread::yield_now();
    }
    let failed = scratch.run(&[&words[..], &["--blockdev", "driver=foo"]].concat());
    assert_eq!(failed.status, Some(1), "{failed:?}");
    assert!(
        failed.stderr.contains("does not accept value 'foo'"),
        "{failed:?}"
    );
    assert!(scratch.contents().is_empty(), "{:?}", scratch.contents());
}

#[test]
fn what_the_engine_does_is_traced_to_a_file() {
    let scratch = Scratch::new();
    let nodes = "driver=null-co,size=1048576,read-zeroes=on,node-name=";
    let mut daemon = Daemon::start(
        &scratch,
        &[
            "--blockdev",
            &format!("{nodes}a"),
            "--blockdev",
            &format!("{nodes}b"),
            "--trace",
            "enable=mirror_*,enable=job_state_transition,file=trace",
        ],
    );
    let mirror = "{'execute': 'blockdev-mirror', 'arguments': \
                  {'job-id': 'j', 'device': 'a', 'target': 'b', 'sync': 'full'}}";
    talk(&daemon.socket(&scratch), &[mirror, "{'execute': 'quit'}"]);
    assert_eq!(daemon.status(), Some(0));
    let trace = fs::read_to_string(scratch.path("trace")).expect("it was asked for");
    for line in [
        "mirror_start job j",
        "job_state_transition job j created-->running",
    ] {
        assert!(trace.contains(line), "{trace}");
    }
    assert!(!trace.contains("bdrv_"), "{trace}");
}
