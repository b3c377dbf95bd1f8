//! Several clients, some of which mean harm.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use blockjob::block::nbd::proto::{cmd, opt, rep};

use super::client::{Client, bytes, greet, option};
use super::server::{Server, command, lacks, prints, run};

const MIB: u64 = 1 << 20;

#[test]
fn the_socket_is_for_its_owner_alone() {
    let server = Server::of_raw(MIB);
    let found = std::fs::metadata(server.path("nbd")).expect("it is there");
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    server.quit();
}

#[test]
fn two_connections_see_each_others_writes_and_a_flush_of_one_serves_both() {
    let server = Server::of_raw(MIB);
    let (mut one, mut other) = (server.client("disk"), server.client("disk"));
    assert_eq!(one.write(0, 0, &[1; 4096]).error, 0);
    assert_eq!(other.read(0, 4096), [1; 4096]);
    assert_eq!(other.write(0, 4096, &[2; 4096]).error, 0);
    assert_eq!(one.ask(cmd::FLUSH, 0, 0, 0).error, 0);
    assert_eq!(one.read(4096, 4096), [2; 4096]);
    server.quit();
}

#[test]
fn a_client_can_have_many_requests_under_way_and_each_is_answered_once() {
    let server = Server::of_raw(16 * MIB);
    let mut client = server.client("disk");
    // More than may be under way at a time, long and short ones in turns, before any reply is read.
    let mut waiting = std::collections::BTreeSet::new();
    for round in 0..64 {
        let len = if round % 8 == 0 { 100_000 } else { 512 };
        let cookie = client.send(cmd::WRITE, 0, round * 100_000, len);
        let data = vec![round as u8; len as usize];
        client.stream.write_all(&data).expect("it listens");
        waiting.insert(cookie);
    }
    while !waiting.is_empty() {
        let reply = client.reply(None);
        assert_eq!(reply.error, 0);
        assert!(waiting.remove(&reply.cookie), "{} twice", reply.cookie);
    }
    for round in 0..64 {
        assert_eq!(client.read(round * 100_000, 512), [round as u8; 512]);
    }
    server.quit();
}

#[test]
fn silent_and_hostile_clients_do_not_keep_others_waiting() {
    let server = Server::of_raw(4 * MIB);
    let mut silent: Vec<_> = (0..5).map(|_| server.connect()).collect();
    let mut half = server.connect();
    half.write_all(&[0, 0, 0, 3, b'I', b'H'])
        .expect("it listens");
    let mut garbage = server.connect();
    let noise: Vec<u8> = (0..100_000_u32).map(|at| ((at * 31) >> 3) as u8).collect();
    // It hangs up in the middle of this.
    let _refused = garbage.write_all(&noise);
    // Never reads what it asks for.
    let mut greedy = server.client("disk");
    for _ in 0..64 {
        greedy.send(cmd::READ, 0, 0, 4 << 20);
    }
    // Announces a payload and keeps it.
    let mut stingy = server.client("disk");
    stingy.send(cmd::WRITE, 0, 0, 32 << 20);
    // Asks for the same list for ever.
    let mut curious = server.connect();
    greet(&mut curious);
    for _ in 0..100 {
        assert_eq!(option(&mut curious, opt::LIST, b"").len(), 2);
    }

    let mut client = server.client("disk");
    for round in 0..32_u8 {
        let at = u64::from(round) * 65536;
        assert_eq!(client.write(0, at, &[round; 65536]).error, 0);
        assert_eq!(client.read(at, 65536), vec![round; 65536]);
    }
    for stream in &mut silent {
        assert_eq!(bytes(stream, 18)[..8], *b"NBDMAGIC", "they were greeted");
    }
    let mut rest = Vec::new();
    let _reset = garbage.read_to_end(&mut rest);
    server.quit();
}

#[test]
fn a_client_that_is_silent_for_too_long_is_sent_away() {
    let mut server = Server::of_raw(MIB);
    server.ok("nbd-server-stop", "{}");
    let start = "{'addr': {'type': 'unix', 'data': {'path': '$DIR/nbd'}}, \
                 'handshake-max-seconds': 1, 'max-connections': 1}";
    server.ok("nbd-server-start", start);
    server.ok(
        "block-export-add",
        "{'type': 'nbd', 'id': 'e1', 'node-name': 'disk', 'writable': true}",
    );
    let mut silent = server.connect();
    // It has the only place, so this one waits until it is gone.
    let mut client = server.client("disk");
    assert_eq!(client.write(0, 0, b"x").error, 0);
    let mut all = Vec::new();
    silent.read_to_end(&mut all).expect("it ends well");
    assert_eq!(all.len(), 18, "a greeting, and the end");
    server.quit();
}

