//! One daemon in one folder: its process, its monitors, and what came from them.

// A program that is talked to over pipes and sockets needs readers that block, and a limit on how long
// it may be silent: threads are the point here.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A daemon that says nothing for so long, when something is due, has hung.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Which daemon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Which {
    /// `qemu-storage-daemon`.
    Peer,
    /// `blockjob serve`.
    Ours,
}

impl Which {
    fn command(self) -> Command {
        match self {
            Which::Peer => Command::new("qemu-storage-daemon"),
            Which::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_blockjob"));
                command.arg("serve");
                command
            }
        }
    }
}

/// What a monitor sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// A line, with its line end.
    Line(Vec<u8>),
    /// The end of the connection.
    End,
}

/// The daemon was silent for too long.
#[derive(Debug)]
pub(crate) struct Silence;

/// How the daemon ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status, or the signal.
    pub(crate) status: String,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// A daemon that runs. Dropping it kills it.
pub(crate) struct Daemon {
    dir: PathBuf,
    child: Child,
    listeners: Vec<UnixListener>,
    connections: BTreeMap<String, UnixStream>,
    heard: Receiver<(String, Heard)>,
    ears: Sender<(String, Heard)>,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Daemon {
    /// Starts a daemon with these options in `dir`. The monitors that the options do not name are
    /// sockets that the daemon connects to, last of all: once the first greets, the options were taken.
    pub(crate) fn start(which: Which, dir: &Path, options: &[String], monitors: usize) -> Daemon {
        let mut command = which.command();
        command.args(options).current_dir(dir);
        let mut listeners = Vec::new();
        for index in 0..monitors {
            let path = dir.join(format!("harness{index}"));
            listeners.push(UnixListener::bind(&path).expect("the folder is fresh"));
            let path = path.display();
            command.arg("--chardev");
            command.arg(format!("socket,id=harness{index},path={path}"));
            command.arg("--monitor");
            command.arg(format!("chardev=harness{index}"));
        }
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the daemon can be started");
        let stdout = child.stdout.take().expect("it was asked for as a pipe");
        let stderr = child.stderr.take().expect("it was asked for as a pipe");
        // A daemon that ends before it connects must not leave its caller waiting for that.
        let doors: Vec<PathBuf> = (0..monitors)
            .map(|index| dir.join(format!("harness{index}")))
            .collect();
        let (ears, heard) = mpsc::channel();
        Daemon {
            dir: dir.to_owned(),
            child,
            listeners,
            connections: BTreeMap::new(),
            heard,
            ears,
            stdout: Some(thread::spawn(move || read_all(stdout))),
            stderr: Some(thread::spawn(move || {
                let text = read_all(stderr);
                for door in doors {
                    // Nobody may be waiting there, which is as well.
                    drop(UnixStream::connect(door));
                }
                text
            })),
        }
    }

    /// Takes the next of the daemon's own connections.
    pub(crate) fn accept(&mut self, name: &str) {
        assert!(!self.listeners.is_empty(), "no monitor is left for {name}");
        let listener = self.listeners.remove(0);
        let (stream, _) = listener.accept().expect("the socket is open");
        self.listen(name, stream);
    }

    /// Connects to a socket of the daemon.
    pub(crate) fn connect(&mut self, name: &str, path: &str) {
        let path = self.dir.join(path);
        match UnixStream::connect(&path) {
            Ok(stream) => self.listen(name, stream),
            // The transcript then has an end where the other daemon has a greeting.
            Err(_) => self.tell(name, Heard::End),
        }
    }

    fn tell(&self, name: &str, heard: Heard) {
        let said = self.ears.send((name.to_owned(), heard));
        said.expect("the receiver lives as long");
    }

    fn listen(&mut self, name: &str, stream: UnixStream) {
        let ears = self.ears.clone();
        let mut reader = BufReader::new(stream.try_clone().expect("a descriptor is free"));
        self.connections.insert(name.to_owned(), stream);
        let name = name.to_owned();
        thread::spawn(move || {
            loop {
                let mut line = Vec::new();
                // A connection that is reset has ended as well.
                let read = reader.read_until(b'\n', &mut line).unwrap_or(0);
                let heard = match read {
                    0 => Heard::End,
                    _ => Heard::Line(line),
                };
                let last = heard == Heard::End;
                if ears.send((name.clone(), heard)).is_err() || last {
                    return;
                }
            }
        });
    }

    /// Sends bytes. A daemon that has gone does not read them, and the transcript shows that.
    pub(crate) fn send(&mut self, name: &str, bytes: &[u8]) {
        let stream = self.connections.get_mut(name);
        if let Some(stream) = stream {
            let _gone = stream.write_all(bytes);
        }
    }

    pub(crate) fn close(&mut self, name: &str) {
        if let Some(stream) = self.connections.remove(name) {
            let _gone = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// The next thing that any monitor sends, with the monitor's name.
    pub(crate) fn hear(&self) -> Result<(String, Heard), Silence> {
        match self.heard.recv_timeout(SILENCE_LIMIT) {
            Ok(heard) => Ok(heard),
            Err(RecvTimeoutError::Timeout) => Err(Silence),
            Err(RecvTimeoutError::Disconnected) => unreachable!("a sender is kept"),
        }
    }

    /// Kills it, for it has hung.
    pub(crate) fn kill(&mut self) {
        // It may have ended meanwhile.
        let _over = self.child.kill();
    }

    /// Waits for its end; one that does not come is made, and is told as one by a signal.
    pub(crate) fn wait(&mut self) -> Ended {
        let (done, finished) = mpsc::channel::<()>();
        let pid = rustix::process::Pid::from_child(&self.child);
        let watchdog = thread::spawn(move || {
            if finished.recv_timeout(SILENCE_LIMIT) == Err(RecvTimeoutError::Timeout) {
                // The child is not reaped before this thread has ended, so the number is still its own.
                let _over = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        });
        let stdout = self.stdout.take().expect("it is waited for once");
        let stderr = self.stderr.take().expect("it is waited for once");
        let stdout = stdout.join().expect("the reader does not panic");
        let stderr = stderr.join().expect("the reader does not panic");
        drop(done);
        watchdog.join().expect("the watchdog does not panic");
        let status = self.child.wait().expect("it is a child");
        Ended {
            status: status.to_string(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        let _reaped = self.child.wait();
    }
}

fn read_all(mut pipe: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let read = pipe.read_to_end(&mut all);
    read.expect("a pipe can be read");
    all
}
