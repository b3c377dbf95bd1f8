//! Mirrors of nodes that live in I/O threads.

use std::fs;
use std::path::Path;

use super::guest::Guest;
use super::server::{Server, lacks, prints};
use super::world::{THREADS, is_empty, refused, set_iothread, source_and_target};

const PLACES: [&str; 3] = ["iot1", "null", "iot0"];

fn mirror(server: &mut Server, more: &str) {
    let args = format!("{{'job-id': 'm', 'device': 'src', 'target': 'dst', 'sync': 'full'{more}}}");
    server.ok("blockdev-mirror", &args);
}

fn is_ready(server: &mut Server) -> bool {
    let jobs = server.ok("query-block-jobs", "{}");
    assert!(jobs.contains("\"device\": \"m\""), "{jobs}");
    jobs.contains("\"ready\": true")
}

/// Has the mirror end, with the guest on the copy.
fn pivot(server: &mut Server) {
    server.ok("job-complete", "{'id': 'm'}");
    server.wait_for("\"status\": \"null\"");
    let exports = server.ok("query-block-exports", "{}");
    assert!(exports.contains("\"node-name\": \"dst\""), "{exports}");
}

/// What the guest had written when it was flushed last is in the file.
fn files_are_equal(server: &Server) {
    let read = |name: &str| fs::read(server.path(name)).expect("it is there");
    assert!(read("src") == read("dst"));
}

#[test]
fn the_target_comes_to_where_the_source_is_and_the_guest_ends_up_on_it() {
    for more in ["", ", 'copy-mode': 'write-blocking'"] {
        let mut server = source_and_target();
        let mut guest = Guest::new(&server, "disk");
        guest.work(20, |_| {});
        mirror(&mut server, more);
        while !is_ready(&mut server) {
            guest.work(1, |_| {});
        }
        guest.work(20, |_| {});
        pivot(&mut server);
        guest.work(20, |_| {});
        guest.check();
        let receipts = server.ok("x-query-job-receipts", "{}");
        assert!(receipts.contains("\"outcome\": \"pivoted\""), "{receipts}");
        assert!(receipts.contains("/src\""), "{receipts}");
        server.ok("blockdev-del", "{'node-name': 'src'}");
        assert!(!is_empty(&mut server, "iot0"), "the copy is there");
        server.quit();
    }
}

#[test]
fn a_source_in_main_brings_its_target_back_from_a_thread() {
    let mut server = source_and_target();
    set_iothread(&mut server, "dst", "iot1");
    set_iothread(&mut server, "src", "null");
    mirror(&mut server, "");
    assert!(is_empty(&mut server, "iot1"), "the target has come");
    while !is_ready(&mut server) {}
    pivot(&mut server);
    server.quit();
}

#[test]
fn a_mirror_moves_with_its_disks_under_a_guest_and_loses_nothing() {
    for more in ["", ", 'copy-mode': 'write-blocking'"] {
        let mut server = source_and_target();
        let mut guest = Guest::new(&server, "disk");
        guest.work(10, |_| {});
        // Slow enough to be found at work by some of the moves.
        mirror(&mut server, &format!("{more}, 'speed': 16777216"));
        guest.work(60, |round| {
            let by = ["src", "dst"][round % 2];
            set_iothread(&mut server, by, PLACES[round % 3]);
        });
        server.ok("block-job-set-speed", "{'device': 'm', 'speed': 0}");
        while !is_ready(&mut server) {
            guest.work(1, |_| {});
        }
        guest.work(60, |round| {
            set_iothread(&mut server, "dst", PLACES[round % 3]);
        });
        pivot(&mut server);
        guest.work(20, |_| {});
        guest.check();
        let receipts = server.ok("x-query-job-receipts", "{}");
        assert!(receipts.contains("\"outcome\": \"pivoted\""), "{receipts}");
        assert_eq!(receipts.matches("\"number\"").count(), 1, "{receipts}");
        server.quit();
    }
}

#[test]
fn a_mirror_that_is_ended_when_it_has_moved_leaves_a_copy() {
    let mut server = source_and_target();
    let mut guest = Guest::new(&server, "disk");
    mirror(&mut server, "");
    guest.work(30, |round| {
        set_iothread(&mut server, "src", PLACES[round % 3])
    });
    while !is_ready(&mut server) {}
    guest.flush();
    set_iothread(&mut server, "src", "iot1");
    server.ok("block-job-cancel", "{'device': 'm'}");
    server.wait_for("\"status\": \"null\"");
    files_are_equal(&server);
    guest.check();
    server.quit();
}

/// Two images without data above bases that differ, the first of them exported in the first thread.
fn images_above_bases() -> Server {
    let prepare = |folder: &Path| {
        for (base, image, byte) in [("base", "top", 0x5a), ("likeness", "copy", 0xa5)] {
            let base = folder.join(base);
            fs::write(&base, vec![byte; 1 << 20]).expect("it is new");
            let image = folder.join(image);
            let (base, image) = (base.to_str().unwrap(), image.to_str().unwrap());
            let create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b"];
            prints(&[&create[..], &[base, image]].concat());
        }
    };
    let options = "--blockdev driver=file,node-name=f,filename=$DIR/top \
         --blockdev driver=qcow2,node-name=src,file=f \
         --export type=nbd,id=e0,node-name=src,name=disk,writable=on,iothread=iot0";
    Server::start(prepare, &format!("{THREADS}{options}"))
}

