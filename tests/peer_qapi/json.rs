//! The same bytes to the peer's parser and to ours.

use blockjob::qapi::json::{JsonStream, from_json, to_json};
use blockjob::qapi::{QmpResult, Value};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::peer::Peer;

/// What is hard to get right, each by itself.
const NASTY: &[&[u8]] = &[
    b"",
    b"{}",
    b"[]",
    b"{'id': {}}{'id': []}\n{'id':\n'x'}",
    b"{\"id\": 'mixed \"quotes\"', \"a\": \"it's\"}",
    b"{'id': {'type': 1, 'error': 2, 'speed': 3, 'offset': 4, 'len': 5, 'device': 6}}",
    b"{'id': {'node-name': 1, 'read-only': 2, 'cache': {'direct': 1, 'no-flush': 0}, 'driver': 3}}",
    b"{'id': {'': 0, 'a': 1, 'aa': 2, 'aaa': 3, '\xc3\xa4': 4, '\\u00e4b': 5, 'A': 6, ' ': 7}}",
    b"{'id': {'': 0, 'a': 1, '\\u0000aaa': 3, 'b\\u0000': 2}}",
    b"{'id': [1, -1, 0, -0, 00]}",
    b"{'id': [9223372036854775807, 9223372036854775808, 18446744073709551615, 18446744073709551616]}",
    b"{'id': [-9223372036854775808, -9223372036854775809]}",
    b"{'id': [1.5, 1e5, 1E5, 1e+5, 1e-5, 0.1, 1e16, 1e17, 0.0001, 0.00001, -0.0, 123456789012345678.0]}",
    b"{'id': [1e999, -1e999, 5e-324, 1e-400, 2.2250738585072014e-308, 1.7976931348623157e308]}",
    b"{'id': [0.30000000000000004, 100, 100.0, 1e2, 12345678901234567e1, 1.10, 9007199254740993.0]}",
    b"[1, 2",
    b"{'a': 01}",
    b"{'a': %d}",
    b"{'a': '%d'}",
    b"%",
    b"{'a':1 'b':2}",
    b"{'a' 1}",
    b"{1:2}",
    b"{[]:2}",
    b"{'a':}",
    b"{'a'}",
    b"{,}",
    b"{:}",
    b"[1 2]",
    b"[1,]",
    b"[,]",
    b"[,1]",
    b"{'a':1,'a':2}",
    b"{'a':1,'\\u0061':2}",
    b"{'a':1,}",
    b"}",
    b"]",
    b"{]}",
    b"[}",
    b"{'a':1]}",
    b"[{]}]",
    b":",
    b",",
    b"1 2 3",
    b"'a''b'",
    b"'a'b",
    b"true false null",
    b"truefalse",
    b"tru e",
    b"True",
    b"nul",
    b"-",
    b"-a",
    b"+1",
    b"1.",
    b"1.e",
    b"1e",
    b"1e+",
    b".5",
    b"0x1",
    b"1a",
    b"1.5.5",
    b"--1",
    b"NaN",
    b"{'id': '\\u0000\xc0\x80\x7f\xc3\xa4\xf0\x9f\x98\x80/\\'\\/\\\"\\b\\f\\n\\r\\t\\\\'}",
    b"{'id': '\\ud83d\\ude00\\uD83D\\uDE00'}",
    b"'\\ud800'",
    b"'\\ud800x'",
    b"'\\ud800\\n'",
    b"'\\ud800\\u1234'",
    b"'\\ud800\\u12'",
    b"'\\ud800\\ud800'",
    b"'\\udc00'",
    b"'\\uffff'",
    b"'\\ufffe'",
    b"'\\ufdd0'",
    b"'\\ud83f\\udfff'",
    b"'\\u'",
    b"'\\u1'",
    b"'\\u12'",
    b"'\\u123'",
    b"'\\u123g'",
    b"'\\u12\xc3\xa4'",
    b"'\\u1\xc0\x80'",
    b"'\\U0041'",
    b"'\\x41'",
    b"'\\\n'",
    b"'\\a'",
    b"'a\tb'",
    b"'a\nb'",
    b"'a\0b'",
    b"'a\x1bb'",
    b"'\x80'",
    b"'\xbf\xbf'",
    b"'\xc3'",
    b"'\xc3('",
    b"'\xe0\x80\x80'",
    b"'\xe0\xa4'",
    b"'\xed\xa0\x80'",
    b"'\xef\xbf\xbf'",
    b"'\xf0\x80\x80\x80'",
    b"'\xf4\x90\x80\x80'",
    b"'\xf8\x88\x80\x80\x80'",
    b"'\xfc\x84\x80\x80\x80\x80'",
    b"'\xc1\xbf'",
    b"'\xfe'",
    b"'\xff'",
    b"\xff",
    b"\xc3\xa4",
    b"\x01",
    b"\x7f",
    b"\0",
    b"a\xffb",
    b"{'a': \x01, 'b': 2}",
    b"{'a': @@@@ , 'b': 2}",
    b"{'a': @@@@ \t tail\n 'c'}",
    b"/* comment */ {}",
    b"{'id': 1} # {'id': 2}",
    b"'unfinished",
    b"\"it's\" 'a \"b\"'",
    b"\xef\xbb\xbf{}",
];

