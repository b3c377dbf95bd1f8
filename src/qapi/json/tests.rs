//! The parser and the writer, each rule by an example of the peer.

use super::*;
use crate::qapi::{Dict, Number, QmpError, Value};

/// What comes out of a stream, as the wire would say it.
fn all(input: impl AsRef<[u8]>) -> Vec<String> {
    let mut said = Vec::new();
    let mut stream = JsonStream::new();
    stream.feed(input.as_ref(), &mut |result| said.push(show(result)));
    said
}

fn show(result: Result<Value, QmpError>) -> String {
    match result {
        Ok(value) => to_json(&value),
        Err(error) => format!("! {}", error.desc),
    }
}

#[test]
fn documents_come_out_as_soon_as_they_are_whole_and_in_any_pieces() {
    let input = "{'a': [1, 2]}{\"b\":\n{}} [] \"c\" 5 \r\n true\n";
    let whole = ["{\"a\": [1, 2]}", "{\"b\": {}}", "[]", "\"c\"", "5", "true"];
    assert_eq!(all(input), whole);
    for size in 1..input.len() {
        let mut said = Vec::new();
        let mut stream = JsonStream::new();
        for piece in input.as_bytes().chunks(size) {
            stream.feed(piece, &mut |result| said.push(show(result)));
        }
        assert_eq!(said, whole, "in pieces of {size}");
    }
    // A number may go on, so it needs an end; a brace does not.
    assert_eq!(all("12"), [""; 0]);
    assert_eq!(all("{}"), ["{}"]);
}

#[test]
fn a_stray_token_is_told_at_once_and_what_follows_is_parsed_afresh() {
    let twice = |input: &str, stray: &str| {
        let first = format!("! JSON parse error, stray '{stray}'");
        let second = "! JSON parse error, expecting value".to_owned();
        assert_eq!(all(input), [first, second], "{input}");
    };
    twice("{\"a\": %d}", "%");
    twice("{\"a\": 01}", "01");
    twice("{\"a\": \"b\n\"}", "\"b\n");
    assert_eq!(all("True"), ["! JSON parse error, stray 'T'"]);
    assert_eq!(
        all(b"\xff{}"),
        ["! JSON parse error, stray '\u{fffd}'", "{}"]
    );
}

#[test]
fn a_mistake_between_balanced_braces_is_told_once() {
    for (input, message) in [
        ("{\"a\":1 \"b\":2}", "expected separator in dict"),
        ("{\"a\" 1}", "missing : in object pair"),
        ("{1:2}", "key is not a string in object"),
        ("[1 2]", "expected separator in list"),
        ("[1,]", "expecting value"),
        ("{\"a\":1,\"a\":2}", "duplicate key"),
        ("[nope]", "invalid keyword 'nope'"),
        ("['\\x']", "invalid escape sequence in string"),
    ] {
        assert_eq!(
            all(input),
            [format!("! JSON parse error, {message}")],
            "{input}"
        );
    }
}

#[test]
fn a_large_object_still_has_each_name_once() {
    let members: Vec<_> = (0..200_000).map(|n| format!("\"k{n}\": {n}")).collect();
    let input = format!("{{{}}}", members.join(","));
    assert_eq!(all(&input).len(), 1);
    assert!(from_json(&input).is_ok());
    let twice = input.replace("}", ",\"k77\":0}");
    assert_eq!(all(twice), ["! JSON parse error, duplicate key"]);
}

#[test]
fn strings_are_read_with_escapes_and_written_in_ascii() {
    let input =
        b"'\\u0000\xc0\x80\x7f\xc3\xa4\xf0\x9f\x98\x80\\ud83d\\uDE00/\\'\\/\\\"\\b\\f\\n\\r\\t'";
    assert_eq!(
        all(input),
        [
            "\"\\u0000\\u0000\\u007F\\u00E4\\uD83D\\uDE00\\uD83D\\uDE00/'/\\\"\
          \\b\\f\\n\\r\\t\""
        ]
    );
    for (input, shown) in [
        ("'\\u12'", "\\u12'"),
        ("'\\ud800'", "\\ud800"),
        ("'\\ud800\\u12'", "\\ud800"),
        ("'\\uFFFF'", "\\uFFFF"),
        ("'\\u'", "\\u'"),
    ] {
        let message = format!("! JSON parse error, {shown} is not a valid Unicode character");
        assert_eq!(all(input), [message], "{input}");
    }
    let invalid = ["! JSON parse error, invalid UTF-8 sequence in string"];
    assert_eq!(all(b"'\xef\xbf\xbf'"), invalid);
    assert_eq!(all(b"'\xe0\x80\x80'"), invalid);
    assert_eq!(all(b"'\xed\xa0\x80'"), invalid);
    assert_eq!(to_json(&Value::from("\u{fffe}")), "\"\\uFFFD\"");
}

