//! What the server answers, reply by reply.

use std::io::Write;

use blockjob::block::nbd::proto::{Extent, cmd, cmd_flag, error, flag, opt, rep};

use super::client::{Client, greet, option};
use super::server::Server;

const MIB: u64 = 1 << 20;

#[test]
fn every_request_that_cannot_be_done_gets_the_error_of_the_protocol_and_harms_nothing() {
    let server = Server::start(
        |folder| std::fs::write(folder.join("raw"), vec![9; 1 << 20]).expect("there is space"),
        "--blockdev driver=file,node-name=disk,filename=$DIR/raw \
         --export type=nbd,id=e0,node-name=disk,name=rw,writable=on \
         --export type=nbd,id=e1,node-name=disk,name=ro",
    );
    let (max, end) = (32 << 20, MIB);
    for structured in [false, true] {
        let client = |name| match structured {
            true => Client::new(server.connect(), name),
            false => Client::simple(server.connect(), name),
        };
        let mut rw = client("rw");
        assert_eq!(rw.flags & flag::SEND_DF != 0, structured);
        for (kind, flags, offset, len, expected) in [
            (cmd::READ, 0, end, 512, error::EINVAL),
            (cmd::READ, 0, u64::MAX, 1, error::EINVAL),
            (cmd::TRIM, 0, end - 1, 2, error::EINVAL),
            (cmd::WRITE_ZEROES, 0, end - 1, 2, error::ENOSPC),
            (cmd::READ, 0, 0, max + 1, error::EINVAL),
            (cmd::CACHE, 0, 0, max + 1, error::EINVAL),
            (cmd::READ, 1 << 15, 0, 1, error::EINVAL),
            (cmd::TRIM, cmd_flag::NO_HOLE, 0, 1, error::EINVAL),
            (cmd::RESIZE, 0, 0, 1, error::EINVAL),
            (99, 0, 0, 1, error::EINVAL),
            (cmd::BLOCK_STATUS, 0, 0, 0, error::EINVAL),
        ] {
            let reply = rw.ask(kind, flags, offset, len);
            let words = (kind, flags, offset, len);
            assert_eq!(reply.error, expected, "{words:?}: {}", reply.text);
            assert_eq!(reply.text.is_empty(), !structured, "{words:?}");
        }
        assert_eq!(rw.write(0, end - 1, b"xx").error, error::ENOSPC);
        assert_eq!(rw.read(0, 512), [9; 512], "it goes on");

        let mut ro = client("ro");
        assert_ne!(ro.flags & flag::READ_ONLY, 0);
        assert_eq!(ro.write(0, 0, b"x").error, error::EPERM);
        assert_eq!(ro.ask(cmd::TRIM, 0, 0, 1).error, error::EPERM);
        assert_eq!(ro.ask(cmd::WRITE_ZEROES, 0, 0, 1).error, error::EPERM);
        assert_eq!(ro.read(0, 512), [9; 512], "it goes on");
    }
    server.quit();
}

#[test]
fn reads_are_sparse_unless_the_client_wants_one_piece() {
    let server = Server::of_raw(4 * MIB);
    let mut client = server.client("disk");
    assert_eq!(client.size, 4 * MIB);
    assert_eq!(client.write(cmd_flag::FUA, MIB, &[5; 65536]).error, 0);
    let whole = u32::try_from(4 * MIB).expect("it fits");

    let reply = client.ask(cmd::READ, 0, 0, whole);
    let shape: Vec<(u64, bool, u32)> = reply
        .pieces
        .iter()
        .map(|(offset, data, len)| (*offset, data.is_some(), *len))
        .collect();
    assert_eq!(
        shape,
        [
            (0, false, 1 << 20),
            (MIB, true, 65536),
            (MIB + 65536, false, whole - (1 << 20) - 65536)
        ]
    );
    let reply = client.ask(cmd::READ, cmd_flag::DF, 0, whole);
    assert_eq!((reply.pieces.len(), reply.pieces[0].2), (1, whole));
    assert_eq!(client.ask(cmd::READ, 0, 0, 0).pieces, []);

    let mut simple = Client::simple(server.connect(), "disk");
    assert_eq!(simple.read(MIB - 1, 3), [0, 5, 5]);
    server.quit();
}

