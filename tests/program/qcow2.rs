//! Copies of qcow2 images, judged by the peer's tools.

use std::process::Command;

use super::support::{Scratch, has, skip};

/// Runs a tool of the peer's in the folder; true if it is content.
fn tool(scratch: &Scratch, words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(scratch.path(""));
    let output = command.output().expect("the tool is installed");
    output.status.success()
}

fn make(scratch: &Scratch, words: &[&str]) {
    assert!(tool(scratch, words), "{words:?}");
}

/// An overlay of 1 MiB of data above a base of 8 MiB of data, of 64 MiB; none without the tools.
fn chain(test: &str) -> Option<Scratch> {
    if !has("qemu-img") || !has("qemu-io") {
        skip(test, "qemu-img is not installed");
        return None;
    }
    let scratch = Scratch::new();
    make(
        &scratch,
        &["qemu-img", "create", "-q", "-f", "qcow2", "base", "64M"],
    );
    make(
        &scratch,
        &["qemu-io", "-f", "qcow2", "-c", "write -q -P 1 0 8M", "base"],
    );
    let overlay = [
        "qemu-img", "create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "top",
    ];
    make(&scratch, &overlay);
    make(
        &scratch,
        &["qemu-io", "-f", "qcow2", "-c", "write -q -P 2 4M 1M", "top"],
    );
    Some(scratch)
}

fn assert_copy(scratch: &Scratch, source_format: &str, target_format: &str, target: &str) {
    let compare = [
        "qemu-img",
        "compare",
        "-q",
        "-f",
        source_format,
        "-F",
        target_format,
    ];
    let source = if source_format == "raw" { "raw" } else { "top" };
    assert!(
        tool(scratch, &[&compare[..], &[source, target]].concat()),
        "it is no copy"
    );
    if target_format == "qcow2" {
        assert!(
            tool(scratch, &["qemu-img", "check", "-q", target]),
            "it is damaged"
        );
    }
}

#[test]
fn an_image_with_a_backing_file_is_copied_in_full_and_flat() {
    let Some(scratch) = chain("an image with a backing file") else {
        return;
    };
    let ended = scratch.run(&["mirror", "top", "copy", "--format", "qcow2"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("8.0 MiB copied"), "{ended:?}");
    assert_copy(&scratch, "qcow2", "qcow2", "copy");
    make(&scratch, &["rm", "base"]);
    assert!(
        tool(&scratch, &["qemu-img", "info", "--backing-chain", "copy"]),
        "it needs the base"
    );
}

#[test]
fn the_topmost_image_alone_is_copied_above_the_same_base() {
    let Some(scratch) = chain("the topmost image alone") else {
        return;
    };
    let words = [
        "mirror", "top", "copy", "--format", "qcow2", "--sync", "top",
    ];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("1.0 MiB copied"), "{ended:?}");
    assert_copy(&scratch, "qcow2", "qcow2", "copy");
}

