//! Exports that are served in I/O threads.

use super::server::{Server, lacks, prints};
use super::world::{MIB, is_empty, refused, set_iothread, two_exports};

#[test]
fn clients_find_the_exports_of_all_threads_by_one_address() {
    if lacks("nbdinfo") {
        return;
    }
    let server = two_exports();
    let list = prints(&["nbdinfo", "--list", "--json", &server.uri("")]);
    let (one, two) = list.split_once("\"two\"").expect("both are listed");
    assert!(one.contains("\"one\""), "the oldest first: {list}");
    for part in [one, two] {
        assert!(part.contains("\"export-size\": 4194304"), "{list}");
        assert!(part.contains("\"can_multi_conn\": true"), "{list}");
    }
    server.quit();
}

#[test]
fn several_connections_of_an_export_in_a_thread_see_the_same_disk() {
    let server = two_exports();
    let (mut first, mut second) = (server.client("one"), server.client("one"));
    let mut other = server.client("two");
    assert_eq!(first.write(0, 0, &[1; 65536]).error, 0);
    assert_eq!(second.read(0, 65536), [1; 65536]);
    assert_eq!(other.read(0, 65536), [0; 65536]);
    assert_eq!(first.size, 4 * MIB);
    server.quit();
}

#[test]
fn nbdcopy_copies_from_one_thread_to_the_other_over_several_connections() {
    if lacks("nbdcopy") {
        return;
    }
    let server = two_exports();
    let noise: Vec<u8> = (0..4 * MIB).map(|at| (at ^ (at >> 9)) as u8).collect();
    std::fs::write(server.path("in"), &noise).expect("there is space");
    let path = server.path("in").to_str().expect("it is text").to_owned();
    let (one, two) = (server.uri("one"), server.uri("two"));
    prints(&["nbdcopy", "--connections=4", &path, &one]);
    prints(&["nbdcopy", "--connections=4", "--flush", &one, &two]);
    let copied = std::fs::read(server.path("two")).expect("it is there");
    assert!(copied == noise);
    server.quit();
}

#[test]
fn an_export_in_a_thread_ends_as_any_other() {
    let mut server = two_exports();
    let mut guest = server.client("one");
    assert_eq!(guest.write(0, 0, b"x").error, 0);
    let in_use = refused(&mut server, "block-export-del", "{'id': 'e1'}");
    assert_eq!(in_use, "export 'e1' still in use");
    server.ok("block-export-del", "{'id': 'e1', 'mode': 'hard'}");
    server.wait_for("\"id\": \"e1\"");
    assert!(guest.has_ended());
    let exports = server.ok("query-block-exports", "{}");
    assert!(
        exports.contains("e2") && !exports.contains("e1"),
        "{exports}"
    );
    // It stays where it was when the export goes.
    assert!(!is_empty(&mut server, "iot0"));
    server.ok("blockdev-del", "{'node-name': 'one'}");
    assert!(is_empty(&mut server, "iot0"));
    server.quit();
}

#[test]
fn the_server_ends_with_the_exports_of_all_threads_and_says_so_before_it_returns() {
    let mut server = two_exports();
    let (mut one, mut two) = (server.client("one"), server.client("two"));
    server.ok("nbd-server-stop", "{}");
    for id in ["e1", "e2"] {
        assert!(server.has_said(&format!("\"id\": \"{id}\"")), "{id}");
    }
    assert!(one.has_ended() && two.has_ended());
    assert_eq!(server.ok("query-block-exports", "{}"), "[]");
    server.ok(
        "nbd-server-start",
        "{'addr': {'type': 'unix', 'data': {'path': '$DIR/nbd'}}}",
    );
    server.ok(
        "block-export-add",
        "{'type': 'nbd', 'id': 'e1', 'node-name': 'one'}",
    );
    assert_eq!(server.client("one").read(0, 1), [0]);
    server.quit();
}

