//! Images that another process uses.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::support::{Scratch, has, noise, skip};

/// A `qemu-io` that has `name` open, for reading and writing.
struct QemuIo(Child);

impl QemuIo {
    fn holding(scratch: &Scratch, name: &str) -> QemuIo {
        let mut child = Command::new("qemu-io")
            .args(["-f", "raw", name])
            .current_dir(scratch.path("."))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-io was found");
        let stdin = child.stdin.as_mut().expect("it was asked for as a pipe");
        stdin.write_all(b"length\n").expect("it listens");
        // Once it answers, it has the image open.
        let stdout = child.stdout.take().expect("it was asked for as a pipe");
        let answered = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("MiB"));
        assert!(answered, "qemu-io has not told the length");
        QemuIo(child)
    }
}

impl Drop for QemuIo {
    fn drop(&mut self) {
        let _over = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// The words are refused because of a lock, and nothing changes.
fn refused(scratch: &Scratch, words: &[&str]) {
    let before = scratch.contents();
    let ended = scratch.run(words);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(
        ended.stderr.contains("Is another process using"),
        "{ended:?}"
    );
    assert_eq!(scratch.contents(), before);
}

#[test]
fn a_target_that_another_process_holds_is_refused_until_it_lets_go() {
    if !has("qemu-io") {
        return skip("a target in use", "qemu-io is missing");
    }
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 1 << 20));
    scratch.file("dst", &noise(2, 1 << 20));
    let words = ["mirror", "src", "dst", "--mode", "existing"];
    let qemu_io = QemuIo::holding(&scratch, "dst");
    refused(&scratch, &words);
    drop(qemu_io);
    assert_eq!(scratch.run(&words).status, Some(0));
}

#[test]
fn a_source_that_another_process_writes_to_is_refused_before_a_target_is_created() {
    if !has("qemu-io") {
        return skip("a source in use", "qemu-io is missing");
    }
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 1 << 20));
    let _qemu_io = QemuIo::holding(&scratch, "src");
    refused(&scratch, &["mirror", "src", "dst"]);
}

#[test]
fn two_copies_at_once_share_a_source_but_no_target() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 8 << 20));
    let mut slow = scratch.start(&["mirror", "src", "dst", "--speed", "1M"]);
    slow.wait_for_line("copying");
    let words = ["mirror", "src", "dst", "--mode", "existing"];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("Is another process using"),
        "{ended:?}"
    );
    assert_eq!(scratch.run(&["mirror", "src", "other"]).status, Some(0));
    // It is killed, and so its target stays; it is free now.
    drop(slow);
    assert_eq!(scratch.run(&words).status, Some(0));
}

#[test]
fn a_target_whose_name_somebody_gave_to_another_file_is_not_called_a_copy() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 2 << 20));
    let mut running = scratch.start(&["mirror", "src", "dst", "--speed", "1M"]);
    running.wait_for_line("copying");
    std::fs::remove_file(scratch.path("dst")).expect("it was made");
    scratch.file("dst", b"precious");
    let ended = running.end();
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("is another file now"), "{ended:?}");
    assert_eq!(
        std::fs::read(scratch.path("dst")).expect("it is kept"),
        b"precious"
    );
}
