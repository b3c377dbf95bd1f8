//! A target that has no room.

use std::process::Command;

use super::support::{BLOCKJOB, Ended, Scratch, noise, skip};

/// Runs a shell script with a filesystem of 2 MiB at `small`, in namespaces of its own; none where
/// the system does not allow that.
fn with_small_filesystem(scratch: &Scratch, script: &str) -> Option<Ended> {
    std::fs::create_dir(scratch.path("small")).expect("it is new");
    let mount = "mount -t tmpfs -o size=2m tmpfs small || exit 77";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg(format!("{mount}; {script}"))
        .env("BLOCKJOB", BLOCKJOB)
        .current_dir(scratch.path("."))
        .output();
    let ended = match output {
        Ok(output) => Ended::from(output),
        Err(error) => {
            skip("a full filesystem", &format!("unshare: {error}"));
            return None;
        }
    };
    if ended.status == Some(77) || ended.stderr.starts_with("unshare:") {
        skip("a full filesystem", ended.stderr.trim());
        return None;
    }
    Some(ended)
}

#[test]
fn a_full_filesystem_fails_the_copy_and_the_target_is_removed() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 8 << 20));
    let script = "\"$BLOCKJOB\" mirror src small/dst; echo status $?; ls small";
    if let Some(ended) = with_small_filesystem(&scratch, script) {
        assert_eq!(ended.stdout, "status 1\n", "{ended:?}");
        let line = ended.stderr.lines().last().expect("it says something");
        assert!(line.contains("No space left on device"), "{line}");
        assert!(line.contains("'small/dst' was removed"), "{line}");
    }
}

#[test]
fn a_copy_that_stops_for_want_of_space_goes_on_when_there_is_some() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 8 << 20));
    // The lines go through a pipe, and what waits for the right one then makes room.
    let script = "\
        { \"$BLOCKJOB\" mirror src small/dst --on-target-error stop 2>&1; echo status $?; } \
        | { while read -r line; do case $line in \
                *'kill -CONT '*) \
                    mount -o remount,size=20m small; \
                    pid=${line#*kill -CONT }; kill -CONT ${pid%%\\`*};; \
            esac; echo \"$line\"; done; }; \
        cmp src small/dst && echo equal";
    if let Some(ended) = with_small_filesystem(&scratch, script) {
        assert!(ended.stdout.contains("there is no space left"), "{ended:?}");
        assert!(ended.stdout.ends_with("status 0\nequal\n"), "{ended:?}");
    }
}
