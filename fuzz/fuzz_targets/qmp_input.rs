//! What a client sends over QMP: bytes to values, values to arguments of commands, values to text.
//!
//! Nothing may panic, whatever comes. What is fed in pieces must give what is fed at once. What is written
//! must be read again as the same value. What a declaration has read, it must read again when it has
//! written it.
//!
//! The first byte says how the rest is cut into pieces.

#![no_main]

use blockjob::daemon::commands::COMMANDS;
use blockjob::qapi::json::{JsonStream, from_json, to_json, to_json_pretty};
use blockjob::qapi::types::blockdev_create::BlockdevCreate;
use blockjob::qapi::types::mirror::{BlockdevMirror, DriveMirror};
use blockjob::qapi::types::node_options::{BlockdevOptions, BlockdevReopen};
use blockjob::qapi::types::qom::ObjectOptions;
use blockjob::qapi::{Dict, Flavour, Input, Number, Qapi, QmpResult, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = said(bytes, bytes.len().max(1));
    assert_eq!(said(bytes, usize::from(cut % 16) + 1), whole);
    for result in whole {
        match result {
            Ok(value) => value_is_fine(&value),
            Err(error) => assert!(!error.desc.is_empty()),
        }
    }
});

/// What comes out of a stream that is fed in pieces of `size` bytes.
fn said(bytes: &[u8], size: usize) -> Vec<QmpResult<Value>> {
    let mut said = Vec::new();
    let mut stream = JsonStream::new();
    for piece in bytes.chunks(size) {
        stream.feed(piece, &mut |result| said.push(result));
    }
    stream.flush(&mut |result| said.push(result));
    said
}

fn value_is_fine(value: &Value) {
    let text = to_json(value);
    assert!(text.is_ascii());
    // The peer writes what is beyond all numbers as a word that is no JSON; so do we.
    if is_finite(value) {
        let again = from_json(&text).expect("what was written can be read");
        assert_eq!(to_json(&sorted(&again)), to_json(&sorted(value)));
        let again = from_json(&to_json_pretty(value)).expect("what was written can be read");
        assert_eq!(to_json(&sorted(&again)), to_json(&sorted(value)));
    }
    arguments(value);
    // The arguments of a request.
    if let Some(inner) = value.as_dict().and_then(|dict| dict.get("arguments")) {
        arguments(inner);
        let name = value.as_dict().and_then(|dict| dict.get("execute"));
        let name = name.and_then(Value::as_str);
        let known = COMMANDS.iter().copied().flatten();
        let _ = known.filter(|command| Some(command.name) == name).count();
    }
}

fn is_finite(value: &Value) -> bool {
    match value {
        Value::Num(Number::Double(number)) => number.is_finite(),
        Value::List(list) => list.iter().all(is_finite),
        Value::Dict(dict) => dict.iter().all(|(_, value)| is_finite(value)),
        _ => true,
    }
}

/// The same members in the order of their names: members of one bucket change places when they are
/// written.
fn sorted(value: &Value) -> Value {
    match value {
        Value::List(list) => Value::List(list.iter().map(sorted).collect()),
        Value::Dict(dict) => {
            let mut members: Vec<_> = dict.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members = members.into_iter();
            Value::Dict(
                members
                    .map(|(name, value)| (name, sorted(value)))
                    .collect::<Dict>(),
            )
        }
        other => other.clone(),
    }
}

fn arguments(value: &Value) {
    for flavour in [Flavour::Json, Flavour::Keyval] {
        read::<DriveMirror>(value, flavour);
        read::<BlockdevMirror>(value, flavour);
        read::<BlockdevOptions>(value, flavour);
        read::<BlockdevReopen>(value, flavour);
        read::<BlockdevCreate>(value, flavour);
        read::<ObjectOptions>(value, flavour);
    }
}

fn read<T: Qapi>(value: &Value, flavour: Flavour) {
    match T::visit(Input::top(value, flavour)) {
        Err(error) => assert!(!error.desc.is_empty()),
        Ok(read) => {
            let written = read.to_value();
            let again = T::visit(Input::top(&written, Flavour::Json));
            let again = again.expect("a declaration reads what it has written");
            assert_eq!(again.to_value(), written);
        }
    }
}
