//! Image locks that QEMU feels, and QEMU's locks that we feel. Runs where `qemu-io` is installed.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use blockjob_block::driver::file::{ImagePermissions, image_permission as perm};
use blockjob_block::error::ErrorKind;

use crate::common::{Scratch, noise};

const EXCLUSIVE_WRITER: ImagePermissions = ImagePermissions {
    used: perm::CONSISTENT_READ | perm::WRITE,
    shared: perm::CONSISTENT_READ,
};

/// Whether there is a peer to test with; says so if there is none.
fn peer_is_here() -> bool {
    let found = Command::new("qemu-io")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: there is no qemu-io on PATH");
    }
    found
}

/// A `qemu-io` that has an image open and waits for commands.
struct Peer(Child);

impl Peer {
    /// Returns when the peer prompts, and so has opened the image and taken its locks.
    fn holding(image: &Path, arguments: &[&str]) -> Self {
        let child = Command::new("qemu-io")
            .args(arguments)
            .arg(image)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-io starts");
        let mut peer = Self(child);
        let mut output = peer.0.stdout.take().expect("piped");
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"qemu-io> ") {
            let count = output
                .read(&mut byte)
                .expect("the peer's output can be read");
            assert!(count > 0, "no prompt: {}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        peer.0.stdout = Some(output);
        peer
    }

    fn quit(mut self) {
        let mut input = self.0.stdin.take().expect("piped");
        input.write_all(b"quit\n").expect("the peer listens");
        drop(input);
        self.0.wait().expect("the peer ends");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail if it has quit, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn qemu_io(arguments: &[&str], command: &str, image: &Path) -> Output {
    Command::new("qemu-io")
        .args(arguments)
        .args(["-c", command])
        .arg(image)
        .output()
        .expect("qemu-io runs")
}

#[test]
fn an_image_that_qemu_writes_refuses_us_until_qemu_quits() {
    if !peer_is_here() {
        return;
    }
    let scratch = Scratch::with(&noise(1 << 20));
    let peer = Peer::holding(&scratch.image, &["-f", "raw"]);
    let handle = scratch.open();
    let error = handle
        .set_permissions(EXCLUSIVE_WRITER)
        .expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert_eq!(error.to_string(), "Failed to get shared \"write\" lock");
    peer.quit();
    handle.set_permissions(EXCLUSIVE_WRITER).expect("free now");
}

#[test]
fn a_qcow2_image_that_qemu_has_open_denies_us_the_write_lock() {
    if !peer_is_here() {
        return;
    }
    let scratch = Scratch::with(b"");
    let made = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&scratch.image)
        .arg("1M")
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: there is no qemu-img on PATH");
        return;
    }
    let peer = Peer::holding(&scratch.image, &["-f", "qcow2"]);
    let handle = scratch.open();
    let error = handle
        .set_permissions(ImagePermissions {
            shared: perm::ALL,
            ..EXCLUSIVE_WRITER
        })
        .expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert_eq!(error.to_string(), "Failed to get \"write\" lock");
    peer.quit();
}

#[test]
fn qemu_is_refused_while_we_write_and_may_read_and_says_what_we_say() {
    if !peer_is_here() {
        return;
    }
    let scratch = Scratch::with(&noise(1 << 20));
    let handle = scratch.open();
    handle
        .set_permissions(EXCLUSIVE_WRITER)
        .expect("nobody objects");

    let output = qemu_io(&["-f", "raw"], "write -P 7 0 512", &scratch.image);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "the peer wrote under our lock");
    // Our own refusal by a second handle has the same sentence and the same hint.
    let ours = scratch
        .open()
        .set_permissions(EXCLUSIVE_WRITER)
        .expect_err("in use");
    assert!(message.contains(&ours.to_string()), "{message}");
    assert!(message.contains(ours.hint().expect("advice")), "{message}");
    assert!(scratch.contents() == noise(1 << 20));

    let output = qemu_io(&["-r", "-f", "raw"], "read 0 512", &scratch.image);
    assert!(output.status.success(), "we let others read");

    handle
        .set_permissions(ImagePermissions::NONE)
        .expect("asks for nothing");
    let output = qemu_io(&["-f", "raw"], "write -P 7 0 512", &scratch.image);
    assert!(output.status.success(), "the image is free");
    let mut buffer = [0; 512];
    handle.pread(0, &mut buffer).expect("read");
    assert_eq!(buffer, [7; 512]);
}
