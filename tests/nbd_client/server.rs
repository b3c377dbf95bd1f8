//! A server on a unix socket.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A server that runs by itself, and is killed by its number when this is dropped.
pub(crate) struct Server {
    pid: Pid,
}

/// True if these programs can be started.
pub(crate) fn have(programs: &[&str]) -> bool {
    let missing = |program: &&&str| {
        let started = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        started.is_err()
    };
    match programs.iter().find(missing) {
        Some(program) => {
            // Written past the test harness, which keeps what passing tests print.
            writeln!(io::stderr(), "skipped: there is no {program}")
                .expect("standard error is open");
            false
        }
        None => true,
    }
}

/// Runs a tool to its end, which must be a good one, and returns what it prints.
pub(crate) fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.expect("the tool can be started");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {args:?}: {stdout}{stderr}"
    );
    stdout
}

impl Server {
    /// `qemu-nbd`, which goes on when its clients have gone.
    pub(crate) fn qemu_nbd(dir: &Path, format: &str, image: &Path) -> Server {
        let (socket, pid) = (socket(dir), dir.join("pid"));
        let mut command = Command::new("qemu-nbd");
        command.args(["--fork", "--persistent", "--shared=8", "--discard=unmap"]);
        command.args(["--detect-zeroes=unmap", "-f", format, "-k"]);
        command.arg(socket).arg("--pid-file").arg(&pid).arg(image);
        Self::start(command, &pid)
    }

    /// `nbdkit` with these arguments.
    pub(crate) fn nbdkit(dir: &Path, args: &[&str]) -> Server {
        let (socket, pid) = (socket(dir), dir.join("pid"));
        let mut command = Command::new("nbdkit");
        command.arg("-U").arg(socket).arg("-P").arg(&pid).args(args);
        Self::start(command, &pid)
    }

    /// Both put themselves into the background when they listen.
    fn start(mut command: Command, pid: &Path) -> Server {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.status().expect("the server can be started");
        assert!(status.success(), "{command:?} says {status}");
        Server { pid: read_pid(pid) }
    }

    /// Kills it, and waits until that has happened.
    pub(crate) fn kill(&self) {
        // It may have been killed before.
        let _ = kill_process(self.pid, Signal::KILL);
        wait_until_dead(self.pid);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("it runs");
    }
}

/// The number that a server writes when it listens, which may be a moment after it has gone into the
/// background.
// No clock of a context is at hand here.
#[allow(clippy::disallowed_methods)]
fn read_pid(path: &Path) -> Pid {
    let begun = std::time::Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n')
            && let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw)
        {
            return pid;
        }
        assert!(
            begun.elapsed().as_secs() < 20,
            "the server does not come up"
        );
        std::thread::yield_now();
    }
}

/// A process that was killed holds its files, and the locks on them, until it is dead.
#[allow(clippy::disallowed_methods)] // No clock of a context is at hand here.
fn wait_until_dead(pid: Pid) {
    let begun = std::time::Instant::now();
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let threads = format!("/proc/{}/task", pid.as_raw_nonzero());
    let lives = || {
        let text = fs::read_to_string(&stat).unwrap_or_default();
        // The name in between may hold anything.
        let state = text.rsplit(')').next().unwrap_or_default().trim();
        // Its threads die one by one.
        let threads = fs::read_dir(&threads).map_or(0, Iterator::count);
        !(state.is_empty() || state.starts_with(['Z', 'X']) && threads <= 1)
    };
    while lives() && begun.elapsed().as_secs() < 20 {
        std::thread::yield_now();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where servers of a folder listen.
pub(crate) fn socket(dir: &Path) -> PathBuf {
    dir.join("socket")
}

/// The name of the default export there.
pub(crate) fn uri(dir: &Path) -> String {
    format!("nbd+unix:///?socket={}", socket(dir).display())
}
