//! Clients from elsewhere: `qemu.qmp` and its `qmp-shell`, from PyPI.
//!
//! They are found by the variable `BLOCKJOB_QMP_PYTHON`, which names a Python that has the package, or
//! in the `python3` of the path.

use std::env;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::support::{Scratch, has, skip};

/// The Python that has the package; none if there is none.
fn python(test: &str) -> Option<PathBuf> {
    let python = env::var_os("BLOCKJOB_QMP_PYTHON").unwrap_or_else(|| "python3".into());
    let found = Command::new(&python)
        .args(["-c", "import qemu.qmp"])
        .stderr(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found || !has("qemu-img") {
        skip(
            test,
            "the package qemu.qmp of PyPI, or qemu-img, is not installed",
        );
        return None;
    }
    Some(python.into())
}

/// A daemon with a disk of 4 MiB, at the socket `qmp`.
fn daemon(scratch: &Scratch) -> Child {
    qemu_img(scratch, &["create", "-q", "-f", "qcow2", "disk", "4M"]);
    let words = [
        "serve",
        "--blockdev",
        "driver=qcow2,node-name=disk,file.driver=file,file.filename=disk",
        "--chardev",
        "socket,id=qmp,path=qmp,server=on,wait=off",
        "--monitor",
        "chardev=qmp",
        "--pidfile",
        "pid",
    ];
    let mut command = scratch.command(&words);
    let daemon = command
        .stdout(Stdio::null())
        .spawn()
        .expect("the program can be started");
    while !scratch.path("pid").exists() {
        std::thread::yield_now();
    }
    daemon
}

fn qemu_img(scratch: &Scratch, words: &[&str]) {
    let mut command = Command::new("qemu-img");
    let status = command.args(words).current_dir(scratch.path("")).status();
    assert!(
        status.expect("the tool is installed").success(),
        "{words:?}"
    );
}

fn assert_copy(scratch: &Scratch) {
    qemu_img(scratch, &["compare", "-q", "disk", "copy"]);
    qemu_img(scratch, &["check", "-q", "copy"]);
}

#[test]
fn the_python_client_of_qemu_drives_a_whole_mirror() {
    let Some(python) = python("a mirror by the client qemu.qmp") else {
        return;
    };
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch);
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/program/clients/mirror.py"
    );
    let output = Command::new(python)
        .args([script, "qmp", "disk"])
        .arg(scratch.path("copy"))
        .current_dir(scratch.path(""))
        .output()
        .expect("it was found");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{wrong}");
    assert_eq!(
        said.trim(),
        "created running ready BLOCK_JOB_READY waiting pending BLOCK_JOB_COMPLETED concluded null"
    );
    assert!(daemon.wait().expect("it is our child").success());
    assert_copy(&scratch);
}

/// `qmp-shell`, with a line to say and what it answers up to its next prompt.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Shell {
    fn answer(&mut self) -> String {
        let mut said = Vec::new();
        while !said.ends_with(b"(QEMU) ") {
            let mut byte = [0];
            self.output.read_exact(&mut byte).expect("it prompts");
            said.push(byte[0]);
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    fn say(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("it listens");
        self.answer()
    }
}

#[test]
fn the_shell_of_qemu_drives_a_whole_mirror() {
    let Some(python) = python("a mirror by qmp-shell") else {
        return;
    };
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch);
    let module = "import sys; from qemu.qmp.qmp_shell import main; sys.exit(main())";
    let mut child = Command::new(python)
        .args(["-u", "-c", module, "qmp"])
        .env("HOME", scratch.path(""))
        .current_dir(scratch.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it was found");
    let input = child.stdin.take().expect("it was asked for as a pipe");
    let output = child.stdout.take().expect("it was asked for as a pipe");
    let mut shell = Shell {
        child,
        input,
        output,
    };
    shell.answer();
    let copy = scratch.path("copy").display().to_string();
    let said = shell.say(&format!(
        "drive-mirror job-id=j device=disk target={copy} sync=full"
    ));
    assert!(said.contains("{\"return\": {}}"), "{said}");
    while !shell.say("query-block-jobs").contains("\"ready\": true") {}
    let said = shell.say("block-job-complete device=j");
    assert!(said.contains("{\"return\": {}}"), "{said}");
    while !shell.say("query-block-jobs").contains("{\"return\": []}") {}
    // The shell itself takes the end of the connection for an error.
    writeln!(shell.input, "quit").expect("it listens");
    drop(shell.input);
    shell.child.wait().expect("it is our child");
    assert!(daemon.wait().expect("it is our child").success());
    assert_copy(&scratch);
}