/// Says what came out of our stream as the peer would reply, as far as it is the parser's.
fn reply(result: QmpResult<Value>) -> String {
    let error =
        |desc: &str| format!("{{\"error\": {{\"class\": \"GenericError\", \"desc\": {desc}}}}}");
    match result {
        Err(wrong) => error(&to_json(&Value::from(wrong.desc))),
        Ok(Value::Dict(dict)) => match dict.get("id") {
            Some(id) => format!("{{\"id\": {}, \"error\": ...", to_json(id)),
            None => "{\"error\": ...".to_owned(),
        },
        Ok(_) => error("\"QMP input must be a JSON object\""),
    }
}

/// What is of the parser in a reply of the peer to what our stream made of the same.
fn is_same(theirs: &str, ours: &str) -> bool {
    match ours.strip_suffix("...") {
        Some(beginning) => theirs.starts_with(beginning),
        None => theirs == ours,
    }
}

/// Asserts that both say the same to `bytes`.
fn compare(peer: &mut Peer, bytes: &[u8]) {
    let (theirs, number) = peer.ask(bytes);
    let mut ours = Vec::new();
    let mut emit = |result| ours.push(reply(result));
    let mut stream = JsonStream::new();
    stream.feed(bytes, &mut emit);
    stream.feed(&Peer::sync(number), &mut emit);
    let same = theirs.len() == ours.len()
        && theirs
            .iter()
            .zip(&ours)
            .all(|(theirs, ours)| is_same(theirs, ours));
    assert!(
        same,
        "to {:?}\nthe peer says {theirs:#?}\nand we {ours:#?}",
        bytes.escape_ascii().to_string()
    );
}

#[test]
fn what_is_hard_to_parse_is_parsed_as_by_the_peer() {
    let Some(mut peer) = Peer::start() else {
        return;
    };
    for bytes in NASTY {
        compare(&mut peer, bytes);
    }
    for depth in [1023, 1024, 1025, 3000] {
        let open = "[".repeat(depth);
        compare(&mut peer, open.as_bytes());
        compare(&mut peer, format!("{open}{}", "]".repeat(depth)).as_bytes());
        compare(&mut peer, "{'a':".repeat(depth).as_bytes());
    }
    compare(&mut peer, format!("nul{}", "l".repeat(3000)).as_bytes());
    let long = format!("{{'id': '{}'}}", "\u{e4}x".repeat(100_000));
    compare(&mut peer, long.as_bytes());
}

#[test]
fn a_large_reply_of_the_peer_is_read_and_written_again_byte_for_byte() {
    let Some(mut peer) = Peer::start() else {
        return;
    };
    let (lines, _) = peer.ask(b"{'execute': 'query-qmp-schema'}");
    assert!(lines[0].len() > 100_000);
    let value = from_json(&lines[0]).expect("the peer's reply is JSON");
    assert!(to_json(&value) == lines[0], "{}", to_json(&value));
}

/// Bytes that a mutation puts in: those that mean something.
const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"'",
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud83d",
    b"\\ude00",
    b"\\u0000",
    b"0",
    b"-",
    b".",
    b"e",
    b"E+",
    b"99999999999999999999",
    b"true",
    b"null",
    b"x",
    b"%",
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\x1f",
    b"\x7f",
    b"\x80",
    b"\xc0\x80",
    b"\xc3",
    b"\xe2\x82\xac",
    b"\xf0\x9f",
    b"\xef\xbf\xbf",
    b"\xfe",
    b"\xff",
    b"'id':",
    b"'a': 1,",
    b"{}",
    b"[]",
];

fn mutate(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let below = |rng: &mut ChaCha8Rng, n: usize| rng.next_u32() as usize % n;
    let mut bytes = NASTY[below(rng, NASTY.len())].to_vec();
    if bytes.is_empty() || rng.next_u32().is_multiple_of(2) {
        bytes = b"{'id': [{'a': 'b\\u00e4', \"c\": [1, 2.5, -3e7, true]}, null, \"\xc3\xa4\"], 'x': {}}".to_vec();
    }
    for _ in 0..=below(rng, 4) {
        let at = below(rng, bytes.len() + 1);
        match below(rng, 3) {
            0 => {
                let end = (at + below(rng, 6)).min(bytes.len());
                bytes.drain(at..end);
            }
            1 => {
                let piece = PIECES[below(rng, PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => {
                let from = below(rng, bytes.len() + 1).min(at);
                let copy = bytes[from..at].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

fn compare_mutations(count: usize, seed: u64) {
    let Some(mut peer) = Peer::start() else {
        return;
    };
    println!("{count} mutations of seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..count {
        let bytes = mutate(&mut rng);
        compare(&mut peer, &bytes);
    }
}

#[test]
fn a_thousand_mutations_are_parsed_as_by_the_peer() {
    compare_mutations(1_000, 1);
}

#[test]
#[ignore = "takes a minute"]
fn a_hundred_thousand_mutations_are_parsed_as_by_the_peer() {
    compare_mutations(100_000, 2);
}
