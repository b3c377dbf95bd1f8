//! What is kept of jobs that are over, and both sides that are read back.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use crate::drive_mirror::drive;
use crate::world::World;

/// The disk `a` of 1 MiB, half of it `0x11`, in a format, with a drive on it, and a node `b` of the
/// same size.
fn disks(format: &str) -> World {
    let world = World::new();
    world.raw("a.img", 1 << 20);
    world.tool("truncate -s 1M $DIR/b.img");
    if format == "qcow2" {
        world.tool("qemu-img convert -O qcow2 $DIR/a.img $DIR/a.tmp");
        world.tool("mv $DIR/a.tmp $DIR/a.img");
        world.tool("qemu-img create -q -f qcow2 $DIR/b.img 1M");
    }
    for name in ["a", "b"] {
        world.blockdev(&format!(
            "driver={format},node-name={name},file.driver=file,file.filename=$DIR/{name}.img"
        ));
    }
    drive(&world, "guest", Some("a"));
    world
}

fn mirror(world: &World, more: &str) {
    let args = format!("{{'job-id': 'j', 'device': 'a', 'target': 'b', 'sync': 'full'{more}}}");
    world.ok("blockdev-mirror", &args);
    world.until("BLOCK_JOB_READY");
}

fn guest(world: &World, what: &str) {
    let args = format!("{{'command-line': 'qemu-io guest \"{what}\"'}}");
    let said = world.ok("human-monitor-command", &args);
    assert!(said.contains("wrote") || said.contains("discard"), "{said}");
}

/// Changes one byte of what was copied, as storage does that cannot be relied upon.
fn rot(world: &World, name: &str) {
    let path = world.path(name);
    let bytes = fs::read(&path).expect("it is there");
    let at = bytes.windows(4096).position(|bytes| bytes == [0x11; 4096]);
    let at = at.expect("it was copied") as u64 + 100;
    let file = OpenOptions::new().write(true).open(&path);
    let file = file.expect("it can be written");
    file.write_all_at(&[0x99], at).expect("it can be written");
}

fn receipts(world: &World, args: &str) -> String {
    world.ok("x-query-job-receipts", args)
}

#[test]
fn storage_that_changed_a_byte_fails_the_job_and_the_disk_stays_where_it_was() {
    for format in ["raw", "qcow2"] {
        for verb in ["block-job-complete", "block-job-cancel"] {
            let world = disks(format);
            mirror(&world, ", 'x-verify': true");
            rot(&world, "b.img");
            world.ok(verb, "{'device': 'j'}");
            world.until("BLOCK_JOB_COMPLETED");
            let told = world.events().join("\n");
            assert!(
                told.contains(
                    "'error': 'Verification failed: the target differs from the source at byte 100; of \
                     the "
                ),
                "{told}"
            );
            let kept = receipts(&world, "{}");
            for part in [
                "'outcome': 'failed'",
                "'verified': 'failed'",
                "'difference': {",
                "'offset': 100",
                "'differing-bytes': 1",
                "'error': 'Verification failed: ",
            ] {
                assert!(kept.contains(part), "{part} {kept}");
            }
            assert!(!kept.contains("last-guest-write"), "{kept}");
            let used = world.daemon.graph().find_backend("guest");
            let used = used.and_then(|guest| guest.node()).expect("it has a disk");
            assert_eq!(used.name(), "a");
            guest(&world, "write -P 0x22 0 4k");
        }
    }
}

#[test]
fn storage_that_kept_everything_passes_and_without_the_question_it_is_not_said() {
    for (more, verified) in [
        (", 'x-verify': true", "'verified': 'passed'"),
        (", 'x-verify': false", "'verified': 'not-asked'"),
        ("", "'verified': 'not-asked'"),
    ] {
        for format in ["raw", "qcow2"] {
            let world = disks(format);
            mirror(&world, more);
            guest(&world, "write -P 0x22 700k 4k");
            world.ok("block-job-complete", "{'device': 'j'}");
            world.until("BLOCK_JOB_COMPLETED");
            let kept = receipts(&world, "{}");
            assert!(kept.contains(verified), "{kept}");
            assert!(kept.contains("'outcome': 'pivoted'"), "{kept}");
        }
    }
}

#[test]
fn drive_mirror_reads_back_what_it_has_made() {
    for rots in [false, true] {
        let world = disks("qcow2");
        let args = "{'job-id': 'j', 'device': 'a', 'target': '$DIR/t.img', 'sync': 'full', \
                    'x-verify': true}";
        world.ok("drive-mirror", args);
        world.until("BLOCK_JOB_READY");
        if rots {
            rot(&world, "t.img");
        }
        world.ok("block-job-complete", "{'device': 'j'}");
        world.until("BLOCK_JOB_COMPLETED");
        let kept = receipts(&world, "{'id': 'j'}");
        let verified = if rots { "'failed'" } else { "'passed'" };
        assert!(kept.contains(&format!("'verified': {verified}")), "{kept}");
        assert!(kept.contains("'filename': '$DIR/t.img'"), "{kept}");
        assert!(
            kept.contains("{'node-name': 'a', 'filename': '$DIR/a.img'}"),
            "{kept}"
        );
    }
}

