//! The transmission: what servers may send, and what they must not.

use blockjob_block::nbd::client::{
    Command, ExportInfo, Finished, Outcome, Transmission, Violation,
};
use blockjob_block::nbd::proto::{
    ChunkHeader, Extent, SimpleReplyHeader, chunk, chunk_flag, error,
};
use bytes::{Bytes, BytesMut};

const DONE: u16 = chunk_flag::DONE;

pub(crate) fn info(structured: bool) -> ExportInfo {
    ExportInfo {
        size: 1 << 20,
        flags: 0xffff,
        min_block: 1,
        preferred_block: 4096,
        max_block: 32 << 20,
        structured,
        allocation_context: structured.then_some(5),
    }
}

pub(crate) fn read(offset: u64, bytes: usize) -> Command {
    let buf = BytesMut::zeroed(bytes);
    Command::Read { offset, buf }
}

fn status(offset: u64, bytes: u32) -> Command {
    Command::BlockStatus { offset, bytes }
}

pub(crate) fn put(flags: u16, kind: u16, cookie: u64, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u32;
    let header = ChunkHeader {
        flags,
        kind,
        cookie,
        len,
    };
    [&header.encode()[..], payload].concat()
}

pub(crate) fn data(flags: u16, cookie: u64, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let payload = [&offset.to_be_bytes()[..], bytes].concat();
    put(flags, chunk::OFFSET_DATA, cookie, &payload)
}

pub(crate) fn hole(flags: u16, cookie: u64, offset: u64, bytes: u32) -> Vec<u8> {
    let payload = [&offset.to_be_bytes()[..], &bytes.to_be_bytes()].concat();
    put(flags, chunk::OFFSET_HOLE, cookie, &payload)
}

fn extents(flags: u16, cookie: u64, context: u32, extents: &[(u32, u32)]) -> Vec<u8> {
    let mut payload = context.to_be_bytes().to_vec();
    for (len, flags) in extents.iter().copied() {
        payload.extend(Extent { len, flags }.encode());
    }
    put(flags, chunk::BLOCK_STATUS, cookie, &payload)
}

fn failed(flags: u16, cookie: u64, number: u32, text: &str) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.extend((text.len() as u16).to_be_bytes());
    payload.extend(text.as_bytes());
    put(flags, chunk::ERROR, cookie, &payload)
}

fn simple(cookie: u64, error: u32) -> Vec<u8> {
    SimpleReplyHeader { error, cookie }.encode().to_vec()
}

/// Feeds `bytes` at once, one by one, and as a driver does it that reads data to its place.
fn feed(
    structured: bool,
    commands: &[Command],
    bytes: impl Fn(&[u64]) -> Vec<u8>,
) -> Result<Vec<Finished>, Violation> {
    let begin = || {
        let mut transmission = Transmission::new(&info(structured));
        let cookies: Vec<_> = commands
            .iter()
            .map(|command| {
                transmission
                    .begin(command.clone())
                    .expect("there is room")
                    .0
            })
            .collect();
        (transmission, bytes(&cookies))
    };
    let (mut whole, stream) = begin();
    let result = whole.feed(&stream).map(|()| whole.take_finished());
    let (mut single, stream) = begin();
    let one_by_one = stream.chunks(1).try_for_each(|byte| single.feed(byte));
    assert_eq!(one_by_one.map(|()| single.take_finished()), result);
    let (mut direct, stream) = begin();
    let mut rest = &stream[..];
    let mut placed = Ok(());
    while let (Some(first), Ok(())) = (rest.first(), &placed) {
        let room = direct.room();
        if room.is_empty() {
            placed = direct.feed(&[*first]);
            rest = &rest[1..];
        } else {
            let bytes = room.len().min(rest.len());
            room[..bytes].copy_from_slice(&rest[..bytes]);
            placed = direct.filled(bytes);
            rest = &rest[bytes..];
        }
    }
    assert_eq!(placed.map(|()| direct.take_finished()), result);
    if result.is_err() {
        whole
            .feed(b"x")
            .expect_err("a broken connection stays broken");
    }
    result
}

fn refused(commands: &[Command], bytes: impl Fn(&[u64]) -> Vec<u8>) -> String {
    let violation = feed(true, commands, bytes).expect_err("that is not allowed");
    violation.to_string()
}

fn buffer(finished: &Finished) -> &[u8] {
    match &finished.command {
        Command::Read { buf, .. } => buf,
        other => panic!("{other:?} is no read"),
    }
}

