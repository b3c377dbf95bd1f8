//! `blockjob serve --record`: several threads, one file.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::support::Scratch;
use super::trace::Trace;

/// How long the daemon may take for an answer.
const PATIENCE_S: u64 = 60;

struct Daemon {
    child: Child,
    qmp: BufReader<UnixStream>,
}

impl Daemon {
    fn start(scratch: &Scratch, words: &[&str]) -> Daemon {
        let mut command = scratch.command(&["serve"]);
        command.args(words).args([
            "--chardev",
            "socket,id=q,path=qmp,server=on,wait=off",
            "--monitor",
            "chardev=q",
        ]);
        let mut child = command
            .stdout(Stdio::null())
            .spawn()
            .expect("it can be started");
        let qmp = loop {
            if let Ok(socket) = UnixStream::connect(scratch.path("qmp")) {
                break socket;
            }
            let ended = child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the daemon has ended: {ended:?}");
            std::thread::yield_now();
        };
        let patience = Some(Duration::from_secs(PATIENCE_S));
        qmp.set_read_timeout(patience).expect("it is a socket");
        let qmp = BufReader::new(qmp);
        let mut daemon = Daemon { child, qmp };
        daemon.ask("{'execute': 'qmp_capabilities'}");
        daemon
    }

    /// Reads up to the first line that contains `text`.
    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let read = self.qmp.read_line(&mut line);
            let read = read.unwrap_or_else(|error| panic!("no '{text}' in time: {error}"));
            assert!(read > 0, "the daemon has gone without '{text}'");
            assert!(!line.contains("\"error\": {"), "{line}");
        }
    }

    fn ask(&mut self, command: &str) {
        writeln!(self.qmp.get_mut(), "{command}").expect("the daemon listens");
        self.wait_for("\"return\"");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A daemon that records itself, with an export that lives in an iothread.
fn recorded(scratch: &Scratch) -> Daemon {
    Daemon::start(
        scratch,
        &[
            "--record",
            "run.trace",
            "--trace",
            "enable=mirror_start,file=lines",
            "--object",
            "iothread,id=iot0",
            "--blockdev",
            "driver=file,node-name=disk,filename=disk",
            "--blockdev",
            "driver=file,node-name=copy,filename=copy",
            "--nbd-server",
            "addr.type=unix,addr.path=nbd",
            "--export",
            "type=nbd,id=e,node-name=disk,name=disk,writable=on,iothread=iot0",
        ],
    )
}

#[test]
fn main_loop_and_iothread_are_in_one_order_with_who_uses_the_disk() {
    let scratch = Scratch::new();
    scratch.half_holes("disk", 4);
    scratch.file("copy", &vec![0xa5; 4 << 20]);
    let mut daemon = recorded(&scratch);
    daemon.ask(
        "{'execute': 'blockdev-mirror', 'arguments': \
         {'job-id': 'move', 'device': 'disk', 'target': 'copy', 'sync': 'full'}}",
    );
    daemon.wait_for("BLOCK_JOB_READY");
    daemon.ask(
        "{'execute': 'human-monitor-command', 'arguments': \
         {'command-line': 'qemu-io disk \"write 0 64k\"'}}",
    );
    daemon.ask("{'execute': 'block-job-complete', 'arguments': {'device': 'move'}}");
    daemon.wait_for("BLOCK_JOB_COMPLETED");
    writeln!(daemon.qmp.get_mut(), "{{'execute': 'quit'}}").expect("the daemon listens");
    let status = daemon.child.wait().expect("it is our child");
    assert!(status.success(), "{status:?}");

    let trace = Trace::read(&scratch.path("run.trace"));
    let contexts: BTreeSet<_> = trace
        .events
        .iter()
        .filter_map(|it| it["context"].as_str())
        .collect();
    assert_eq!(contexts, BTreeSet::from(["iot0", "main"]));
    let job = trace
        .of("mirror-job")
        .next()
        .expect("it says what it is about");
    assert_eq!(
        (&job["job"], &job["source"]),
        (&"move".into(), &"disk".into())
    );
    let step = trace.of("mirror-step").find(|it| it["step"] == "M10");
    assert_eq!(step.expect("it copies")["context"], "iot0");
    let end = trace.of("mirror-step").last().expect("there are steps");
    assert_eq!(end["step"], "M17");
    let written = trace.of("guest-ask").find(|it| it["request"] == "write");
    let written = written.expect("somebody writes");
    assert_eq!(
        (&written["offset"], &written["bytes"]),
        (&0.into(), &65536.into())
    );
    assert_eq!(trace.count("guest-ask"), trace.count("guest-done"));

    // Who asks for lines as well gets them as without a recording.
    let lines = std::fs::read_to_string(scratch.path("lines")).expect("they are there");
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(lines.contains("mirror_start job move"), "{lines}");
}
