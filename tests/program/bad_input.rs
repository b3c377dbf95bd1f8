//! What the program refuses: one line, status 2, and nothing is created, truncated or lost.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::support::{BLOCKJOB, Ended, Scratch, noise, skip};

/// A folder with a source of 1 MiB in it.
fn with_source() -> Scratch {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 1 << 20));
    scratch
}

/// One line on standard error, which contains `what`, nothing on standard output, status 2.
pub(super) fn assert_refusal(ended: &Ended, what: &str) {
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    let line = ended.stderr.strip_suffix('\n').expect("a whole line");
    assert!(!line.contains('\n'), "more than one line:\n{line}");
    assert!(line.starts_with("blockjob: "), "{line}");
    assert!(line.contains(what), "'{what}' is not in: {line}");
}

/// The words after `mirror` are refused, for a reason that contains `what`, and the folder is as it
/// was.
fn refuses(scratch: &Scratch, words: &[&str], what: &str) {
    let before = scratch.contents();
    let words: Vec<&str> = ["mirror"].iter().chain(words).copied().collect();
    assert_refusal(&scratch.run(&words), what);
    assert_eq!(scratch.contents(), before, "{words:?}");
}

#[test]
fn a_missing_source_is_refused() {
    refuses(&with_source(), &["no", "dst"], "No such file");
}

#[test]
fn a_directory_is_no_source_and_no_target() {
    let scratch = with_source();
    fs::create_dir(scratch.path("folder")).expect("it is new");
    refuses(&scratch, &["folder", "dst"], "is a directory");
    refuses(
        &scratch,
        &["src", "folder"],
        "exists already, and is no disk image",
    );
    let existing = ["src", "folder", "--mode", "existing"];
    refuses(&scratch, &existing, "is a directory");
}

#[test]
fn a_target_in_a_missing_folder_is_refused() {
    refuses(&with_source(), &["src", "no/dst"], "No such file");
}

#[test]
fn a_character_device_is_no_source_and_no_target() {
    let scratch = with_source();
    refuses(&scratch, &["/dev/zero", "dst"], "character device");
    let existing = ["src", "/dev/null", "--mode", "existing"];
    refuses(&scratch, &existing, "character device");
}

#[test]
fn the_source_is_no_target_by_whatever_path() {
    let scratch = with_source();
    symlink("src", scratch.path("link")).expect("it is new");
    fs::hard_link(scratch.path("src"), scratch.path("hard")).expect("it is new");
    fs::create_dir(scratch.path("folder")).expect("it is new");
    for path in ["src", "./src", "link", "hard", "folder/../src"] {
        for mode in ["existing", "absolute-paths"] {
            refuses(&scratch, &["src", path, "--mode", mode], "same image");
        }
    }
}

#[test]
fn the_source_is_no_target_through_an_open_descriptor() {
    let scratch = with_source();
    let before = scratch.contents();
    let ended: Ended = Command::new("sh")
        .args([
            "-c",
            "exec \"$0\" mirror src /proc/self/fd/7 --mode existing 7<src",
        ])
        .arg(BLOCKJOB)
        .current_dir(scratch.path("."))
        .output()
        .expect("there is a shell")
        .into();
    assert_refusal(&ended, "same image");
    assert_eq!(scratch.contents(), before);
}

#[test]
fn a_target_that_exists_is_not_overwritten_unless_asked() {
    let scratch = with_source();
    scratch.file("dst", &noise(2, 1 << 20));
    refuses(
        &scratch,
        &["src", "dst"],
        "exists already; --mode existing overwrites it",
    );
    symlink("nowhere", scratch.path("dangling")).expect("it is new");
    refuses(&scratch, &["src", "dangling"], "exists already");
}

#[test]
fn an_existing_target_must_exist_and_have_the_size_of_the_source() {
    let scratch = with_source();
    let existing = |target| ["src", target, "--mode", "existing"];
    refuses(&scratch, &existing("dst"), "No such file");
    scratch.file("small", &noise(2, (1 << 20) - 1));
    refuses(
        &scratch,
        &existing("small"),
        "too small: it has 1048575 bytes",
    );
    scratch.file("large", &noise(2, (1 << 20) + 1));
    refuses(
        &scratch,
        &existing("large"),
        "too large: it has 1048577 bytes",
    );
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    let scratch = with_source();
    for granularity in ["513", "256", "128M", "0", "-512", "64KB", ""] {
        let words = ["src", "dst", "--granularity", granularity];
        refuses(&scratch, &words, "--granularity");
    }
    for option in ["--speed", "--buf-size"] {
        for size in ["-1", "-5M", "1.5M", "1 M", "x", "9223372036854775808"] {
            refuses(&scratch, &["src", "dst", option, size], option);
        }
    }
}

#[test]
fn names_that_are_not_known_are_refused() {
    let scratch = with_source();
    for option in [
        "--format",
        "--sync",
        "--mode",
        "--on-source-error",
        "--on-target-error",
    ] {
        refuses(&scratch, &["src", "dst", option, "qcow3"], "qcow3");
    }
    refuses(&scratch, &["src", "dst", "--frobnicate"], "--frobnicate");
}

#[test]
fn a_source_without_a_target_is_refused() {
    let scratch = with_source();
    refuses(&scratch, &["src"], "<DST>");
    refuses(&scratch, &["--json"], "<SRC>");
    refuses(&scratch, &["src", "dst", "more"], "more");
}

#[test]
fn a_copy_of_later_writes_alone_needs_a_target_that_is_a_copy() {
    let scratch = with_source();
    refuses(
        &scratch,
        &["src", "dst", "--sync", "none"],
        "--mode existing",
    );
}

#[test]
fn an_unreadable_source_is_refused() {
    let scratch = with_source();
    let nobody = fs::Permissions::from_mode(0o000);
    fs::set_permissions(scratch.path("src"), nobody).expect("it is ours");
    if fs::File::open(scratch.path("src")).is_ok() {
        return skip("an unreadable source", "root can read everything");
    }
    refuses(&scratch, &["src", "dst"], "Permission denied");
}
