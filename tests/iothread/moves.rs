//! Nodes that go from thread to thread under their guests.

use std::io::Write;

use blockjob::block::nbd::proto::cmd;

use super::guest::Guest;
use super::server::{command, lacks, prints};
use super::world::{is_empty, refused, set_iothread, two_exports};

const PLACES: [&str; 3] = ["iot1", "null", "iot0"];

#[test]
fn a_guest_with_requests_under_way_does_not_notice_that_its_disk_moves() {
    let mut server = two_exports();
    let (mut one, mut two) = (Guest::new(&server, "one"), Guest::new(&server, "two"));
    for round in 0..200 {
        one.send();
        two.send();
        set_iothread(&mut server, "one", PLACES[round % 3]);
        set_iothread(&mut server, "two", PLACES[round / 2 % 3]);
        one.take(13);
        two.take(11);
    }
    for guest in [&mut one, &mut two] {
        guest.check();
        guest.flush();
    }
    server.quit();
}

#[test]
fn a_request_of_which_half_has_come_goes_along() {
    let mut server = two_exports();
    let mut guest = server.client("one");
    // Short ones wait in the inbox, long ones in a buffer of their own.
    for len in [100, 5000, 100_000] {
        let data: Vec<u8> = (0..len).map(|at| (at ^ (at >> 7)) as u8).collect();
        let cookie = guest.send(cmd::WRITE, 0, 512, len);
        let (first, second) = data.split_at(data.len() / 2);
        guest.stream.write_all(first).expect("it listens");
        // It has been read, for what was sent before it has been answered.
        set_iothread(&mut server, "one", "iot1");
        guest.stream.write_all(&second[..1]).expect("it listens");
        set_iothread(&mut server, "one", "null");
        guest.stream.write_all(&second[1..]).expect("it listens");
        let reply = guest.reply(None);
        assert_eq!((reply.cookie, reply.error), (cookie, 0));
        assert_eq!(guest.read(512, len), data);
    }
    server.quit();
}

#[test]
fn replies_that_a_guest_has_not_taken_go_along() {
    let mut server = two_exports();
    let mut guest = server.client("one");
    let data: Vec<u8> = (0..1_u32 << 20).map(|at| (at ^ (at >> 9)) as u8).collect();
    assert_eq!(guest.write(0, 0, &data).error, 0);
    // Far more than a socket holds.
    let mut waiting: Vec<u64> = (0..64)
        .map(|_| guest.send(cmd::READ, 0, 0, 1 << 20))
        .collect();
    for place in PLACES {
        set_iothread(&mut server, "one", place);
    }
    while !waiting.is_empty() {
        let reply = guest.reply(None);
        assert_eq!(reply.error, 0);
        let place = waiting.iter().position(|cookie| *cookie == reply.cookie);
        waiting.swap_remove(place.expect("each is answered once"));
        let [(0, Some(read), _)] = &*reply.pieces else {
            panic!("{} pieces", reply.pieces.len());
        };
        assert!(*read == data);
    }
    server.quit();
}

#[test]
fn a_client_that_comes_while_its_export_moves_is_let_in() {
    let mut server = two_exports();
    for round in 0..60 {
        let mut socket = server.connect();
        super::client::greet(&mut socket);
        set_iothread(&mut server, "one", PLACES[round % 3]);
        let list = super::client::option(&mut socket, blockjob::block::nbd::proto::opt::LIST, b"");
        assert_eq!(list.len(), 3, "two exports, and the end");
        // And one whose whole handshake meets a move.
        let path = server.path("nbd");
        #[allow(clippy::disallowed_methods)] // The client has to be beside the move.
        let client = std::thread::spawn(move || {
            let socket = std::os::unix::net::UnixStream::connect(path).expect("it listens");
            super::client::Client::new(socket, "one").read(0, 512)
        });
        for place in PLACES {
            set_iothread(&mut server, "one", place);
        }
        let read = client.join().expect("it is let in");
        assert_eq!(read, [0; 512]);
    }
    server.quit();
}

