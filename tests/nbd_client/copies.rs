//! `blockjob mirror` from and to exports.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::server::{Server, have, tool, uri};

struct Disks {
    dir: tempfile::TempDir,
}

impl Disks {
    fn new() -> Disks {
        let dir = tempfile::tempdir().expect("there is a folder for that");
        let disks = Disks { dir };
        let source = disks.name("source");
        tool("qemu-img", &["create", "-q", "-f", "raw", &source, "4M"]);
        let writes = [
            "-c",
            "write -q -P 7 1M 300k",
            "-c",
            "write -q -P 8 4090k 6k",
        ];
        tool(
            "qemu-io",
            &[&["-f", "raw"], &writes[..], &[&source]].concat(),
        );
        disks
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn name(&self, name: &str) -> String {
        let path: PathBuf = self.path().join(name);
        path.to_str().expect("a simple name").to_owned()
    }

    fn mirror(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blockjob"));
        command.arg("mirror").args(args);
        command.output().expect("it can be started")
    }

    fn copy(&self, args: &[&str]) {
        let output = self.mirror(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
    }

    fn refused(&self, args: &[&str]) -> String {
        let output = self.mirror(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

const TOOLS: [&str; 4] = ["qemu-nbd", "qemu-img", "qemu-io", "nbdkit"];

#[test]
fn a_mirror_onto_qemu_nbd_and_back_is_a_copy() {
    if !have(&TOOLS) {
        return;
    }
    for format in ["raw", "qcow2"] {
        let disks = Disks::new();
        let (source, image) = (disks.name("source"), disks.name("image"));
        tool("qemu-img", &["create", "-q", "-f", format, &image, "4M"]);
        let fill = "write -q -P 99 0 4M";
        tool("qemu-io", &["-f", format, "-c", fill, &image]);
        let server = Server::qemu_nbd(disks.path(), format, Path::new(&image));
        let export = uri(disks.path());
        disks.copy(&[&source, &export]);
        tool(
            "qemu-img",
            &["compare", "-f", "raw", "-F", "raw", &source, &export],
        );
        let back = disks.name("back");
        disks.copy(&[&export, &back, "--verify"]);
        drop(server);
        tool(
            "qemu-img",
            &["compare", "-f", "raw", "-F", format, &source, &image],
        );
        tool(
            "qemu-img",
            &["compare", "-f", "raw", "-F", "raw", &source, &back],
        );
    }
}

#[test]
fn a_mirror_onto_nbdkit_is_a_copy() {
    if !have(&TOOLS) {
        return;
    }
    let plugins: [&[&str]; 3] = [
        &["memory", "4M"],
        &["--no-sr", "memory", "4M"],
        &["--filter=delay", "memory", "4M", "rdelay=1ms", "wdelay=1ms"],
    ];
    for plugin in plugins {
        let disks = Disks::new();
        let source = disks.name("source");
        let _server = Server::nbdkit(disks.path(), plugin);
        let export = uri(disks.path());
        disks.copy(&[&source, &export]);
        tool(
            "qemu-img",
            &["compare", "-f", "raw", "-F", "raw", &source, &export],
        );
    }
}

#[test]
fn a_qcow2_image_in_an_export_is_said_to_be_one() {
    if !have(&TOOLS) {
        return;
    }
    let disks = Disks::new();
    let (source, image, back) = (
        disks.name("source"),
        disks.name("image"),
        disks.name("back"),
    );
    tool("qemu-img", &["create", "-q", "-f", "qcow2", &image, "4M"]);
    // Room for what the image is to hold: an export does not grow.
    tool("truncate", &["-s", "8M", &image]);
    let _server = Server::qemu_nbd(disks.path(), "raw", Path::new(&image));
    let export = uri(disks.path());
    assert!(
        disks
            .refused(&[&export, &back])
            .contains("looks like a qcow2 image")
    );
    disks.copy(&[&export, &back, "--source-format", "qcow2"]);
    disks.copy(&[
        &source,
        &export,
        "--source-format",
        "raw",
        "--format",
        "qcow2",
    ]);
    disks.copy(&[
        &export,
        &back,
        "--source-format",
        "qcow2",
        "--mode",
        "existing",
    ]);
    tool(
        "qemu-img",
        &["compare", "-f", "raw", "-F", "raw", &source, &back],
    );
}

#[test]
fn what_is_wrong_with_an_export_is_said_before_anything_changes() {
    if !have(&TOOLS) {
        return;
    }
    let disks = Disks::new();
    let (source, back) = (disks.name("source"), disks.name("back"));
    let _server = Server::nbdkit(disks.path(), &["memory", "1M"]);
    let export = uri(disks.path());
    let short = disks.refused(&[&source, &export]);
    assert!(
        short.contains("it has 1048576 bytes, and the source has 4194304"),
        "{short}"
    );
    let same = disks.refused(&[&export, &export]);
    assert!(same.contains("it is the source as well"), "{same}");
    let none = disks.refused(&[&format!("{export}x"), &back]);
    assert!(none.contains("No such file or directory"), "{none}");
    let name = disks.refused(&["nbd:foo", &back]);
    assert!(name.contains("error parsing address 'foo'"), "{name}");
    assert!(!Path::new(&back).exists());
}

#[test]
fn a_server_that_fails_fails_the_copy() {
    if !have(&TOOLS) {
        return;
    }
    let disks = Disks::new();
    let args = [
        "--filter=error",
        "memory",
        "4M",
        "error=EIO",
        "error-pwrite-rate=100%",
    ];
    let _server = Server::nbdkit(disks.path(), &args);
    let output = disks.mirror(&[&disks.name("source"), &uri(disks.path())]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Input/output error"), "{said}");
    assert!(said.contains("is no copy now"), "{said}");
}