#[test]
fn a_read_may_be_answered_in_pieces_between_other_answers() {
    let finished = feed(true, &[read(100, 10), read(0, 4), Command::Flush], |c| {
        [
            data(0, c[0], 106, b"ghij"),
            put(DONE, chunk::NONE, c[2], b""),
            hole(0, c[0], 103, 3),
            data(DONE, c[1], 0, b"abcd"),
            data(0, c[0], 100, b"abc"),
            put(DONE, chunk::NONE, c[0], b""),
        ]
        .concat()
    });
    let finished = finished.expect("all that is allowed");
    let cookies: Vec<_> = finished
        .iter()
        .map(|finished| finished.cookie % 16)
        .collect();
    assert_eq!(cookies, [2, 1, 0]);
    assert_eq!(buffer(&finished[1]), b"abcd");
    assert_eq!(buffer(&finished[2]), b"abc\0\0\0ghij");
    assert!(
        finished
            .iter()
            .all(|finished| finished.outcome == Outcome::Done)
    );
}

#[test]
fn simple_replies_carry_data_and_errors() {
    let write = Command::Write {
        offset: 0,
        data: Bytes::from_static(b"x"),
        fua: true,
    };
    let finished = feed(false, &[read(0, 4), write, read(8, 4)], |c| {
        let data = [simple(c[0], 0), b"data".to_vec()].concat();
        [simple(c[1], 0), data, simple(c[2], error::EIO)].concat()
    });
    let finished = finished.expect("all that is allowed");
    assert_eq!(finished[0].outcome, Outcome::Done);
    assert_eq!(buffer(&finished[1]), b"data");
    assert!(matches!(&finished[2].outcome, Outcome::Failed(failed) if failed.error == error::EIO));
}

#[test]
fn an_error_ends_a_read_without_its_data_and_the_first_one_counts() {
    let finished = feed(true, &[read(0, 8)], |c| {
        [
            data(0, c[0], 0, b"half"),
            failed(0, c[0], error::EIO, "bad\nsector"),
            failed(DONE, c[0], error::ENOMEM, "more"),
        ]
        .concat()
    });
    let finished = finished.expect("all that is allowed");
    let Outcome::Failed(failed) = &finished[0].outcome else {
        panic!("{finished:?}");
    };
    assert_eq!((failed.error, &*failed.text), (error::EIO, "badsector"));
}

