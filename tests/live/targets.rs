//! Targets that are exports of other servers: those of QEMU and libnbd.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::tools::Scratch;

/// A server with the export "" at the socket `target`. It ends with the test.
pub(crate) struct Target {
    child: Child,
    words: Vec<String>,
    socket: String,
}

impl Target {
    /// `qemu-nbd` with an image.
    pub(crate) fn qemu_nbd(scratch: &Scratch, format: &str, name: &str) -> Target {
        let (socket, image) = (scratch.path("target"), scratch.path(name));
        let words = [
            "qemu-nbd",
            "--persistent",
            "--shared=8",
            "--discard=unmap",
            "-f",
            format,
            "-k",
            &socket,
            &image,
        ];
        Target::start(words.map(str::to_owned).into(), socket.clone())
    }

    /// `nbdkit` with memory.
    pub(crate) fn nbdkit(scratch: &Scratch, bytes: u64) -> Target {
        let (socket, bytes) = (scratch.path("target"), bytes.to_string());
        let words = [
            "nbdkit",
            "--foreground",
            "--unix",
            &socket,
            "memory",
            &bytes,
        ];
        Target::start(words.map(str::to_owned).into(), socket.clone())
    }

    fn start(words: Vec<String>, socket: String) -> Target {
        let mut target = Target {
            child: spawn(&words),
            words,
            socket,
        };
        target.await_socket();
        target
    }

    fn await_socket(&mut self) {
        while UnixStream::connect(&self.socket).is_err() {
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "{:?} has ended: {ended:?}", self.words);
            std::thread::yield_now();
        }
    }

    /// The options of a node with its export.
    pub(crate) fn node(&self, node: &str) -> String {
        let socket = &self.socket;
        format!("driver=nbd,node-name={node},server.type=unix,server.path={socket}")
    }

    pub(crate) fn uri(&self) -> String {
        format!("nbd+unix:///?socket={}", self.socket)
    }

    /// Kills it as nobody should.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it still runs");
        self.child.wait().expect("it is our child");
    }

    /// Ends it as its owner does, who closes its image.
    pub(crate) fn end(mut self) {
        self.signal(Signal::TERM);
        self.child.wait().expect("it is our child");
    }

    /// Has it stand still, or go on.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it still runs");
    }

    /// Starts it anew at the same place, after it was killed.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.words);
        self.await_socket();
    }
}

fn spawn(words: &[String]) -> Child {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the tool is installed")
}

impl Drop for Target {
    fn drop(&mut self) {
        // Also one that stands still; and it may have ended long ago.
        let _over = self.child.kill();
        let _reaped = self.child.wait();
    }
}
