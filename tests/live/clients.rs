//! The guests that people have, at work while a mirror runs, in each mode and onto each target.

use std::fs;

use serde_json::json;

use super::daemon::{Daemon, image};
use super::targets::Target;
use super::tools::{Busy, Scratch, assert_same, lacks, prints};

const MIB: u64 = 1 << 20;
const MODES: [&str; 3] = ["background", "write-blocking", "auto"];

/// Has a guest at work during a mirror from the first byte to READY, and lets it end.
fn under(daemon: &mut Daemon, mode: &str, words: &[&str]) -> String {
    let guest = Busy::start(words);
    daemon.mirror(json!({"copy-mode": mode, "granularity": 65536}));
    let said = guest.prints();
    daemon.event("BLOCK_JOB_READY");
    said
}

/// A daemon with disks `src` and `dst` of these formats, half of the first full.
fn with_disks(scratch: &Scratch, formats: [&str; 2], bytes: u64) -> Daemon {
    scratch.image(formats[0], "src", bytes);
    scratch.image(formats[1], "dst", bytes);
    let write = format!("write -P 0x5a 0 {}", bytes / 2);
    prints(&[
        "qemu-io",
        "-f",
        formats[0],
        "-c",
        &write,
        &scratch.path("src"),
    ]);
    let nodes = ["src", "dst"].into_iter().zip(formats);
    let nodes: Vec<String> = nodes
        .map(|(name, format)| image(format, name, &scratch.path(name)))
        .collect();
    Daemon::start(scratch, &nodes)
}

fn fio<'a>(uri: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = [
        "fio",
        "--name=guest",
        "--ioengine=nbd",
        uri,
        "--rw=randwrite",
        "--bsrange=512-64k",
        "--iodepth=8",
        "--size=16M",
        "--verify=crc32c",
        "--verify_fatal=1",
        "--verify_state_save=0",
        "--output-format=terse",
    ];
    [&words[..], more].concat()
}

#[test]
fn fio_finds_every_block_as_it_has_written_it_during_a_mirror_and_so_does_the_copy() {
    if lacks(&["fio", "qemu-img", "qemu-io"]) {
        return;
    }
    for mode in MODES {
        for formats in [["raw", "raw"], ["qcow2", "qcow2"]] {
            let scratch = Scratch::new();
            let mut daemon = with_disks(&scratch, formats, 16 * MIB);
            let uri = format!("--uri={}", daemon.uri());
            let said = under(&mut daemon, mode, &fio(&uri, &[]));
            assert!(!said.contains("verify:"), "{mode} {formats:?}: {said}");
            daemon.complete();
            daemon.quit();
            assert_same(&scratch, (formats[0], "src"), (formats[1], "dst"));
        }
    }
}

#[test]
fn fio_goes_on_across_the_pivot_to_a_target_of_another_server() {
    if lacks(&["fio", "qemu-nbd", "qemu-img", "qemu-io"]) {
        return;
    }
    for mode in MODES {
        let scratch = Scratch::new();
        scratch.image("raw", "src", 16 * MIB);
        scratch.image("qcow2", "dst", 16 * MIB);
        let target = Target::qemu_nbd(&scratch, "qcow2", "dst");
        let nodes = [
            image("raw", "src", &scratch.path("src")),
            target.node("dst"),
        ];
        let mut daemon = Daemon::start(&scratch, &nodes);
        daemon.mirror(json!({"copy-mode": mode}));
        daemon.event("BLOCK_JOB_READY");
        let uri = format!("--uri={}", daemon.uri());
        // Slow enough for the mirror to catch up, and long enough for the pivot to come between.
        let rate = ["--rate=8M", "--bs=4k", "--bsrange=4k-16k"];
        let guest = Busy::start(&fio(&uri, &rate));
        let served = |daemon: &mut Daemon| {
            let stats = daemon.ok("query-blockstats", json!({"query-nodes": true}));
            stats.to_string()
        };
        let idle = served(&mut daemon);
        while served(&mut daemon) == idle {}
        daemon.complete();
        let said = guest.prints();
        assert!(!said.contains("verify:"), "{mode}: {said}");
        daemon.quit();
        prints(&[
            "qemu-img",
            "check",
            "-U",
            "-f",
            "qcow2",
            &scratch.path("dst"),
        ]);
    }
}

#[test]
fn qemu_io_reads_its_own_writes_and_the_target_of_another_server_shows_them() {
    if lacks(&["qemu-io", "qemu-nbd", "nbdkit", "qemu-img"]) {
        return;
    }
    for mode in MODES {
        for kind in ["raw", "qcow2", "memory"] {
            let scratch = Scratch::new();
            scratch.image("qcow2", "src", 16 * MIB);
            let target = match kind {
                "memory" => Target::nbdkit(&scratch, 16 * MIB),
                format => {
                    scratch.image(format, "dst", 16 * MIB);
                    Target::qemu_nbd(&scratch, format, "dst")
                }
            };
            let nodes = [
                image("qcow2", "src", &scratch.path("src")),
                target.node("dst"),
            ];
            let mut daemon = Daemon::start(&scratch, &nodes);
            let uri = daemon.uri();
            let mut words = vec!["qemu-io", "-f", "raw"];
            for line in [
                "write -P 1 0 8M",
                "write -z 1M 1M",
                "write -P 2 3000001 70000",
                "discard 4M 64k",
                "write -f -P 3 9M 4k",
                "aio_write -P 4 10M 512k",
                "aio_write -P 5 11M 512k",
                "aio_flush",
                "read -P 0 1M 1M",
                "read -P 2 3000001 70000",
                "flush",
            ] {
                words.extend(["-c", line]);
            }
            words.push(&uri);
            let said = under(&mut daemon, mode, &words);
            assert!(!said.contains("failed"), "{mode} {kind}: {said}");
            daemon.complete();
            let shown = scratch.path("shown");
            prints(&["nbdcopy", &target.uri(), &shown]);
            daemon.quit();
            drop(target);
            assert_same(&scratch, ("qcow2", "src"), ("raw", "shown"));
            if kind == "qcow2" {
                prints(&["qemu-img", "check", &scratch.path("dst")]);
            }
        }
    }
}