#[test]
fn the_status_of_a_range_is_its_first_extent() {
    let told = |reply: &[(u32, u32)], asked: u32| {
        let finished = feed(true, &[status(0, asked)], |c| extents(DONE, c[0], 5, reply));
        match finished.expect("it is allowed").remove(0).outcome {
            Outcome::Status(extent) => (extent.len, extent.flags),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(&[(512, 3)], 4096), (512, 3));
    assert_eq!(told(&[(512, 0), (512, 3)], 4096), (512, 0));
    assert_eq!(
        told(&[(8192, 3)], 4096),
        (4096, 3),
        "not more than was asked for"
    );
}

#[test]
fn sloppy_extents_are_cut_to_whole_blocks() {
    let mut info = info(true);
    info.min_block = 512;
    let told = |len: u32| {
        let mut transmission = Transmission::new(&info);
        let (cookie, _) = transmission.begin(status(0, 4096)).expect("there is room");
        let reply = extents(DONE, cookie, 5, &[(len, 3)]);
        transmission.feed(&reply).expect("it is put up with");
        match transmission.take_finished().remove(0).outcome {
            Outcome::Status(extent) => (extent.len, extent.flags),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(700), (512, 3));
    assert_eq!(told(100), (512, 0), "nothing is known of the block");
}

#[test]
fn a_server_that_answers_what_was_not_asked_is_caught() {
    assert!(refused(&[], |_| simple(17, 0)).contains("not under way"));
    let twice = |c: &[u64]| [simple(c[0], 0), simple(c[0], 0)].concat();
    assert!(refused(&[Command::Flush], twice).contains("not under way"));
    assert!(refused(&[Command::Flush], |c| simple(c[0] + 16, 0)).contains("not under way"));
    assert!(refused(&[Command::Flush], |_| b"garbage!".to_vec()).contains("invalid magic"));
    let old = feed(false, &[Command::Flush], |c| {
        put(DONE, chunk::NONE, c[0], b"")
    });
    assert!(
        old.expect_err("not agreed on")
            .to_string()
            .contains("none was agreed on")
    );
    assert!(
        refused(&[read(0, 4)], |c| simple(c[0], 0))
            .contains("simple reply when structured reply chunk was expected")
    );
    let mixed = |c: &[u64]| {
        let error = failed(0, c[0], error::EIO, "");
        [error, simple(c[0], 0)].concat()
    };
    assert!(refused(&[Command::Flush], mixed).contains("in the middle"));
}

#[test]
fn data_in_the_wrong_place_is_caught_before_it_is_taken() {
    let exceeding = "server sent chunk exceeding requested region";
    let read = [read(100, 4)];
    assert!(refused(&read, |c| data(DONE, c[0], 99, b"abcd")).contains(exceeding));
    assert!(refused(&read, |c| data(DONE, c[0], 101, b"abcd")).contains(exceeding));
    assert!(refused(&read, |c| data(DONE, c[0], 104, b"a")).contains(exceeding));
    assert!(refused(&read, |c| hole(DONE, c[0], 100, 5)).contains(exceeding));
    assert!(refused(&read, |c| hole(DONE, c[0], u64::MAX, 5)).contains(exceeding));
    assert!(refused(&read, |c| hole(DONE, c[0], 100, 0)).contains("empty"));
    let overlap = |c: &[u64]| [data(0, c[0], 100, b"ab"), data(DONE, c[0], 101, b"bcd")].concat();
    assert!(refused(&read, overlap).contains("twice"));
    assert!(
        refused(&read, |c| data(DONE, c[0], 100, b"abc")).contains("without the data at byte 3")
    );
    assert!(refused(&read, |c| put(DONE, chunk::NONE, c[0], b"")).contains("byte 0"));
}

#[test]
fn chunks_of_the_wrong_kind_or_length_are_caught() {
    let flush = [Command::Flush];
    assert!(refused(&flush, |c| put(0, chunk::NONE, c[0], b"")).contains("does not end"));
    assert!(refused(&flush, |c| put(DONE, chunk::NONE, c[0], b"x")).contains("cannot have 1"));
    assert!(refused(&flush, |c| data(DONE, c[0], 0, b"x")).contains("no answer"));
    assert!(refused(&flush, |c| put(DONE, 77, c[0], b"")).contains("no answer"));
    assert!(refused(&flush, |c| extents(DONE, c[0], 5, &[(1, 0)])).contains("no answer"));
    assert!(refused(&flush, |c| put(DONE, chunk::ERROR, c[0], b"short")).contains("cannot have 5"));
    let none = |c: &[u64]| failed(DONE, c[0], 0, "");
    assert!(refused(&flush, none).contains("error = 0"));
    let long = |c: &[u64]| put(DONE, chunk::ERROR, c[0], &[0, 0, 0, 5, 0, 9, b'x']);
    assert!(refused(&flush, long).contains("incorrect message size"));
    let elsewhere = |c: &[u64]| {
        let payload = [&[0, 0, 0, 5, 0, 0][..], &500u64.to_be_bytes()].concat();
        put(DONE, chunk::ERROR_OFFSET, c[0], &payload)
    };
    assert!(refused(&[read(0, 8)], elsewhere).contains("nothing was asked for"));
    let huge = |c: &[u64]| {
        let header = ChunkHeader {
            flags: DONE,
            kind: chunk::ERROR,
            cookie: c[0],
            len: u32::MAX,
        };
        header.encode().to_vec()
    };
    assert!(refused(&flush, huge).contains("cannot have"));
}

#[test]
fn a_status_without_extents_or_of_something_else_is_caught() {
    let status = [status(0, 4096)];
    assert!(refused(&status, |c| extents(DONE, c[0], 6, &[(1, 0)])).contains("context id 6"));
    assert!(refused(&status, |c| extents(DONE, c[0], 5, &[])).contains("cannot have 4"));
    assert!(refused(&status, |c| extents(DONE, c[0], 5, &[(0, 0)])).contains("zero length"));
    assert!(refused(&status, |c| put(DONE, chunk::NONE, c[0], b"")).contains("any status extents"));
    assert!(refused(&status, |c| simple(c[0], 0)).contains("any status extents"));
    let twice = |c: &[u64]| {
        let extents = |flags| extents(flags, c[0], 5, &[(512, 0)]);
        [extents(0), extents(DONE)].concat()
    };
    assert!(refused(&status, twice).contains("told of twice"));
}

#[test]
fn an_error_of_a_type_that_nobody_knows_is_an_error_all_the_same() {
    let finished = feed(true, &[Command::Flush], |c| {
        put(DONE, chunk::FLAG_ERROR | 99, c[0], &[0, 0, 0, 28, 0, 0])
    });
    let finished = finished.expect("it is to be read as an error");
    assert!(matches!(&finished[0].outcome, Outcome::Failed(failed) if failed.error == 28));
}

#[test]
fn sixteen_commands_are_under_way_at_most_and_come_back_in_order_when_all_is_lost() {
    let mut transmission = Transmission::new(&info(true));
    for index in 0..16u32 {
        let trim = Command::Trim {
            offset: 0,
            bytes: index,
        };
        transmission.begin(trim).expect("there is room");
    }
    assert!(transmission.is_full());
    transmission
        .begin(Command::Flush)
        .expect_err("there is none");
    let unfinished = transmission.take_unfinished();
    let order: Vec<_> = unfinished
        .iter()
        .map(|(_, command)| command.clone())
        .collect();
    let bytes = |index| Command::Trim {
        offset: 0,
        bytes: index,
    };
    assert_eq!(order, (0..16).map(bytes).collect::<Vec<_>>());
    assert_eq!(transmission.in_flight(), 0);
}