#[test]
fn a_client_that_is_killed_takes_nothing_along() {
    if lacks("qemu-io") {
        return;
    }
    let mut server = Server::of_raw(64 * MIB);
    for _ in 0..3 {
        let uri = server.uri("disk");
        let mut busy = command(&["qemu-io", "-f", "raw", &uri]);
        busy.stdin(std::process::Stdio::piped());
        busy.stdout(std::process::Stdio::piped());
        let mut busy = busy.spawn().expect("qemu-io is there");
        let mut stdin = busy.stdin.take().expect("it was asked for");
        for _ in 0..20 {
            stdin
                .write_all(b"aio_write -P 3 0 16M\n")
                .expect("it listens");
        }
        let mut stdout = busy.stdout.take().expect("it was asked for");
        // It has begun when it says its first word.
        let _prompt = bytes(&mut stdout, 1);
        busy.kill().expect("it is our child");
        busy.wait().expect("it is our child");
        // One that leaves in the middle of a payload.
        let mut half = server.client("disk");
        half.send(cmd::WRITE, 0, 0, 1 << 20);
        half.stream.write_all(&[1; 1000]).expect("it listens");
        drop(half);
    }
    let mut client = server.client("disk");
    assert_eq!(client.write(0, 0, &[4; 512]).error, 0);
    assert_eq!(client.read(0, 512), [4; 512]);
    drop(client);
    let exports = server.ok("query-block-exports", "{}");
    assert!(exports.contains("\"shutting-down\": false"), "{exports}");
    server.quit();
}

#[test]
fn several_exports_are_several_disks() {
    let server = Server::start(
        |folder| {
            for (name, value) in [("a", 1), ("b", 2)] {
                let content = vec![value; 1 << 20];
                std::fs::write(folder.join(name), content).expect("there is space");
            }
        },
        "--blockdev driver=file,node-name=a,filename=$DIR/a \
         --blockdev driver=file,node-name=b,filename=$DIR/b \
         --export type=nbd,id=a,node-name=a --export type=nbd,id=b,node-name=b,name=",
    );
    assert_eq!(server.client("a").read(0, 1), [1]);
    assert_eq!(server.client("").read(0, 1), [2]);
    let mut stream = server.connect();
    greet(&mut stream);
    assert_eq!(option(&mut stream, opt::LIST, b"").len(), 3);
    let unknown = option(&mut stream, opt::GO, &[0, 0, 0, 1, b'c', 0, 0]);
    assert_eq!(unknown[0].0, rep::ERR_UNKNOWN);
    server.quit();
}

#[test]
fn tcp_serves_the_same_disks() {
    if lacks("nbdinfo") {
        return;
    }
    let mut server = Server::of_raw(MIB);
    server.ok("nbd-server-stop", "{}");
    // A port that is free at this moment; nobody else takes it for a while.
    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
        socket.local_addr().expect("it is bound").port()
    };
    server.ok(
        "nbd-server-start",
        &format!(
            "{{'addr': {{'type': 'inet', 'data': {{'host': '127.0.0.1', 'port': '{port}'}}}}}}"
        ),
    );
    server.ok(
        "block-export-add",
        "{'type': 'nbd', 'id': 'e1', 'node-name': 'disk'}",
    );
    let uri = format!("nbd://127.0.0.1:{port}/disk");
    assert_eq!(prints(&["nbdinfo", "--size", &uri]).trim(), MIB.to_string());
    server.ok("nbd-server-stop", "{}");
    assert!(!run(&["nbdinfo", "--size", &uri]).status.success());
    server.quit();
}

/// A client in a thread of its own could not show more; this is about who else is served.
#[test]
fn a_connection_that_hangs_up_between_requests_is_forgotten() {
    let mut server = Server::of_raw(MIB);
    for _ in 0..200 {
        let client = Client::simple(server.connect(), "disk");
        drop(client);
    }
    // All of them have gone, or this would be refused.
    let mut last = server.client("disk");
    last.send(cmd::DISC, 0, 0, 0);
    assert!(last.has_ended());
    server.ok("query-block-exports", "{}");
    server.quit();
}
