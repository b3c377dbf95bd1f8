//! The peer's tools: they make images, look at ours, and say what they think of broken ones.

use std::path::Path;
use std::process::{Command, Output};

/// Whether there is a peer to test with; says so if there is none. Where tests must not be skipped
/// there has to be one.
pub(crate) fn peer_is_here() -> bool {
    let found = Command::new("qemu-img")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "there is no qemu-img on PATH"
    );
    if !found {
        println!("skipped: there is no qemu-img on PATH");
    }
    found
}

fn run(tool: &str, arguments: &[&str], path: Option<&Path>) -> Output {
    Command::new(tool)
        .args(arguments)
        .args(path)
        .output()
        .expect("the tool starts")
}

/// Runs a tool that must succeed; says what it has printed.
pub(crate) fn tool(tool: &str, arguments: &[&str]) -> String {
    let output = run(tool, arguments, None);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes an image: options as `cluster_size=512,compat=0.10`, and a length.
pub(crate) fn make(path: &Path, options: &str, size: &str) {
    let path = path.to_str().expect("plain");
    let mut arguments = vec!["create", "-q", "-f", "qcow2"];
    if !options.is_empty() {
        arguments.extend(["-o", options]);
    }
    arguments.extend([path, size]);
    tool("qemu-img", &arguments);
}

/// Makes an image on top of another one.
pub(crate) fn make_on(path: &Path, options: &str, backing: &Path, format: &str) {
    let options = format!(
        "{options},backing_file={},backing_fmt={format}",
        backing.to_str().expect("plain")
    );
    let path = path.to_str().expect("plain");
    tool(
        "qemu-img",
        &["create", "-q", "-f", "qcow2", "-o", &options, path],
    );
}

/// Has the peer write and such: commands of `qemu-io`.
pub(crate) fn io(path: &Path, commands: &[&str]) {
    let path = path.to_str().expect("plain");
    let mut arguments = vec!["-f", "qcow2"];
    for command in commands {
        arguments.extend(["-c", command]);
    }
    arguments.push(path);
    let printed = tool("qemu-io", &arguments);
    assert!(!printed.contains("failed"), "{printed}");
}

/// The peer finds nothing wrong with an image: no corruption, and no cluster that is lost.
pub(crate) fn check(path: &Path) {
    let output = run("qemu-img", &["check", "-U", "-f", "qcow2"], Some(path));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("No errors were found"), "{text}{errors}");
}

/// The peer reads these bytes from an image, all of it.
pub(crate) fn compare(path: &Path, raw: &Path) {
    let (path, raw) = (path.to_str().expect("plain"), raw.to_str().expect("plain"));
    tool(
        "qemu-img",
        &["compare", "-U", "-f", "qcow2", "-F", "raw", path, raw],
    );
}

/// Says why the peer does not open an image: the text behind the name of the file.
pub(crate) fn refusal(path: &Path) -> Option<String> {
    let output = run("qemu-img", &["info", "-f", "qcow2"], Some(path));
    if output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let start = text.find("': ").map_or(0, |at| at + 3);
    Some(text[start..].trim_end().to_owned())
}