#[test]
fn fio_finds_every_block_as_it_has_written_it_while_the_disks_move() {
    if lacks("fio") {
        return;
    }
    let mut server = two_exports();
    let mut guests: Vec<_> = ["one", "two"]
        .map(|export| {
            let mut fio = command(&["fio", "--name=verify", "--ioengine=nbd"]);
            fio.arg(format!("--uri={}", server.uri(export)));
            fio.args(["--rw=randwrite", "--bsrange=512-64k", "--iodepth=16"]);
            fio.args([
                "--size=4M",
                "--loops=4",
                "--verify=crc32c",
                "--verify_fatal=1",
                "--verify_state_save=0",
            ]);
            fio.args(["--randseed=7", "--output-format=terse"]);
            fio.stdout(std::process::Stdio::piped());
            fio.spawn().expect("fio is there")
        })
        .into();
    let mut moves = 0;
    let over = |guests: &mut Vec<std::process::Child>| {
        let ended = |guest: &mut std::process::Child| guest.try_wait().expect("ours").is_some();
        guests.iter_mut().all(ended)
    };
    while !over(&mut guests) {
        set_iothread(&mut server, "one", PLACES[moves % 3]);
        set_iothread(&mut server, "two", PLACES[(moves + 1) % 3]);
        moves += 1;
    }
    for guest in guests {
        let output = guest.wait_with_output().expect("it is our child");
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !out.contains("verify:"), "{out}");
        let fields: Vec<&str> = out.trim().lines().last().unwrap_or("").split(';').collect();
        assert_ne!(
            fields.get(5),
            Some(&"0"),
            "it has read what it has written: {out}"
        );
    }
    assert!(moves > 10, "they were at rest: {moves}");
    server.quit();
}

#[test]
fn what_is_connected_goes_together_and_keeps_its_names_and_facts() {
    let mut server = super::server::Server::start(
        |folder| {
            let path = |name: &str| folder.join(name).to_str().expect("it is text").to_owned();
            prints(&["qemu-img", "create", "-f", "qcow2", &path("base"), "4M"]);
            let create = [
                "qemu-img", "create", "-f", "qcow2", "-F", "qcow2", "-b", "base",
            ];
            prints(&[&create[..], &[&path("top")]].concat());
        },
        &format!(
            "{}--blockdev driver=qcow2,node-name=top,discard=unmap,file.driver=file,\
             file.node-name=file,file.filename=$DIR/top \
             --export type=nbd,id=e,node-name=top,writable=on",
            super::world::THREADS
        ),
    );
    let mut guest = Guest::new(&server, "top");
    let before = server.ok("query-named-block-nodes", "{'flat': true}");
    let names = |text: &str| {
        let parts = text.split("\"node-name\": \"").skip(1);
        parts
            .map(|part| part.split('"').next().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&before).len(), 4, "{before}");
    for place in ["iot0", "iot1", "null", "iot1"] {
        guest.work(3, |_| {});
        // By its lowest node.
        set_iothread(&mut server, "file", place);
        let after = server.ok("query-named-block-nodes", "{'flat': true}");
        assert_eq!(names(&after), names(&before));
        for thread in ["iot0", "iot1"] {
            assert_eq!(is_empty(&mut server, thread), thread != place);
        }
    }
    guest.work(40, |_| {});
    guest.check();
    drop(guest);
    let taken = refused(
        &mut server,
        "blockdev-add",
        "{'driver': 'null-co', 'node-name': 'top'}",
    );
    assert_eq!(taken, "Duplicate nodes with node-name='top'");
    server.ok("block-export-del", "{'id': 'e', 'mode': 'hard'}");
    server.wait_for("BLOCK_EXPORT_DELETED");
    server.ok("blockdev-del", "{'node-name': 'top'}");
    assert!(is_empty(&mut server, "iot1"));
    let top = server.path("top").to_str().expect("it is text").to_owned();
    server.quit_and_keep(|| {
        prints(&["qemu-img", "check", &top]);
    });
}

#[test]
fn a_new_node_comes_to_be_where_those_are_that_it_refers_to() {
    let mut server = two_exports();
    for id in ["e1", "e2"] {
        server.ok("block-export-del", &format!("{{'id': '{id}'}}"));
    }
    let add = |name: &str, more: &str| format!("{{'node-name': '{name}', {more}}}");
    server.ok("object-add", "{'qom-type': 'throttle-group', 'id': 'tg'}");
    for (name, more) in [
        (
            "raw",
            "'driver': 'raw', 'file': {'driver': 'throttle', 'throttle-group': 'tg', 'file': 'one'}",
        ),
        // What the others are in comes to the first.
        (
            "both",
            "'driver': 'quorum', 'vote-threshold': 2, 'children': ['raw', 'two']",
        ),
    ] {
        server.ok("blockdev-add", &add(name, more));
    }
    assert!(!is_empty(&mut server, "iot0"));
    assert!(
        is_empty(&mut server, "iot1"),
        "its node has gone to the other"
    );
    server.quit();
}