#[test]
fn numbers_keep_the_first_kind_that_holds_them() {
    let input = "[-0, 9223372036854775807, 9223372036854775808, 18446744073709551616, \
         -9223372036854775809, 1e5, 0.1, 1e17, 1e16, 1e-5, 0.0001, -0.0, 1e999, -1e999, 5e-324]";
    let expected = "[0, 9223372036854775807, 9223372036854775808, 1.8446744073709552e+19, \
         -9.2233720368547758e+18, 100000, 0.10000000000000001, 1e+17, 10000000000000000, \
         1.0000000000000001e-05, 0.0001, -0, inf, -inf, 4.9406564584124654e-324]";
    assert_eq!(all(input), [expected]);
    let kinds = from_json("[1, 18446744073709551615, 1.0]").expect("it is JSON");
    let kinds = kinds.as_list().expect("it is an array");
    assert_eq!(kinds[0], Value::Num(Number::Int(1)));
    assert_eq!(kinds[1], Value::Num(Number::UInt(u64::MAX)));
    assert_eq!(kinds[2], Value::Num(Number::Double(1.0)));
}

#[test]
fn nesting_is_limited_to_1024() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(all(nested(1024)), [nested(1024)]);
    assert_eq!(
        all("[".repeat(1025)),
        ["! JSON nesting depth limit exceeded"]
    );
}

#[test]
fn the_size_of_a_document_is_limited_and_its_memory_is_given_back() {
    let mut stream = JsonStream::new();
    let mut said = Vec::new();
    let piece = vec![b'a'; 1 << 20];
    stream.feed(b"\"", &mut |_| panic!("a string has only begun"));
    for _ in 0..64 {
        stream.feed(&piece, &mut |result| said.push(show(result)));
    }
    assert_eq!(said, ["! JSON token size limit exceeded"]);
    // Many tokens that are small.
    let mut stream = JsonStream::new();
    let mut said = Vec::new();
    stream.feed(b"[", &mut |_| panic!("an array has only begun"));
    let commas = vec![b','; 1 << 20];
    for _ in 0..2 {
        stream.feed(&commas, &mut |result| said.push(show(result)));
    }
    assert_eq!(said, ["! JSON token count limit exceeded"]);
    assert!(stream.memory() < 4 << 20, "{}", stream.memory());
}

#[test]
fn members_go_out_in_the_order_of_the_hash_table_and_the_newest_of_a_bucket_first() {
    let text = "{'type': 't', 'error': 0, 'speed': 0, 'offset': 0, 'len': 0, 'device': ''}";
    let ordered = "{\"device\": \"\", \"len\": 0, \"offset\": 0, \"speed\": 0, \"type\": \"t\", \
         \"error\": 0}";
    assert_eq!(all(text), [ordered]);
    // Two names of one bucket, found by counting.
    let (mut first, mut second) = ("a0".to_owned(), String::new());
    for n in 1.. {
        second = format!("a{n}");
        if order::bucket(&first) == order::bucket(&second) {
            break;
        }
    }
    for _ in 0..2 {
        let dict: Dict = [(&*first, 1i64), (&*second, 2)].into_iter().collect();
        let text = to_json(&Value::Dict(dict));
        assert_eq!(text, format!("{{\"{second}\": 2, \"{first}\": 1}}"));
        std::mem::swap(&mut first, &mut second);
    }
}

#[test]
fn the_pretty_form_has_a_line_for_each_thing() {
    let value = from_json("{'id': [{}, [], 1], 'return': {'a': 'b'}}").expect("it is JSON");
    let lines = "{\n    \"return\": {\n        \"a\": \"b\"\n    },\n    \"id\": [\n        {\n        },\n        \
         [\n        ],\n        1\n    ]\n}";
    assert_eq!(to_json_pretty(&value), lines);
}

#[test]
fn a_text_holds_one_value() {
    let error = |text: &str| from_json(text).expect_err("it is wrong").desc;
    assert_eq!(error("{} {}"), "Expecting at most one JSON value");
    assert_eq!(error("{} x"), "Expecting at most one JSON value");
    assert_eq!(error(" "), "Expecting a JSON value");
    assert_eq!(error("{"), "JSON parse error, premature EOI");
    assert_eq!(error("'a"), "JSON parse error, stray ''a'");
    assert_eq!(from_json("12"), Ok(12i64.into()));
}
