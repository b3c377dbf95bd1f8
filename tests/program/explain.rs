//! `blockjob explain`, asking a daemon in another process.

use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use super::serve::talk;
use super::support::Scratch;

/// A daemon with two doors, `qmp` and `more`, and the disks `disk` and, behind a breakpoint-setter,
/// `copy`. It ends with the test.
struct Daemon(Child);

impl Daemon {
    fn start(scratch: &Scratch) -> Daemon {
        scratch.half_holes("disk", 16);
        scratch.file("copy", &vec![0xa5; 16 << 20]);
        let door = |name: &str| {
            [
                "--chardev".to_owned(),
                format!("socket,id={name},path={name},server=on,wait=off"),
                "--monitor".to_owned(),
                format!("chardev={name}"),
            ]
        };
        let mut words = vec!["serve".to_owned()];
        words.extend(door("qmp"));
        words.extend(door("more"));
        for node in [
            "driver=file,node-name=disk,filename=disk",
            "driver=blkdebug,node-name=copy,image.driver=file,image.filename=copy",
        ] {
            words.extend(["--blockdev".to_owned(), node.to_owned()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = scratch.command(&words);
        command.stdout(Stdio::null());
        let mut daemon = Daemon(command.spawn().expect("the program can be started"));
        while UnixStream::connect(scratch.path("more")).is_err() {
            let ended = daemon.0.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the daemon has ended: {ended:?}");
            std::thread::yield_now();
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

const MIRROR: &str = "{'execute': 'blockdev-mirror', 'arguments': \
     {'job-id': 'move', 'device': 'disk', 'target': 'copy', 'sync': 'full'}}";

/// Has the next write to the target be held.
const BREAK: &str = "{'execute': 'human-monitor-command', 'arguments': \
     {'command-line': 'qemu-io copy \"break pwritev A\"'}}";

const RESUME: &str = "{'execute': 'human-monitor-command', 'arguments': \
     {'command-line': 'qemu-io copy \"resume A\"'}}";

/// So often a question is asked before it is said that its answer never comes.
const TRIES: usize = 1000;

/// What the program prints of the job `move`, once that contains `text`.
fn explained(scratch: &Scratch, text: &str) -> String {
    let mut last = String::new();
    for _ in 0..TRIES {
        let ended = scratch.run(&["explain", "more", "move"]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        last = ended.stdout;
        if last.contains(text) {
            return last;
        }
    }
    panic!("'{text}' is never said, but:\n{last}");
}

#[test]
fn a_job_is_explained_from_outside_down_to_the_breakpoint_that_holds_it() {
    let scratch = Scratch::new();
    let _daemon = Daemon::start(&scratch);
    let ended = scratch.run(&["explain", "more"]);
    assert_eq!(
        (ended.status, &*ended.stdout),
        (Some(0), "There are no jobs.\n")
    );

    let socket = UnixStream::connect(scratch.path("qmp")).expect("it listens");
    let replies = talk(&socket, &[BREAK, MIRROR]);
    assert_eq!(replies[2], "{\"return\": {}}", "{replies:?}");
    let text = explained(&scratch, "breakpoint");
    for line in [
        "Job 'move' (mirror) is running, ",
        "It copies node 'disk' to node 'copy': ",
        "  which waits for the breakpoint 'A' of node 'copy' (blkdebug) to let it go.",
        "What to do: in a monitor for people: qemu-io copy \"resume A\".",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.lines().count() <= 24, "{text}");
    let summaries = scratch.run(&["explain", "more"]).stdout;
    assert!(
        summaries.starts_with("move: mirror, running "),
        "{summaries}"
    );
    assert_eq!(summaries.lines().count(), 1, "{summaries}");
    let json = scratch.run(&["explain", "more", "move", "--json"]).stdout;
    assert!(json.contains("\"holder\": \"breakpoint\""), "{json}");
    assert_eq!(json.lines().count(), 1, "{json}");

    let unknown = scratch.run(&["explain", "more", "movve"]);
    assert_eq!(unknown.status, Some(2), "{unknown:?}");
    assert_eq!(
        unknown.stderr,
        "blockjob: Job 'movve' not found: there is only 'move'\n"
    );
    drop(socket);
    let socket = UnixStream::connect(scratch.path("qmp")).expect("it listens");
    talk(&socket, &[RESUME]);
    explained(&scratch, "It waits for the user to complete it");
}

#[test]
fn a_job_is_explained_while_a_command_waits_for_the_same_thing() {
    let scratch = Scratch::new();
    let daemon = Daemon::start(&scratch);
    let socket = UnixStream::connect(scratch.path("qmp")).expect("it listens");
    talk(&socket, &[BREAK, MIRROR]);
    explained(&scratch, "breakpoint");
    // It drains all nodes, and so waits for the write, inside of the command.
    drop(socket);
    let mut asking = scratch.command(&["monitor", "qmp"]);
    asking.stdin(Stdio::piped());
    asking.stdout(Stdio::null()).stderr(Stdio::null());
    let mut asking = Daemon(asking.spawn().expect("the program can be started"));
    let mut stdin = asking.0.stdin.take().expect("it was asked for");
    std::io::Write::write_all(&mut stdin, b"quit\n").expect("it reads");
    let text = explained(&scratch, "the drained section 'quit' on all nodes");
    assert!(text.contains("the breakpoint 'A' of node 'copy'"), "{text}");
    drop(daemon);
}

#[test]
fn a_socket_where_nothing_can_be_asked_is_told_in_one_line() {
    let scratch = Scratch::new();
    let _daemon = Daemon::start(&scratch);
    let nobody = scratch.run(&["explain", "nowhere"]);
    assert_eq!(nobody.status, Some(2), "{nobody:?}");
    assert_eq!(
        nobody.stderr,
        "blockjob: cannot connect to 'nowhere': No such file or directory (os error 2)\n"
    );
    let held = UnixStream::connect(scratch.path("more")).expect("it listens");
    talk(&held, &[]);
    let busy = scratch.run(&["explain", "more", "move"]);
    assert_eq!(busy.status, Some(2), "{busy:?}");
    assert!(
        busy.stderr.contains("another client may be connected"),
        "{busy:?}"
    );
}
