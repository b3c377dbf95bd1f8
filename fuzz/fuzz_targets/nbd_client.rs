//! What a server sends to the NBD client: the handshake, and replies to requests that are under way.
//!
//! Nothing may panic, whatever comes. What is fed in pieces, or read to its place, must give what is fed at
//! once; what is taken for an answer must have the shape of the question; and every request ends once.
//!
//! The first byte says how the rest is cut into pieces, and whether the handshake is left out.

#![no_main]

use blockjob::block::nbd::client::{
    Command, ExportInfo, Finished, Handshake, HandshakeError, Outcome, Transmission, Violation,
};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, bytes)) = bytes.split_first() else {
        return;
    };
    let cut = usize::from(how % 32) + 1;
    if how & 0x80 != 0 {
        let whole = shake_hands(bytes, bytes.len().max(1));
        assert_eq!(shake_hands(bytes, cut), whole);
        return;
    }
    let structured = how & 0x40 == 0;
    let whole = transmit(structured, bytes, bytes.len().max(1));
    assert_eq!(transmit(structured, bytes, cut), whole);
    assert_eq!(transmit_to_place(structured, bytes), whole);
});

fn shake_hands(bytes: &[u8], cut: usize) -> (Result<Option<ExportInfo>, HandshakeError>, Vec<u8>) {
    let mut handshake = Handshake::new("export").expect("the name is short");
    let mut out = Vec::new();
    for mut piece in bytes.chunks(cut) {
        let result = handshake.feed(&mut piece, &mut out);
        if let Err(error) = &result {
            assert!(!error.to_string().is_empty());
        }
        if !matches!(result, Ok(None)) {
            return (result, out);
        }
        assert!(piece.is_empty());
    }
    (Ok(None), out)
}

/// Requests of all kinds, under way.
fn begun(structured: bool) -> Transmission {
    let info = ExportInfo {
        size: 1 << 20,
        flags: 0xffff,
        min_block: 1,
        preferred_block: 4096,
        max_block: 0,
        structured,
        allocation_context: structured.then_some(0),
    };
    let mut transmission = Transmission::new(&info);
    let mut commands = vec![
        Command::Flush,
        Command::Write {
            offset: 0,
            data: Bytes::from_static(b"data"),
            fua: false,
        },
    ];
    for offset in [0, 4096] {
        let buf = BytesMut::zeroed(64);
        commands.push(Command::Read { offset, buf });
    }
    if structured {
        let (offset, bytes) = (0, 4096);
        commands.push(Command::BlockStatus { offset, bytes });
    }
    for command in commands {
        transmission.begin(command).expect("there is room");
    }
    transmission
}

fn transmit(structured: bool, bytes: &[u8], cut: usize) -> (Result<(), Violation>, Vec<Finished>) {
    let mut transmission = begun(structured);
    let result = bytes
        .chunks(cut)
        .try_for_each(|piece| transmission.feed(piece));
    ended(transmission, result)
}

/// As a driver does it that reads data to where it belongs.
fn transmit_to_place(structured: bool, mut bytes: &[u8]) -> (Result<(), Violation>, Vec<Finished>) {
    let mut transmission = begun(structured);
    let mut result = Ok(());
    while let (Some(first), Ok(())) = (bytes.first(), &result) {
        let room = transmission.room();
        let taken = room.len().min(bytes.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        result = match taken {
            0 => transmission.feed(&[*first]),
            taken => transmission.filled(taken),
        };
        bytes = &bytes[taken.max(1)..];
    }
    ended(transmission, result)
}

fn ended(
    mut transmission: Transmission,
    result: Result<(), Violation>,
) -> (Result<(), Violation>, Vec<Finished>) {
    let under_way = transmission.in_flight();
    let finished = transmission.take_finished();
    for finished in &finished {
        match (&finished.command, &finished.outcome) {
            (Command::Read { buf, .. }, Outcome::Done | Outcome::Failed(_)) => {
                assert_eq!(buf.len(), 64);
            }
            (Command::BlockStatus { bytes, .. }, Outcome::Status(extent)) => {
                assert!((1..=*bytes).contains(&extent.len));
            }
            (Command::BlockStatus { .. }, Outcome::Done) | (_, Outcome::Status(_)) => {
                panic!("no answer to the question")
            }
            _ => {}
        }
        if let Outcome::Failed(error) = &finished.outcome {
            assert_ne!(error.error, 0);
        }
    }
    assert_eq!(transmission.take_unfinished().len(), under_way);
    if let Err(violation) = &result {
        assert!(!violation.to_string().is_empty());
        transmission
            .feed(b"x")
            .expect_err("a broken connection stays broken");
    }
    (result, finished)
}
