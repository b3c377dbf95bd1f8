//! A folder for each test, and the tools that are run in it.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// How long a tool may take.
const PATIENCE_S: u64 = 60;

/// Says that a test does nothing, past the harness, which keeps what passing tests print.
pub(crate) fn lacks(tools: &[&str]) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let there = |tool: &&&str| std::env::split_paths(&paths).any(|path| path.join(tool).is_file());
    let missing = tools.iter().find(|tool| !there(tool));
    if let Some(tool) = missing {
        writeln!(io::stderr(), "skipped: {tool} is missing").expect("standard error is open");
    }
    missing.is_some()
}

/// A folder that is gone after the test; if that has failed, and `BLOCKJOB_KEEP` is set, it stays.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        // Short: names of sockets end at 107 bytes.
        let folder = tempfile::Builder::new().prefix("l").tempdir();
        Scratch(folder.expect("there is a temporary folder").keep())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("it is text").to_owned()
    }

    /// A hole of that length.
    pub(crate) fn hole(&self, name: &str, bytes: u64) {
        let file = fs::File::create_new(self.path(name)).expect("it is new");
        file.set_len(bytes).expect("it can grow");
    }

    /// An empty image.
    pub(crate) fn image(&self, format: &str, name: &str, bytes: u64) {
        match format {
            "raw" => self.hole(name, bytes),
            _ => {
                let path = self.path(name);
                prints(&[
                    "qemu-img",
                    "create",
                    "-q",
                    "-f",
                    format,
                    &path,
                    &bytes.to_string(),
                ]);
            }
        }
    }

    /// What an image reads as, if QEMU says so.
    pub(crate) fn content(&self, format: &str, name: &str) -> Vec<u8> {
        let (from, to) = (self.path(name), self.path("content"));
        prints(&["qemu-img", "convert", "-f", format, "-O", "raw", &from, &to]);
        let content = fs::read(&to).expect("it was written");
        fs::remove_file(&to).expect("it is ours");
        content
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("BLOCKJOB_KEEP").is_some() {
            eprintln!("left: {}", self.0.display());
            return;
        }
        // A folder that stays harms nobody.
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// A tool that may not take longer than anything may.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["-k", "1"])
        .arg(PATIENCE_S.to_string())
        .args(words);
    command.stdin(Stdio::null());
    command
}

/// Runs a tool to its end.
pub(crate) fn run(words: &[&str]) -> Output {
    command(words).output().expect("coreutils are there")
}

/// All that a tool has printed.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// What a tool that is to succeed prints.
pub(crate) fn prints(words: &[&str]) -> String {
    let output = run(words);
    let said = said(&output);
    assert!(output.status.success(), "{words:?}: {said}");
    said
}

/// A tool at work beside the test. It ends with it.
pub(crate) struct Busy(Option<Child>);

impl Busy {
    pub(crate) fn start(words: &[&str]) -> Busy {
        let mut command = command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Busy(Some(command.spawn().expect("coreutils are there")))
    }

    /// True until it has ended.
    pub(crate) fn goes_on(&mut self) -> bool {
        let child = self.0.as_mut().expect("it was not waited for");
        child.try_wait().expect("it is our child").is_none()
    }

    /// What it has printed when it has succeeded.
    pub(crate) fn prints(mut self) -> String {
        let child = self.0.take().expect("it was not waited for");
        let output = child.wait_with_output().expect("it is our child");
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        said
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // `timeout` passes this one on to what it has started, and not a kill.
            let pid = rustix::process::Pid::from_child(&child);
            let _ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _reaped = child.wait();
        }
    }
}

/// Both sides of a mirror show the same, and a qcow2 image is whole.
pub(crate) fn assert_same(scratch: &Scratch, one: (&str, &str), other: (&str, &str)) {
    let paths = (scratch.path(one.1), scratch.path(other.1));
    let words = ["qemu-img", "compare", "-f", one.0, "-F", other.0];
    prints(&[&words[..], &[&*paths.0, &*paths.1]].concat());
    for ((format, _), path) in [(one, &paths.0), (other, &paths.1)] {
        if format == "qcow2" {
            prints(&["qemu-img", "check", "-f", "qcow2", path]);
        }
    }
}
