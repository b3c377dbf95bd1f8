//! A daemon with exports, in a folder of its own, and tools that are run beside it.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::client::Client;

/// How long anything outside of this process may take.
const PATIENCE_S: u64 = 60;

/// Says that a test does nothing, past the harness, which keeps what passing tests print.
pub(crate) fn lacks(tool: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let lacks = !std::env::split_paths(&paths).any(|folder| folder.join(tool).is_file());
    if lacks {
        writeln!(io::stderr(), "skipped: {tool} is missing").expect("standard error is open");
    }
    lacks
}

/// A daemon with a QMP monitor at `qmp` and an NBD server at `nbd`. It ends with the test.
pub(crate) struct Server {
    child: Child,
    qmp: BufReader<UnixStream>,
    folder: tempfile::TempDir,
    events: Vec<String>,
}

impl Server {
    /// Starts it with options, in which `$DIR` is its folder, and which are done after `prepare`.
    pub(crate) fn start(prepare: impl FnOnce(&std::path::Path), options: &str) -> Server {
        let folder = tempfile::Builder::new().prefix("n").tempdir();
        let folder = folder.expect("there is a temporary folder");
        prepare(folder.path());
        let dir = folder.path().to_str().expect("it is text").to_owned();
        let options = options.replace("$DIR", &dir);
        let mut child = Command::new(env!("CARGO_BIN_EXE_blockjob"))
            .arg("serve")
            .args([
                "--nbd-server",
                &format!("addr.type=unix,addr.path={dir}/nbd"),
            ])
            .args(options.split_whitespace())
            .args([
                "--chardev",
                &format!("socket,id=q,path={dir}/qmp,server=on,wait=off"),
            ])
            .args(["--monitor", "chardev=q"])
            .stdin(Stdio::null())
            .spawn()
            .expect("the program can be started");
        let qmp = loop {
            if let Ok(socket) = UnixStream::connect(folder.path().join("qmp")) {
                break socket;
            }
            let ended = child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the daemon has ended: {ended:?}");
            std::thread::yield_now();
        };
        let patience = Some(Duration::from_secs(PATIENCE_S));
        qmp.set_read_timeout(patience).expect("it is a socket");
        let mut server = Server {
            child,
            qmp: BufReader::new(qmp),
            folder,
            events: Vec::new(),
        };
        server.line();
        server.ok("qmp_capabilities", "{}");
        server
    }

    /// One with a writable export `disk` of a raw file of that many bytes.
    pub(crate) fn of_raw(bytes: u64) -> Server {
        let prepare = |folder: &std::path::Path| {
            let file = fs::File::create_new(folder.join("raw")).expect("it is new");
            file.set_len(bytes).expect("it can grow");
        };
        Server::start(
            prepare,
            "--blockdev driver=file,node-name=disk,filename=$DIR/raw,discard=unmap \
             --export type=nbd,id=e0,node-name=disk,writable=on",
        )
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where clients find an export.
    pub(crate) fn uri(&self, export: &str) -> String {
        format!("nbd+unix:///{export}?socket={}", self.path("nbd").display())
    }

    /// A connection to the server on which nothing has been said.
    pub(crate) fn connect(&self) -> UnixStream {
        let socket = UnixStream::connect(self.path("nbd")).expect("the server listens");
        let patience = Some(Duration::from_secs(PATIENCE_S));
        socket.set_read_timeout(patience).expect("it is a socket");
        socket.set_write_timeout(patience).expect("it is a socket");
        socket
    }

    /// The process, which is there until the test has ended it.
    #[allow(dead_code)] // Not every program that has this file asks.
    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// A client of ours of an export.
    pub(crate) fn client(&self, export: &str) -> Client<UnixStream> {
        Client::new(self.connect(), export)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.qmp.read_line(&mut line).expect("the daemon answers");
        assert!(!line.is_empty(), "the daemon has hung up");
        line.trim_end().to_owned()
    }

    /// The reply to a command. Events on the way are kept.
    pub(crate) fn qmp(&mut self, name: &str, args: &str) -> String {
        let args = args.replace("$DIR", self.folder.path().to_str().expect("it is text"));
        let request = format!("{{'execute': '{name}', 'arguments': {args}}}");
        let mut socket = self.qmp.get_ref();
        socket.write_all(request.as_bytes()).expect("it listens");
        loop {
            let line = self.line();
            if !line.contains("\"event\": ") {
                return line;
            }
            self.events.push(line);
        }
    }

    /// Asks for the same commands again and again, some at a time, until the daemon hangs up, which it is told to
    /// do by a signal after so many replies.
    #[allow(dead_code)] // Not every program that has this file does that.
    #[allow(clippy::disallowed_methods)] // A client of another program asks while another one listens.
    pub(crate) fn terminate_amid(&mut self, requests: &str, replies: usize) {
        let requests = requests.to_owned();
        let mut asks = self.qmp.get_ref().try_clone().expect("it is a socket");
        let asker =
            std::thread::spawn(move || while asks.write_all(requests.as_bytes()).is_ok() {});
        let mut line = String::new();
        for heard in 0.. {
            if heard == replies {
                self.terminate();
            }
            line.clear();
            // A socket that is closed with requests in it is reset.
            if self.qmp.read_line(&mut line).unwrap_or(0) == 0 {
                break;
            }
        }
        asker.join().expect("it ends when nobody listens");
    }

    /// What a command that is to succeed returns.
    pub(crate) fn ok(&mut self, name: &str, args: &str) -> String {
        let reply = self.qmp(name, args);
        let value = reply.strip_prefix("{\"return\": ");
        let value = value.unwrap_or_else(|| panic!("{name} {args}: {reply}"));
        value.strip_suffix('}').expect("it is an object").to_owned()
    }

    /// Waits for an event with that text since the last one that was waited for.
    pub(crate) fn wait_for(&mut self, text: &str) {
        loop {
            while !self.events.is_empty() {
                if self.events.remove(0).contains(text) {
                    return;
                }
            }
            let line = self.line();
            self.events.push(line);
        }
    }

    /// True if an event with that text has come and nobody has waited for it.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.events.iter().any(|event| event.contains(text))
    }

    /// Asks the daemon to end by a signal.
    #[allow(dead_code)] // Not every program that has this file does that.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        prints(&["kill", "-TERM", &id]);
    }

    /// Waits for the end of the daemon, which was asked for.
    #[allow(dead_code)] // Not every program that has this file does that.
    pub(crate) fn has_quit(mut self) {
        let ended = self.child.wait().expect("it is our child");
        assert!(ended.success(), "{ended:?}");
    }

    /// Ends the daemon as a user does.
    pub(crate) fn quit(self) {
        self.quit_and_keep(|| {});
    }

    /// Ends the daemon as a user does, and looks at what it has left before that goes.
    pub(crate) fn quit_and_keep(mut self, look: impl FnOnce()) {
        self.ok("quit", "{}");
        let ended = self.child.wait().expect("it is our child");
        assert!(ended.success(), "{ended:?}");
        assert!(!self.path("nbd").exists(), "the socket has gone with it");
        look();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended in most tests.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A tool that may not take longer than anything may.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE_S.to_string()).args(words);
    command.stdin(Stdio::null());
    command
}

/// Runs a tool to its end.
pub(crate) fn run(words: &[&str]) -> Output {
    let output = command(words).output();
    output.expect("coreutils are there")
}

/// What a tool that is to succeed prints.
pub(crate) fn prints(words: &[&str]) -> String {
    let output = run(words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{words:?}: {out}{err}");
    out
}
