//! A daemon with a monitor, an NBD server, and an export `disk` of its node `src`.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::tools::Scratch;

/// How long the daemon may be silent while something is expected of it: also how long a job may take
/// to end that was told to, whatever its target does.
const PATIENCE_S: u64 = 10;

/// The options of an image as a node.
pub(crate) fn image(format: &str, node: &str, path: &str) -> String {
    format!("driver={format},node-name={node},file.driver=file,file.filename={path}")
}

pub(crate) struct Daemon {
    child: Child,
    qmp: BufReader<UnixStream>,
    events: VecDeque<Value>,
    said: String,
    dir: String,
}

impl Daemon {
    /// Starts it with nodes, of which one is `src`.
    pub(crate) fn start(scratch: &Scratch, nodes: &[String]) -> Daemon {
        let (qmp, said) = (scratch.path("qmp"), scratch.path("said"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_blockjob"));
        command.arg("serve");
        for node in nodes {
            command.args(["--blockdev", node]);
        }
        let nbd = format!("addr.type=unix,addr.path={}", scratch.path("nbd"));
        let chardev = format!("socket,id=q,path={qmp},server=on,wait=on");
        let export = "type=nbd,id=e0,node-name=src,name=disk,writable=on";
        command.args(["--nbd-server", &nbd, "--export", export]);
        command.args(["--chardev", &chardev, "--monitor", "chardev=q"]);
        let stderr = fs::File::create(&said).expect("there is space");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(stderr).spawn().expect("it can be started");
        let socket = loop {
            if let Ok(socket) = UnixStream::connect(&qmp) {
                break socket;
            }
            if let Some(status) = child.try_wait().expect("it is our child") {
                panic!(
                    "{status}: {}",
                    fs::read_to_string(&said).expect("it is ours")
                );
            }
            std::thread::yield_now();
        };
        let patience = Some(Duration::from_secs(PATIENCE_S));
        socket.set_read_timeout(patience).expect("it is a socket");
        let mut daemon = Daemon {
            child,
            qmp: BufReader::new(socket),
            events: VecDeque::new(),
            said,
            dir: scratch.path(""),
        };
        daemon.line();
        daemon.ok("qmp_capabilities", json!({}));
        daemon
    }

    /// Where clients find the export.
    pub(crate) fn uri(&self) -> String {
        format!("nbd+unix:///disk?socket={}nbd", self.dir)
    }

    /// A connection to the NBD server, on which nothing was said.
    pub(crate) fn connect(&self) -> UnixStream {
        UnixStream::connect(format!("{}nbd", self.dir)).expect("the server listens")
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        if let Err(error) = self.qmp.read_line(&mut line) {
            let why = self.explain();
            panic!("the daemon says nothing for {PATIENCE_S} s: {error}; {why}");
        }
        assert!(
            !line.is_empty(),
            "the daemon has hung up: {}",
            self.stderr()
        );
        serde_json::from_str(&line).expect("it is JSON")
    }

    /// Why the mirror stands still, if the daemon can still say it.
    pub(crate) fn explain(&mut self) -> String {
        let request = json!({"execute": "x-job-explain", "arguments": {"id": "m"}}).to_string();
        let mut socket = self.qmp.get_ref();
        let asked = socket.write_all(request.as_bytes());
        let mut line = String::new();
        let told = self.qmp.read_line(&mut line);
        format!("{asked:?} {told:?} {line}")
    }

    fn stderr(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// The reply to a command. Events on the way are kept.
    pub(crate) fn qmp(&mut self, name: &str, args: Value) -> Value {
        let request = json!({"execute": name, "arguments": args}).to_string();
        let mut socket = self.qmp.get_ref();
        socket.write_all(request.as_bytes()).expect("it listens");
        loop {
            let line = self.line();
            if line.get("event").is_none() {
                return line;
            }
            self.events.push_back(line);
        }
    }

    /// What a command that is to succeed returns.
    pub(crate) fn ok(&mut self, name: &str, args: Value) -> Value {
        let mut reply = self.qmp(name, args);
        assert!(reply.get("return").is_some(), "{name}: {reply}");
        reply["return"].take()
    }

    /// Starts the mirror `m` of `src` onto the node `dst`, with `more` arguments.
    pub(crate) fn mirror(&mut self, more: Value) {
        let mut args = json!({"job-id": "m", "device": "src", "target": "dst", "sync": "full"});
        let all = args.as_object_mut().expect("it is one");
        all.extend(more.as_object().expect("it is one").clone());
        self.ok("blockdev-mirror", args);
    }

    /// The next event that `wanted` takes; those before it are forgotten.
    pub(crate) fn next(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.line(),
            };
            if wanted(&event) {
                return event;
            }
        }
    }

    /// The next event of that name.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        self.next(|event| event["event"] == name)
    }

    /// Waits until a job is gone.
    pub(crate) fn gone(&mut self) {
        self.next(|event| event["data"]["status"] == "null");
    }

    /// Ends the mirror at READY, which was seen, by moving its users to the target.
    pub(crate) fn complete(&mut self) {
        self.ok("job-complete", json!({"id": "m"}));
        let end = self.event("BLOCK_JOB_COMPLETED");
        assert!(end["data"].get("error").is_none(), "{end}");
        self.gone();
        let exports = self.ok("query-block-exports", json!({}));
        assert_eq!(exports[0]["node-name"], "dst", "{exports}");
    }

    /// Kills it as nobody should.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it still runs");
        self.child.wait().expect("it is our child");
    }

    /// Ends it as a user does.
    pub(crate) fn quit(mut self) {
        self.ok("quit", json!({}));
        // The end of the connection is what shows that it does not hang; the rest is short.
        while let Ok(1..) = self.qmp.read_line(&mut String::new()) {}
        let ended = self.child.wait().expect("it is our child");
        assert!(ended.success(), "{ended}: {}", self.stderr());
        let said = self.stderr();
        assert!(!said.contains("panicked"), "{said}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended in most tests.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the daemon has said: {}", self.stderr());
            eprintln!("and the last events: {:?}", self.events);
        }
    }
}
