//! What cannot be done, and the end.

use super::guest::Guest;
use super::world::{is_empty, refused, set_iothread, source_and_target, two_exports};

#[test]
fn the_daemon_ends_with_all_of_it_running() {
    for round in 0..4 {
        let mut server = source_and_target();
        let mut guest = Guest::new(&server, "disk");
        guest.work(5, |_| {});
        server.ok(
            "blockdev-mirror",
            "{'job-id': 'm', 'device': 'src', 'target': 'dst', 'sync': 'full', 'speed': 1048576}",
        );
        set_iothread(&mut server, "dst", ["iot0", "iot1", "null"][round % 3]);
        guest.send();
        server.ok("quit", "{}");
        for text in ["BLOCK_EXPORT_DELETED", "BLOCK_JOB_CANCELLED", "\"null\""] {
            assert!(server.has_said(text), "{text} before quit returns");
        }
        server.has_quit();
    }
}

#[test]
fn a_signal_ends_it_as_well() {
    let mut server = source_and_target();
    let mut guest = Guest::new(&server, "disk");
    server.ok(
        "blockdev-mirror",
        "{'job-id': 'm', 'device': 'src', 'target': 'dst', 'sync': 'full', 'speed': 1048576}",
    );
    guest.send();
    server.terminate();
    server.wait_for("BLOCK_EXPORT_DELETED");
    server.wait_for("BLOCK_JOB_CANCELLED");
    server.has_quit();
}

/// An export was asked to end where it had been, and went on for ever where it had moved to.
#[test]
fn a_signal_ends_it_while_clients_move_what_is_exported() {
    for round in 0..8 {
        let mut server = two_exports();
        let moves = [
            ("one", "iot1"),
            ("two", "iot0"),
            ("one", "iot0"),
            ("two", "iot1"),
        ];
        let requests = moves.map(|(node, to)| {
            let args = format!("{{'node-name': '{node}', 'iothread': '{to}', 'force': true}}");
            format!("{{'execute': 'x-blockdev-set-iothread', 'arguments': {args}}}")
        });
        server.terminate_amid(&requests.concat(), 20 + round);
        server.has_quit();
    }
}

#[test]
fn a_throttle_group_outlives_the_thread_that_it_was_in() {
    let mut server = two_exports();
    server.ok(
        "object-add",
        "{'qom-type': 'throttle-group', 'id': 'tg', 'limits': {'iops-total': 7}}",
    );
    let member = "{'driver': 'throttle', 'node-name': 'member', 'throttle-group': 'tg', \
                  'file': {'driver': 'null-co', 'node-name': 'nothing', 'size': 4096}}";
    server.ok("blockdev-add", member);
    set_iothread(&mut server, "member", "iot0");
    set_iothread(&mut server, "one", "null");
    server.ok("blockdev-del", "{'node-name': 'member'}");
    server.ok("object-del", "{'id': 'iot0'}");
    server.ok("blockdev-add", member);
    let taken = refused(&mut server, "object-del", "{'id': 'tg'}");
    assert!(taken.contains("in use"), "{taken}");
    server.quit();
}

#[test]
fn a_thread_in_which_something_lives_is_not_given_up() {
    let mut server = two_exports();
    let in_use = refused(&mut server, "object-del", "{'id': 'iot0'}");
    assert_eq!(in_use, "object 'iot0' is in use, can not be deleted");
    set_iothread(&mut server, "one", "null");
    server.ok("object-del", "{'id': 'iot0'}");
    let gone = refused(&mut server, "object-del", "{'id': 'iot0'}");
    assert_eq!(gone, "object 'iot0' not found");
    let mut guest = Guest::new(&server, "one");
    guest.work(5, |_| {});
    server.ok("object-add", "{'qom-type': 'iothread', 'id': 'iot0'}");
    set_iothread(&mut server, "one", "iot0");
    guest.work(60, |_| {});
    guest.check();
    server.quit();
}

#[test]
fn a_job_without_nodes_is_not_of_any_thread() {
    let mut server = two_exports();
    server.ok(
        "blockdev-create",
        "{'job-id': 'c', 'options': {'driver': 'file', 'filename': '$DIR/new', 'size': 4096}}",
    );
    server.wait_for("\"status\": \"concluded\"");
    server.ok("job-dismiss", "{'id': 'c'}");
    // Where its node is that the image is made in.
    server.ok("nbd-server-stop", "{}");
    server.ok(
        "blockdev-create",
        "{'job-id': 'c', 'options': {'driver': 'qcow2', 'file': 'one', 'size': 1048576}}",
    );
    server.wait_for("\"status\": \"concluded\"");
    let jobs = server.ok("query-jobs", "{}");
    assert!(!jobs.contains("error"), "{jobs}");
    server.ok("job-dismiss", "{'id': 'c'}");
    server.ok("blockdev-del", "{'node-name': 'one'}");
    assert!(is_empty(&mut server, "iot0"));
    server.quit();
}

#[test]
fn guests_of_all_threads_stop_and_go_on() {
    let mut server = two_exports();
    let mut guest = Guest::new(&server, "one");
    guest.send();
    server.ok("stop", "{}");
    server.ok("cont", "{}");
    guest.work(60, |_| {});
    guest.check();
    server.ok("block-export-del", "{'id': 'e2'}");
    server.ok("block_resize", "{'node-name': 'two', 'size': 8388608}");
    let nodes = server.ok("query-named-block-nodes", "{'flat': true}");
    assert!(nodes.contains("\"virtual-size\": 8388608"), "{nodes}");
    server.quit();
}