#[test]
fn a_receipt_has_the_number_of_the_guests_last_write_that_the_copy_contains() {
    let world = disks("raw");
    guest(&world, "write 0 4k");
    mirror(&world, "");
    for number in 1..4 {
        guest(&world, "write 64k 4k");
        let jobs = world.ok("query-block-jobs", "{}");
        assert!(
            jobs.contains(&format!("'x-guest-writes': {number}")),
            "{jobs}"
        );
    }
    guest(&world, "discard 128k 4k");
    world.ok("block-job-cancel", "{'device': 'j'}");
    world.until("BLOCK_JOB_COMPLETED");
    // Nobody counts any more.
    guest(&world, "write 64k 4k");
    let kept = receipts(&world, "{}");
    assert!(kept.contains("'last-guest-write': 4"), "{kept}");
    assert!(kept.contains("'guest-writes': 4"), "{kept}");
}

#[test]
fn jobs_of_one_name_leave_a_receipt_each_and_a_job_that_makes_an_image_none() {
    let world = disks("raw");
    assert_eq!(receipts(&world, "{}"), "[]");
    mirror(&world, "");
    world.ok("block-job-cancel", "{'device': 'j', 'force': true}");
    world.until("BLOCK_JOB_CANCELLED");
    world.said();
    mirror(&world, ", 'auto-dismiss': false");
    world.ok("block-job-cancel", "{'device': 'j'}");
    world.until("BLOCK_JOB_COMPLETED");
    world.until("concluded");
    // It is there before the job is dismissed, and afterwards.
    let kept = receipts(&world, "{'id': 'j'}");
    world.ok("job-dismiss", "{'id': 'j'}");
    assert_eq!(receipts(&world, "{'id': 'j'}"), kept);
    let first = kept.find("'number': 1").expect("the first");
    let second = kept.find("'number': 2").expect("the second");
    assert!(first < second, "{kept}");
    let ends = ("'outcome': 'abandoned'", "'outcome': 'point-in-time'");
    let (abandoned, copy) = (kept.find(ends.0), kept.find(ends.1));
    assert!(abandoned.is_some() && abandoned < copy, "{kept}");
    world.ok(
        "blockdev-create",
        "{'job-id': 'c', 'options': {'driver': 'file', 'filename': '$DIR/new', 'size': 1048576}}",
    );
    world.ctx.poll_while(|| world.status("c") != "concluded");
    assert_eq!(receipts(&world, "{}"), kept);
    assert_eq!(receipts(&world, "{'id': 'c'}"), "[]");
    assert_eq!(
        world.refused("x-query-job-receipts", "{'job': 'c'}"),
        "Parameter 'job' is unexpected"
    );
}

#[test]
fn how_far_the_comparison_is_can_be_asked_and_a_forced_cancel_ends_it() {
    let world = disks("raw");
    world.tool("truncate -s 1M $DIR/c.img");
    world.blockdev("driver=blkdebug,node-name=c,image.driver=file,image.filename=$DIR/c.img");
    let args = "{'job-id': 'j', 'device': 'a', 'target': 'c', 'sync': 'full', 'x-verify': true}";
    world.ok("blockdev-mirror", args);
    world.until("BLOCK_JOB_READY");
    let before = world.ok("query-block-jobs", "{}");
    assert!(!before.contains("x-verifying"), "{before}");
    let monitor = |line: &str| {
        let args = format!("{{'command-line': 'qemu-io c \"{line}\"'}}");
        assert_eq!(world.ok("human-monitor-command", &args), "''");
    };
    monitor("break read_aio A");
    world.ok("block-job-complete", "{'device': 'j'}");
    // The half that is a hole on both sides needs no read.
    let half = "'x-verifying': {'verified-bytes': 524288, 'len': 1048576}";
    let mut jobs = String::new();
    world.ctx.poll_while(|| {
        jobs = world.ok("query-block-jobs", "{}");
        !jobs.contains(half) && jobs != "[]"
    });
    let explained = world.ok("x-job-explain", "{'id': 'j'}");
    world.ok("block-job-cancel", "{'device': 'j', 'force': true}");
    monitor("resume A");
    world.until("BLOCK_JOB_CANCELLED");
    // Not before: a daemon in which a request is held does not end.
    assert!(jobs.contains(half), "{jobs}");
    assert!(explained.contains("It is verifying, 50 %: "), "{explained}");
    let kept = receipts(&world, "{}");
    assert!(kept.contains("'outcome': 'abandoned'"), "{kept}");
    assert!(!kept.contains("last-guest-write"), "{kept}");
    guest(&world, "write -P 0x22 0 4k");
}
