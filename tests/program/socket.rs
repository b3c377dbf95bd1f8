//! `blockjob mirror --socket` and `blockjob receipts`: what is left in the daemon, in the folder, and of
//! the job.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::serve::talk;
use super::support::{BLOCKJOB, Ended, Scratch, noise};

/// A daemon with the drive `ide0` on the raw image `disk`, and two more nodes. It ends with the test.
struct Daemon(Child);

impl Daemon {
    fn start(scratch: &Scratch) -> Daemon {
        scratch.file("disk", &noise(1, (1 << 20) + 512));
        let null = "driver=null-co,size=1048576,read-zeroes=on,node-name=";
        let words = [
            "serve",
            "--drive",
            "id=ide0,if=none,file=disk,format=raw,node-name=disk",
            "--blockdev",
            &format!("{null}a"),
            "--blockdev",
            &format!("{null}b"),
            "--chardev",
            "socket,id=qmp,path=qmp,server=on,wait=off",
            "--monitor",
            "chardev=qmp",
        ];
        let mut command = scratch.command(&words);
        command.stdout(Stdio::null());
        let mut daemon = Daemon(command.spawn().expect("the program can be started"));
        while UnixStream::connect(scratch.path("qmp")).is_err() {
            let ended = daemon.0.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the daemon has ended: {ended:?}");
            std::thread::yield_now();
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has no state that anybody would miss.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// What the daemon answers to one command.
fn ask(scratch: &Scratch, command: &str) -> String {
    let socket = UnixStream::connect(scratch.path("qmp")).expect("it listens");
    talk(&socket, &[command]).pop().expect("one reply")
}

/// True if the drive uses the image `name`.
fn uses(scratch: &Scratch, name: &str) -> bool {
    let drives = ask(scratch, "{'execute': 'query-block'}");
    let file = drives
        .split("\"file\": \"")
        .nth(1)
        .expect("it has a medium");
    let file = file.split('"').next().expect("it ends");
    file == name || file.ends_with(&format!("/{name}"))
}

fn mirror(scratch: &Scratch, words: &[&str]) -> Ended {
    scratch.run(&[&["mirror", "--socket", "qmp", "ide0"], words].concat())
}

#[test]
fn after_a_copy_the_daemon_uses_the_disk_and_after_a_pivot_the_copy() {
    let scratch = Scratch::new();
    let _daemon = Daemon::start(&scratch);
    assert!(uses(&scratch, "disk"));
    let ended = mirror(&scratch, &["copy", "--then", "copy", "--json"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("\"outcome\":\"point-in-time\""));
    assert!(uses(&scratch, "disk"));
    let ended = mirror(&scratch, &["pivot", "--then", "pivot", "--json"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("\"outcome\":\"pivoted\""));
    assert!(uses(&scratch, "pivot"));
}

#[test]
fn a_target_that_was_made_for_a_job_that_is_then_refused_is_removed() {
    let scratch = Scratch::new();
    let _daemon = Daemon::start(&scratch);
    // The name of the job has the number of the process, which a shell has and keeps when it
    // becomes the program.
    let mut shell = Command::new("sh");
    shell.args(["-c", "read line; exec \"$0\" \"$@\"", BLOCKJOB]);
    shell.args(["mirror", "--socket", "qmp", "ide0", "copy"]);
    shell.current_dir(scratch.path(""));
    shell.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut shell = shell.spawn().expect("there is a shell");
    let job = format!("blockjob-{}", shell.id());
    // So somebody else can have it first.
    let other = format!(
        "{{'execute': 'blockdev-mirror', 'arguments': \
         {{'job-id': '{job}', 'device': 'a', 'target': 'b', 'sync': 'none'}}}}"
    );
    assert_eq!(ask(&scratch, &other), "{\"return\": {}}");
    let mut input = shell.stdin.take().expect("it was asked for as a pipe");
    input.write_all(b"go\n").expect("the shell reads");
    let ended: Ended = shell.wait_with_output().expect("it is our child").into();
    assert_eq!(ended.status, Some(2), "{ended:?}");
    let refused = format!("Job ID '{job}' already in use");
    assert!(ended.stderr.contains(&refused), "{ended:?}");
    assert!(!scratch.path("copy").exists(), "{:?}", scratch.contents());
    assert!(uses(&scratch, "disk"));
}

#[test]
fn what_has_become_of_the_jobs_of_a_daemon_can_be_asked_when_they_are_gone() {
    let scratch = Scratch::new();
    let _daemon = Daemon::start(&scratch);
    let ended = scratch.run(&["receipts", "qmp"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "No job has ended.\n");
    let words = ["copy", "--then", "copy", "--verify", "--json"];
    let ended = mirror(&scratch, &words);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let same = "Both sides were read back, and are the same.";
    assert!(ended.stderr.contains(same), "{ended:?}");
    assert!(ended.stdout.contains("\"verified\": \"passed\""));
    assert!(mirror(&scratch, &["pivot"]).status == Some(0));

    let ended = scratch.run(&["receipts", "qmp"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let second = ended
        .stdout
        .find("\n2. Job 'blockjob-")
        .expect("the second");
    let (first, second) = ended.stdout.split_at(second);
    assert!(first.starts_with("1. Job 'blockjob-"), "{first}");
    for (part, is_first) in [
        ("(mirror): point-in-time after", true),
        (same, true),
        ("(mirror): pivoted after", false),
        ("1.0 MiB copied", true),
        ("The guest wrote nothing meanwhile.", false),
    ] {
        let receipt = if is_first { first } else { second };
        assert!(receipt.contains(part), "{part}: {receipt}");
    }
    assert!(!second.contains("read back"), "{second}");
    assert!(first.contains("node 'disk' (disk)"), "{first}");
    assert!(first.contains("/copy), sync full"), "{first}");

    let name = first.split('\'').nth(1).expect("a name");
    let of_one = scratch.run(&["receipts", "qmp", name]);
    assert_eq!(of_one.stdout, format!("{first}\n"));
    let json = scratch.run(&["receipts", "qmp", "--json"]);
    assert!(json.stdout.starts_with("[{\""), "{json:?}");
    assert_eq!(json.stdout.lines().count(), 1);
    let none = scratch.run(&["receipts", "qmp", "nobody"]);
    assert_eq!(none.status, Some(2), "{none:?}");
    assert_eq!(
        none.stderr,
        "blockjob: no job 'nobody' has ended in this daemon\n"
    );
}