#[test]
fn nbdcopy_fills_and_empties_a_disk_that_is_being_mirrored() {
    if lacks(&["nbdcopy", "nbdinfo", "qemu-img", "qemu-io"]) {
        return;
    }
    for mode in MODES {
        let scratch = Scratch::new();
        let mut daemon = with_disks(&scratch, ["qcow2", "raw"], 16 * MIB);
        let noise: Vec<u8> = (0..16 * MIB)
            .map(|at| match (at / MIB) % 3 {
                0 => 0,
                _ => (at ^ (at >> 9) ^ (at >> 17)) as u8,
            })
            .collect();
        fs::write(scratch.path("in"), &noise).expect("there is space");
        let (uri, into, out) = (daemon.uri(), scratch.path("in"), scratch.path("out"));
        let words = ["nbdcopy", "--connections=4", "--flush", &into, &uri];
        under(&mut daemon, mode, &words);
        let map = prints(&["nbdinfo", "--map", &uri]);
        assert!(map.contains("hole,zero") && map.contains("data"), "{map}");
        let mut guest = Busy::start(&["nbdcopy", "--connections=4", &uri, &out]);
        daemon.complete();
        while guest.goes_on() {
            std::thread::yield_now();
        }
        guest.prints();
        assert!(fs::read(&out).expect("it is there") == noise, "{mode}");
        daemon.quit();
        assert_same(&scratch, ("qcow2", "src"), ("raw", "dst"));
        assert_same(&scratch, ("raw", "in"), ("raw", "dst"));
    }
}

#[test]
fn drive_mirror_copies_to_the_name_of_an_export_that_exists() {
    if lacks(&["qemu-io", "qemu-nbd", "qemu-img"]) {
        return;
    }
    for mode in MODES {
        let scratch = Scratch::new();
        scratch.image("qcow2", "src", 8 * MIB);
        scratch.image("raw", "dst", 8 * MIB);
        let target = Target::qemu_nbd(&scratch, "raw", "dst");
        let nodes = [image("qcow2", "src", &scratch.path("src"))];
        let mut daemon = Daemon::start(&scratch, &nodes);
        let uri = daemon.uri();
        prints(&["qemu-io", "-f", "raw", "-c", "write -P 1 1M 2M", &uri]);
        daemon.ok(
            "drive-mirror",
            json!({
                "job-id": "m", "device": "src", "target": target.uri(), "sync": "full",
                "mode": "existing", "format": "raw", "copy-mode": mode,
            }),
        );
        daemon.event("BLOCK_JOB_READY");
        prints(&["qemu-io", "-f", "raw", "-c", "write -P 2 2M 4M", &uri]);
        daemon.ok("block-job-complete", json!({"device": "m"}));
        let end = daemon.event("BLOCK_JOB_COMPLETED");
        assert!(end["data"].get("error").is_none(), "{end}");
        daemon.gone();
        prints(&["qemu-io", "-f", "raw", "-c", "read -P 2 2M 4M", &uri]);
        daemon.quit();
        drop(target);
        assert_same(&scratch, ("qcow2", "src"), ("raw", "dst"));
    }
}

#[test]
fn a_copy_that_is_kept_is_the_disk_of_one_moment_and_its_guest_stays_on_the_source() {
    if lacks(&["qemu-io", "qemu-nbd", "qemu-img"]) {
        return;
    }
    for mode in MODES {
        let scratch = Scratch::new();
        scratch.image("raw", "src", 8 * MIB);
        scratch.image("qcow2", "dst", 8 * MIB);
        let target = Target::qemu_nbd(&scratch, "qcow2", "dst");
        let nodes = [
            image("raw", "src", &scratch.path("src")),
            target.node("dst"),
        ];
        let mut daemon = Daemon::start(&scratch, &nodes);
        let uri = daemon.uri();
        let write = |line: &str| prints(&["qemu-io", "-f", "raw", "-c", line, &uri]);
        write("write -P 1 0 4M");
        daemon.mirror(json!({"copy-mode": mode}));
        daemon.event("BLOCK_JOB_READY");
        write("write -P 2 1M 4M");
        fs::copy(scratch.path("src"), scratch.path("then")).expect("there is space");
        daemon.ok("block-job-cancel", json!({"device": "m"}));
        let end = daemon.event("BLOCK_JOB_COMPLETED");
        assert!(end["data"].get("error").is_none(), "{end}");
        daemon.gone();
        write("write -P 3 2M 4M");
        let exports = daemon.ok("query-block-exports", json!({}));
        assert_eq!(exports[0]["node-name"], "src");
        daemon.quit();
        drop(target);
        assert_same(&scratch, ("raw", "then"), ("qcow2", "dst"));
    }
}