#[test]
fn a_mirror_opens_what_its_target_is_above_in_the_thread_to_which_it_has_moved() {
    if lacks("qemu-img") {
        return;
    }
    for (from, to) in [("iot0", "iot1"), ("iot0", "null"), ("null", "iot1")] {
        let mut server = images_above_bases();
        set_iothread(&mut server, "src", from);
        let args = "{'job-id': 'm', 'device': 'src', 'target': '$DIR/copy', 'mode': 'existing', \
             'format': 'qcow2', 'sync': 'top', 'node-name': 'dst', 'speed': 1}";
        server.ok("drive-mirror", args);
        set_iothread(&mut server, "src", to);
        server.ok("block-job-set-speed", "{'device': 'm', 'speed': 0}");
        while !is_ready(&mut server) {}
        pivot(&mut server);
        let nodes = server.ok("query-named-block-nodes", "{}");
        assert!(nodes.contains("/likeness\""), "{nodes}");
        // What was never written is read from what the target is above now, and that is in one
        // thread with it.
        let mut client = server.client("disk");
        assert_eq!(client.read(0, 512), vec![0xa5; 512]);
        set_iothread(&mut server, "dst", "iot0");
        assert_eq!(client.read(4096, 512), vec![0xa5; 512]);
        drop(client);
        server.quit();
    }
}

#[test]
fn events_of_a_job_keep_their_order_over_moves() {
    let mut server = source_and_target();
    mirror(
        &mut server,
        ", 'auto-finalize': false, 'auto-dismiss': false",
    );
    for place in PLACES {
        set_iothread(&mut server, "src", place);
    }
    server.wait_for("\"status\": \"ready\"");
    set_iothread(&mut server, "src", "iot1");
    server.ok("job-pause", "{'id': 'm'}");
    set_iothread(&mut server, "src", "null");
    server.ok("job-resume", "{'id': 'm'}");
    server.ok("job-complete", "{'id': 'm'}");
    server.wait_for("BLOCK_JOB_PENDING");
    server.ok("job-finalize", "{'id': 'm'}");
    server.wait_for("BLOCK_JOB_COMPLETED");
    server.wait_for("\"status\": \"concluded\"");
    server.ok("job-dismiss", "{'id': 'm'}");
    // Before the reply.
    assert!(server.has_said("\"status\": \"null\""));
    server.quit();
}

#[test]
fn jobs_are_found_wherever_they_are() {
    let mut server = source_and_target();
    mirror(&mut server, "");
    server.wait_for("BLOCK_JOB_READY");
    let args = "{'job-id': 'm', 'device': 'nobody', 'target': 'dst', 'sync': 'full'}";
    assert_eq!(
        refused(&mut server, "blockdev-mirror", args),
        "Cannot find device='nobody' nor node-name='nobody'"
    );
    server.ok(
        "blockdev-add",
        "{'driver': 'null-co', 'node-name': 'n', 'size': 4096}",
    );
    server.ok(
        "blockdev-add",
        "{'driver': 'null-co', 'node-name': 'o', 'size': 4096}",
    );
    let args = "{'job-id': 'm', 'device': 'n', 'target': 'o', 'sync': 'full'}";
    assert_eq!(
        refused(&mut server, "blockdev-mirror", args),
        "Job ID 'm' already in use"
    );
    let args = args.replace("'m'", "'later'");
    server.ok("blockdev-mirror", &args);
    let jobs = server.ok("query-jobs", "{}");
    assert!(jobs.find("later") < jobs.find("\"m\""), "{jobs}");
    let all = server.ok("x-job-explain-all", "{}");
    assert!(all.find("later") < all.find("\"m\""), "{all}");
    let one = server.ok("x-job-explain", "{'id': 'm'}");
    assert!(one.contains("m: mirror, ready"), "{one}");
    let nobody = refused(&mut server, "x-job-explain", "{'id': 'x'}");
    assert_eq!(nobody, "Job 'x' not found: there are 'later', 'm'");
    let line = "{'command-line': 'info block-jobs'}";
    let people = server.ok("human-monitor-command", line);
    assert!(people.contains("device m: Completed"), "{people}");
    let line = "{'command-line': 'block_job_cancel m'}";
    assert_eq!(server.ok("human-monitor-command", line), "\"\"");
    server.wait_for("BLOCK_JOB_COMPLETED");
    server.quit();
}

#[test]
fn people_are_guests_of_disks_in_threads() {
    let mut server = source_and_target();
    let mut say = |line: &str| {
        let args = format!("{{'command-line': 'qemu-io src \\\"{line}\\\"'}}");
        server.ok("human-monitor-command", &args)
    };
    assert!(say("write -P 7 0 64k").contains("wrote 65536/65536"));
    assert!(say("read -P 7 0 64k").contains("read 65536/65536"));
    assert!(say("read -P 8 0 64k").contains("Pattern verification failed"));
    let line = "{'command-line': 'info block -n src'}";
    let info = server.ok("human-monitor-command", line);
    assert!(info.contains("src: "), "{info}");
    server.quit();
}