#[test]
fn formats_of_both_sides_may_differ() {
    let Some(scratch) = chain("formats that differ") else {
        return;
    };
    let ended = scratch.run(&["mirror", "top", "raw", "--source-format", "qcow2"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_copy(&scratch, "qcow2", "raw", "raw");
    let words = [
        "mirror",
        "raw",
        "copy",
        "--source-format",
        "raw",
        "--format",
        "qcow2",
    ];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_copy(&scratch, "raw", "qcow2", "copy");
}

#[test]
fn an_image_that_is_there_is_overwritten_when_that_is_meant() {
    let Some(scratch) = chain("an image that is there") else {
        return;
    };
    make(
        &scratch,
        &["qemu-img", "create", "-q", "-f", "qcow2", "copy", "64M"],
    );
    make(
        &scratch,
        &[
            "qemu-io",
            "-f",
            "qcow2",
            "-c",
            "write -q -P 3 3M 60M",
            "copy",
        ],
    );
    let words = [
        "mirror", "top", "copy", "--format", "qcow2", "--mode", "existing",
    ];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_copy(&scratch, "qcow2", "qcow2", "copy");
}

#[test]
fn an_image_of_which_nobody_said_what_it_is_is_not_guessed_at() {
    let Some(scratch) = chain("an image without a format") else {
        return;
    };
    let before = scratch.contents();
    let ended = scratch.run(&["mirror", "top", "copy"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--format qcow2"), "{ended:?}");
    assert_eq!(scratch.contents(), before);
    let ended = scratch.run(&["mirror", "top", "copy", "--format", "raw"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        tool(&scratch, &["cmp", "top", "copy"]),
        "the file is copied as it is"
    );
}

#[test]
fn what_no_qcow2_image_can_be_leaves_nothing_behind() {
    let Some(scratch) = chain("what no image can be") else {
        return;
    };
    scratch.file("odd", &[7; 1000]);
    make(
        &scratch,
        &["qemu-img", "create", "-q", "-f", "qcow2", "small", "1M"],
    );
    make(
        &scratch,
        &["qemu-img", "create", "-q", "-f", "qcow2", "flat", "64M"],
    );
    let before = scratch.contents();
    let refused: [(&[&str], &str); 5] = [
        (
            &[
                "mirror",
                "top",
                "copy",
                "--source-format",
                "qcow2",
                "--format",
                "raw",
                "--sync",
                "top",
            ],
            "a raw image has no backing file",
        ),
        (
            &[
                "mirror", "top", "flat", "--format", "qcow2", "--sync", "top", "--mode", "existing",
            ],
            "the target has no backing file",
        ),
        (
            &[
                "mirror",
                "odd",
                "copy",
                "--source-format",
                "raw",
                "--format",
                "qcow2",
            ],
            "multiple of 512",
        ),
        (
            &["mirror", "odd", "copy", "--format", "qcow2"],
            "Image is not in qcow2 format",
        ),
        (
            &[
                "mirror", "top", "small", "--format", "qcow2", "--mode", "existing",
            ],
            "has 1048576 bytes",
        ),
    ];
    for (words, why) in refused {
        let ended = scratch.run(words);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(why), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert_eq!(scratch.contents(), before, "{words:?}");
    }
}

/// Only a copy of the top needs what is below it.
#[test]
fn a_full_copy_of_an_overlay_goes_onto_an_image_that_is_there_and_stands_alone() {
    let Some(scratch) = chain("a full copy onto an image that is there") else {
        return;
    };
    make(
        &scratch,
        &["qemu-img", "create", "-q", "-f", "qcow2", "copy", "64M"],
    );
    make(
        &scratch,
        &[
            "qemu-io",
            "-f",
            "qcow2",
            "-c",
            "write -q -P 9 20M 2M",
            "copy",
        ],
    );
    let words = [
        "mirror", "top", "copy", "--format", "qcow2", "--mode", "existing",
    ];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_copy(&scratch, "qcow2", "qcow2", "copy");
    let ended = scratch.run(&[&words[..], &["--sync", "top"]].concat());
    assert_eq!(ended.status, Some(2), "{ended:?}");
}

#[test]
fn a_copy_is_read_back_in_every_pair_of_formats_and_says_so() {
    let Some(scratch) = chain("a copy that is read back") else {
        return;
    };
    make(
        &scratch,
        &["qemu-img", "convert", "-O", "raw", "top", "raw"],
    );
    for (source, source_format) in [("raw", "raw"), ("top", "qcow2")] {
        for format in ["raw", "qcow2"] {
            let copy = format!("{source}-{format}");
            let words = [
                "mirror",
                source,
                &copy,
                "--source-format",
                source_format,
                "--format",
                format,
                "--verify",
                "--json",
            ];
            let ended = scratch.run(&words);
            assert_eq!(ended.status, Some(0), "{ended:?}");
            assert!(
                ended.stdout.contains("\"verified\":\"passed\""),
                "{ended:?}"
            );
            let said = "both sides were read back, and are the same";
            assert!(ended.stderr.contains(said), "{ended:?}");
            assert_copy(&scratch, source_format, format, &copy);
        }
    }
    // The top alone, with what is below it.
    let words = [
        "mirror", "top", "over", "--format", "qcow2", "--sync", "top", "--verify",
    ];
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("read back"), "{ended:?}");
    assert_copy(&scratch, "qcow2", "qcow2", "over");
}
