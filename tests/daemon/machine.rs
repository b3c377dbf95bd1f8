//! A daemon with named drives stands for a machine: it runs, stops, and says when it ends.

use blockjob::block::error_policy::IoOperation;
use blockjob::daemon::drive_device;

use crate::drive_mirror::drive;
use crate::world::World;

const ENOSPC: i32 = 28;

fn machine() -> World {
    let world = World::new();
    world.raw("a", 1 << 20);
    world.blockdev("driver=raw,node-name=a,file.driver=file,file.filename=$DIR/a");
    drive(&world, "d", Some("a"));
    world
}

#[test]
fn guests_stop_and_go_on_and_everybody_hears_of_it_once() {
    let world = machine();
    let status = |status: &str| {
        let running = status == "running";
        assert_eq!(
            world.ok("query-status", "{}"),
            format!("{{'status': '{status}', 'running': {running}}}")
        );
        world.said();
    };
    status("running");
    world.ok("cont", "{}");
    assert_eq!(world.said(), "return");
    world.ok("stop", "{}");
    world.ok("stop", "{}");
    assert_eq!(world.said(), "STOP, return, return");
    status("paused");
    world.ok("cont", "{}");
    assert_eq!(world.said(), "RESUME, return");
    status("running");
}

#[test]
fn a_write_that_finds_the_disk_full_stops_the_guest() {
    let world = machine();
    let found = world.daemon.graph().find_backend("d").expect("it is there");
    drive_device::attach(&world.daemon, &found);
    let io_status = |expected: &str| {
        let drives = world.ok("query-block", "{}");
        let shown = drives.contains(&format!("'io-status': '{expected}'"));
        assert!(shown, "{drives}");
        world.said();
    };
    io_status("ok");
    world.events();
    found.error_action(IoOperation::Write, ENOSPC);
    world.until("STOP");
    assert_eq!(world.said(), "BLOCK_IO_ERROR, STOP");
    assert_eq!(
        world.events()[0],
        "BLOCK_IO_ERROR {'device': 'd', 'nospace': true, 'node-name': 'a', 'qom-path': '', \
         'reason': 'No space left on device', 'operation': 'write', 'action': 'stop'}"
    );
    io_status("nospace");
    let status = world.ok("query-status", "{}");
    assert_eq!(status, "{'status': 'io-error', 'running': false}");
    world.said();
    // A read reports by itself, and stops nobody.
    found.error_action(IoOperation::Read, ENOSPC);
    assert_eq!(world.said(), "BLOCK_IO_ERROR");
    world.ok("cont", "{}");
    assert_eq!(world.said(), "RESUME, return");
    io_status("ok");
}

#[test]
fn the_end_of_a_machine_is_told_before_that_of_its_jobs() {
    let world = machine();
    world.ok(
        "drive-mirror",
        "{'device': 'd', 'target': '$DIR/t', 'sync': 'full'}",
    );
    world.until("BLOCK_JOB_READY");
    world.said();
    world.events();
    world.ok("quit", "{}");
    assert_eq!(
        world.said(),
        "SHUTDOWN, standby, ready, aborting, BLOCK_JOB_CANCELLED, concluded, null, return"
    );
    let shutdown = "SHUTDOWN {'guest': false, 'reason': 'host-qmp-quit'}";
    assert_eq!(world.events()[0], shutdown);
}

#[test]
fn a_drive_is_shown_without_what_jobs_have_put_there() {
    let world = machine();
    drive(&world, "empty", None);
    world.ok(
        "drive-mirror",
        "{'device': 'd', 'target': '$DIR/t', 'sync': 'full'}",
    );
    world.until("BLOCK_JOB_READY");
    let drives = world.ok("query-block", "{}");
    assert!(!drives.contains("mirror_top"), "{drives}");
    assert!(drives.contains("'node-name': 'a'"), "{drives}");
    assert!(
        drives.ends_with(
            "{'device': 'empty', 'locked': false, 'removable': true, 'type': 'unknown'}]"
        ),
        "{drives}"
    );
    let stats = world.ok("query-blockstats", "{}");
    assert!(stats.starts_with("[{'device': 'd', 'parent': {"), "{stats}");
    assert!(stats.contains("'node-name': 'a'"), "{stats}");
}

#[test]
fn a_request_by_hand_that_fails_is_one_of_the_guest() {
    let world = World::new();
    world.raw("a", 1 << 20);
    world.blockdev(
        "driver=raw,node-name=a,file.driver=blkdebug,file.image.driver=file,\
         file.image.filename=$DIR/a,file.inject-error.0.event=none,\
         file.inject-error.0.iotype=write,file.inject-error.0.errno=28",
    );
    drive(&world, "d", Some("a"));
    let found = world.daemon.graph().find_backend("d").expect("it is there");
    drive_device::attach(&world.daemon, &found);
    let typed = world.ok(
        "human-monitor-command",
        "{'command-line': 'qemu-io d \"write 0 64k\"'}",
    );
    assert!(typed.contains("No space left on device"), "{typed}");
    world.until("STOP");
    assert_eq!(world.said(), "BLOCK_IO_ERROR, return, STOP");
    // No device would send this.
    world.ok(
        "human-monitor-command",
        "{'command-line': 'qemu-io d \"write 1M 64k\"'}",
    );
    assert_eq!(world.said(), "return");
}
