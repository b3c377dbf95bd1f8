//! A folder for each test, disks in it, and the program run on them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The program under test.
pub(crate) const BLOCKJOB: &str = env!("CARGO_BIN_EXE_blockjob");

/// A folder that is gone after the test.
pub(crate) struct Scratch(tempfile::TempDir);

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("the program writes UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("the program writes UTF-8"),
        }
    }
}

/// Bytes that no two tests take for each other's.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut noise);
    noise
}

/// Says that a test does nothing, past the harness, which keeps what passing tests print.
pub(crate) fn skip(test: &str, reason: &str) {
    writeln!(io::stderr(), "skipped: {test}: {reason}").expect("standard error is open");
}

/// Whether a tool can be started.
pub(crate) fn has(tool: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(tool).is_file())
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch(tempfile::tempdir().expect("there is a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of that content.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the file can be written");
        path
    }

    /// A file of `mebibytes`, every other MiB of which is a hole.
    pub(crate) fn half_holes(&self, name: &str, mebibytes: usize) -> PathBuf {
        let path = self.path(name);
        let file = File::create_new(&path).expect("the file is new");
        file.set_len((mebibytes as u64) << 20).expect("it can grow");
        for piece in (0..mebibytes).step_by(2) {
            file.write_all_at(&noise(piece as u64, 1 << 20), (piece as u64) << 20)
                .expect("there is space");
        }
        path
    }

    /// The program in this folder, with these words.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BLOCKJOB);
        command.args(words).current_dir(self.0.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        let output = self.command(words).output();
        output.expect("the program can be started").into()
    }

    /// Starts the program, with its lines in reach.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let stderr = child.stderr.take().expect("it was asked for as a pipe");
        Running {
            child,
            stderr: BufReader::new(stderr),
        }
    }

    /// All that is in the folder: names, kinds, contents.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, String> {
        let entries = fs::read_dir(self.0.path()).expect("the folder can be read");
        entries
            .map(|entry| entry.expect("the folder can be read").path())
            .map(|path| (path.clone(), describe(&path)))
            .collect()
    }
}

/// What would show that a file was touched.
fn describe(path: &Path) -> String {
    let metadata = fs::symlink_metadata(path).expect("it was listed");
    let content = match metadata.is_file() {
        true => fs::read(path).unwrap_or_default(),
        false => Vec::new(),
    };
    let sum = content.iter().fold(0u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    format!("{:?} {} {sum:x}", metadata.file_type(), metadata.len())
}

/// The program while it runs. Dropping it kills it: no test leaves one behind.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    /// Reads its lines on standard error up to the first that contains `text`.
    ///
    /// # Panics
    ///
    /// If it ends without such a line.
    pub(crate) fn wait_for_line(&mut self, text: &str) {
        let mut seen = String::new();
        loop {
            let before = seen.len();
            let read = self.stderr.read_line(&mut seen).expect("it writes UTF-8");
            assert!(read > 0, "it ended without '{text}', and said:\n{seen}");
            if seen[before..].contains(text) {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it still runs");
    }

    /// Waits for its end. `stderr` is what was not read yet.
    pub(crate) fn end(mut self) -> Ended {
        let mut stderr = String::new();
        io::Read::read_to_string(&mut self.stderr, &mut stderr).expect("it writes UTF-8");
        let mut stdout = String::new();
        let pipe = self.child.stdout.as_mut().expect("it was asked for");
        io::Read::read_to_string(pipe, &mut stdout).expect("it writes UTF-8");
        Ended {
            status: self.child.wait().expect("it is a child").code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _over = self.child.kill();
        let _reaped = self.child.wait();
    }
}