#[test]
fn names_of_exports_are_unique_over_all_threads() {
    let mut server = two_exports();
    let again = "{'type': 'nbd', 'id': 'e1', 'node-name': 'two'}";
    let taken = refused(&mut server, "block-export-add", again);
    assert_eq!(taken, "Block export id 'e1' is already in use");
    let again = "{'type': 'nbd', 'id': 'e3', 'node-name': 'two', 'name': 'one'}";
    let taken = refused(&mut server, "block-export-add", again);
    assert_eq!(taken, "NBD server already has export named 'one'");
    server.quit();
}

#[test]
fn all_exports_are_listed_the_newest_first_wherever_they_are() {
    let mut server = two_exports();
    for (id, node) in [("e3", "one"), ("e4", "two")] {
        let args =
            format!("{{'type': 'nbd', 'id': '{id}', 'name': '{id}', 'node-name': '{node}'}}");
        server.ok("block-export-add", &args);
    }
    set_iothread(&mut server, "one", "null");
    let exports = server.ok("query-block-exports", "{}");
    let places = ["e4", "e3", "e2", "e1"].map(|id| exports.find(&format!("\"{id}\"")));
    assert!(places.iter().all(Option::is_some), "{exports}");
    assert!(places.is_sorted(), "{exports}");
    server.quit();
}

#[test]
fn a_limit_of_connections_holds_over_all_threads() {
    let mut server = two_exports();
    server.ok("nbd-server-stop", "{}");
    server.ok(
        "nbd-server-start",
        "{'addr': {'type': 'unix', 'data': {'path': '$DIR/nbd'}}, 'max-connections': 1}",
    );
    for (id, name) in [("e1", "one"), ("e2", "two")] {
        let args = format!("{{'type': 'nbd', 'id': '{id}', 'node-name': '{name}'}}");
        server.ok("block-export-add", &args);
    }
    let mut one = server.client("one");
    assert_eq!(one.read(0, 1), [0]);
    let two = server.connect();
    two.set_nonblocking(true).expect("it is a socket");
    for _ in 0..50 {
        // Each command is a turn of the event loop in which it could be let in.
        server.ok("query-block-exports", "{}");
        let mut first = [0];
        let read = std::io::Read::read(&mut &two, &mut first);
        let kind = read.expect_err("it is not greeted").kind();
        assert_eq!(kind, std::io::ErrorKind::WouldBlock);
    }
    drop(one);
    two.set_nonblocking(false).expect("it is a socket");
    assert_eq!(super::client::Client::new(two, "two").read(0, 1), [0]);
    server.quit();
}

#[test]
fn an_export_that_must_stay_keeps_its_node_from_going_and_one_that_need_not_is_served_there() {
    let mut server = Server::start(
        |_| {},
        &format!(
            "{}--blockdev driver=null-co,node-name=n,size=4096 \
             --export type=nbd,id=e1,name=e1,node-name=n,iothread=iot0,fixed-iothread=on",
            super::world::THREADS
        ),
    );
    let active = "Cannot change iothread of active block backend";
    let away = "{'node-name': 'n', 'iothread': 'iot1', 'force': true}";
    assert_eq!(
        refused(&mut server, "x-blockdev-set-iothread", away),
        active
    );
    let fixed = "{'type': 'nbd', 'id': 'e2', 'name': 'e2', 'node-name': 'n', 'iothread': 'iot1', \
                 'fixed-iothread': true}";
    assert_eq!(refused(&mut server, "block-export-add", fixed), active);
    let free = "{'type': 'nbd', 'id': 'e2', 'name': 'e2', 'node-name': 'n', 'iothread': 'iot1'}";
    server.ok("block-export-add", free);
    assert_eq!(server.client("e2").size, 4096);
    assert!(is_empty(&mut server, "iot1"), "it is where the node is");
    assert!(!is_empty(&mut server, "iot0"));
    server.quit();
}
