//! Garbage: nothing that a server sends makes the client panic, and what it takes for an answer has the
//! shape of the question.

use blockjob_block::nbd::client::{Command, Handshake, Outcome, Transmission};
use blockjob_block::nbd::proto::{chunk, chunk_flag};
use proptest::prelude::*;

use super::replies::{data, hole, info, put, read};

/// Pieces of a stream that are nearly right.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let cookie = 16u64..24;
    let flags = prop_oneof![Just(0u16), Just(chunk_flag::DONE)];
    prop_oneof![
        (flags.clone(), cookie.clone(), 0u64..70, 1usize..40)
            .prop_map(|(flags, cookie, at, bytes)| data(flags, cookie, at, &vec![1; bytes])),
        (flags.clone(), cookie.clone(), 0u64..70, 0u32..40)
            .prop_map(|(flags, cookie, at, bytes)| hole(flags, cookie, at, bytes)),
        (
            flags.clone(),
            cookie.clone(),
            any::<u16>(),
            proptest::collection::vec(any::<u8>(), 0..30)
        )
            .prop_map(|(flags, cookie, kind, payload)| put(flags, kind, cookie, &payload)),
        (flags, cookie, proptest::collection::vec(any::<u8>(), 0..30))
            .prop_map(|(flags, cookie, payload)| put(flags, chunk::ERROR, cookie, &payload)),
        proptest::collection::vec(any::<u8>(), 0..30),
    ]
}

proptest! {
    #[test]
    fn a_transmission_survives_anything(
        structured: bool,
        pieces in proptest::collection::vec(piece(), 0..12),
        cut in 1usize..50,
    ) {
        let run = |cut: usize| {
            let mut transmission = Transmission::new(&info(structured));
            for index in 0..6 {
                let command = match index {
                    4 => Command::Flush,
                    5 if structured => Command::BlockStatus { offset: 0, bytes: 64 },
                    _ => read(index * 8, 32),
                };
                transmission.begin(command).expect("there is room");
            }
            let stream = pieces.concat();
            let result = stream.chunks(cut).try_for_each(|part| transmission.feed(part));
            let finished = transmission.take_finished();
            for finished in &finished {
                match (&finished.command, &finished.outcome) {
                    (Command::Read { buf, .. }, _) => assert_eq!(buf.len(), 32),
                    (Command::BlockStatus { bytes, .. }, Outcome::Status(extent)) => {
                        assert!((1..=*bytes).contains(&extent.len));
                    }
                    (_, Outcome::Status(_)) => panic!("nobody has asked for it"),
                    _ => {}
                }
            }
            let left = transmission.take_unfinished().len();
            assert_eq!(finished.len() + left, 6);
            (result, finished)
        };
        prop_assert_eq!(run(cut), run(usize::MAX));
    }

    #[test]
    fn a_handshake_survives_anything(
        greeting: bool,
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        cut in 1usize..50,
    ) {
        let mut stream = Vec::new();
        if greeting {
            stream.extend(b"NBDMAGICIHAVEOPT\0\x03");
        }
        stream.extend(&bytes);
        let run = |cut: usize| {
            let mut handshake = Handshake::new("export").expect("the name is short");
            let mut out = Vec::new();
            let mut results = Vec::new();
            for mut part in stream.chunks(cut) {
                while !part.is_empty() {
                    let result = handshake.feed(&mut part, &mut out);
                    let over = !matches!(result, Ok(None));
                    results.extend(over.then_some(result));
                    if over {
                        return (results, out);
                    }
                }
            }
            (results, out)
        };
        prop_assert_eq!(run(cut), run(usize::MAX));
    }
}