#[test]
fn block_status_tells_extents_and_one_if_one_is_enough() {
    let server = Server::of_raw(4 * MIB);
    let mut client = server.client("disk");
    assert_eq!(client.write(0, MIB, &[5; 65536]).error, 0);
    let extent = |len, flags| Extent { len, flags };
    let whole = u32::try_from(4 * MIB).expect("it fits");

    let reply = client.ask(cmd::BLOCK_STATUS, 0, 0, whole);
    let rest = whole - (1 << 20) - 65536;
    let expected = [extent(1 << 20, 3), extent(65536, 0), extent(rest, 3)];
    assert_eq!((reply.error, &reply.extents[..]), (0, &expected[..]));
    let reply = client.ask(cmd::BLOCK_STATUS, cmd_flag::REQ_ONE, MIB, whole - (1 << 20));
    assert_eq!(reply.extents, [extent(65536, 0)]);

    // Zeroes that must take up space, zeroes that need not, and a range that was given up.
    assert_eq!(
        client
            .ask(cmd::WRITE_ZEROES, cmd_flag::NO_HOLE, MIB, 4096)
            .error,
        0
    );
    assert_eq!(client.ask(cmd::WRITE_ZEROES, 0, MIB + 8192, 4096).error, 0);
    assert_eq!(
        client
            .ask(cmd::TRIM, cmd_flag::FUA, MIB + 16384, 4096)
            .error,
        0
    );
    assert_eq!(client.ask(cmd::CACHE, 0, 0, whole).error, 0);
    assert_eq!(client.ask(cmd::FLUSH, 0, 0, 0).error, 0);
    for (at, value) in [(0, 0), (4096, 5), (8192, 0), (12288, 5)] {
        assert_eq!(client.read(MIB + at, 4096), [value; 4096], "at {at}");
    }
    let zeroed = client.ask(cmd::BLOCK_STATUS, 0, MIB + 8192, 4096).extents;
    assert_eq!(zeroed, [extent(4096, 3)]);
    server.quit();
}

#[test]
fn options_are_refused_one_by_one_and_the_handshake_goes_on() {
    let server = Server::of_raw(MIB);
    let mut stream = server.connect();
    greet(&mut stream);
    let query = [&[0, 0, 0, 4][..], b"disk", &[0, 0, 0, 0]].concat();
    let long = vec![0; 20_000];
    for (kind, data, expected) in [
        (opt::STARTTLS, &b""[..], rep::ERR_POLICY),
        (opt::LIST, b"x", rep::ERR_INVALID),
        (opt::PEEK_EXPORT, b"", rep::ERR_UNSUP),
        (opt::EXTENDED_HEADERS, b"", rep::ERR_UNSUP),
        (77, b"some data", rep::ERR_UNSUP),
        (opt::SET_META_CONTEXT, &query, rep::ERR_INVALID),
        (opt::GO, &[0, 0, 0, 9, b'x', 0, 0], rep::ERR_INVALID),
        (opt::GO, &[0, 0, 0, 1, b'x', 0, 0], rep::ERR_UNKNOWN),
        (opt::INFO, &[0, 0, 0, 1, 0xff, 0, 0], rep::ERR_UNKNOWN),
        (opt::INFO, &long, rep::ERR_TOO_BIG),
        (opt::STRUCTURED_REPLY, b"", rep::ACK),
        (opt::STRUCTURED_REPLY, b"", rep::ERR_INVALID),
        (opt::LIST_META_CONTEXT, &query, rep::ACK),
    ] {
        let replies = option(&mut stream, kind, data);
        let last = replies.last().expect("there is an answer");
        assert_eq!(last.0, expected, "option {kind}");
    }
    let replies = option(&mut stream, opt::LIST, b"");
    assert_eq!(replies[0], (rep::SERVER, b"\0\0\0\x04disk".to_vec()));
    assert_eq!(option(&mut stream, opt::ABORT, b"")[0].0, rep::ACK);
    server.quit();
}

#[test]
fn a_payload_that_is_too_long_is_answered_and_ends_the_connection() {
    let server = Server::of_raw(MIB);
    let mut client = server.client("disk");
    client.send(cmd::WRITE, 0, 0, (32 << 20) + 1);
    assert_eq!(client.reply(None).error, error::EINVAL);
    assert!(client.has_ended());
    let mut client = server.client("disk");
    client.stream.write_all(&[0x55; 28]).expect("it listens");
    assert!(client.has_ended(), "nobody can tell what is meant");
    server.quit();
}
