//! Values to text.
//!
//! QEMU: qobject/json-writer.c, `to_json` (qobject/qjson.c).

use std::fmt::Write;

use super::order::Orders;
use crate::qapi::{Dict, Number, Value};

/// The text of a value on one line, without a line end: members in the order of the peer's hash
/// table, all in ASCII.
///
/// QEMU: `qobject_to_json` (qobject/qjson.c).
pub fn to_json(value: &Value) -> String {
    let mut text = String::with_capacity(256);
    write_json(value, &mut text);
    text
}

/// Appends what [`to_json`] returns to `text`.
pub fn write_json(value: &Value, text: &mut String) {
    let (indent, orders) = (None, Orders::default());
    Writer {
        text,
        indent,
        orders,
    }
    .value(value);
}

/// The text of a value for people: each member and element on a line of its own, four blanks a level.
/// Lines end in `\n`; the last has no end.
///
/// QEMU: `qobject_to_json_pretty` (qobject/qjson.c).
pub fn to_json_pretty(value: &Value) -> String {
    let mut text = String::with_capacity(256);
    let (indent, orders) = (Some(0), Orders::default());
    Writer {
        text: &mut text,
        indent,
        orders,
    }
    .value(value);
    text
}

struct Writer<'a, 'text> {
    text: &'text mut String,
    /// How many levels are open, if there is a line for each thing.
    indent: Option<usize>,
    orders: Orders<'a>,
}

impl<'a> Writer<'a, '_> {
    fn value(&mut self, value: &'a Value) {
        match value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(true) => self.text.push_str("true"),
            Value::Bool(false) => self.text.push_str("false"),
            Value::Num(number) => self.number(*number),
            Value::Str(text) => self.string(text),
            Value::List(list) => self.list(list),
            Value::Dict(dict) => self.dict(dict),
        }
    }

    fn list(&mut self, list: &'a [Value]) {
        self.open('[');
        for (index, value) in list.iter().enumerate() {
            self.separate(index > 0);
            self.value(value);
        }
        self.close(']');
    }

    fn dict(&mut self, dict: &'a Dict) {
        self.open('{');
        for (nth, index) in self.orders.of(dict).iter().enumerate() {
            let (key, value) = dict.at(*index);
            self.separate(nth > 0);
            self.string(key);
            self.text.push_str(": ");
            self.value(value);
        }
        self.close('}');
    }

    fn open(&mut self, bracket: char) {
        self.text.push(bracket);
        self.indent = self.indent.map(|level| level + 1);
    }

    fn close(&mut self, bracket: char) {
        self.indent = self.indent.map(|level| level - 1);
        self.new_line();
        self.text.push(bracket);
    }

    fn separate(&mut self, comma: bool) {
        if comma {
            let pretty = self.indent.is_some();
            self.text.push_str(if pretty { "," } else { ", " });
        }
        self.new_line();
    }

    fn new_line(&mut self) {
        if let Some(level) = self.indent {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n("    ", level));
        }
    }

    fn number(&mut self, number: Number) {
        // Writing to a string does not fail.
        let _ = match number {
            Number::Int(value) => write!(self.text, "{value}"),
            Number::UInt(value) => write!(self.text, "{value}"),
            Number::Double(value) => {
                self.text.push_str(&double(value));
                Ok(())
            }
        };
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        let mut rest = text;
        let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
        while let Some(at) = rest.bytes().position(|byte| !plain(byte)) {
            self.text.push_str(&rest[..at]);
            let special = rest[at..].chars().next().expect("a byte was found there");
            self.escape(special);
            rest = &rest[at + special.len_utf8()..];
        }
        self.text.push_str(rest);
        self.text.push('"');
    }

    fn escape(&mut self, special: char) {
        match special {
            '"' => self.text.push_str("\\\""),
            '\\' => self.text.push_str("\\\\"),
            '\u{8}' => self.text.push_str("\\b"),
            '\u{c}' => self.text.push_str("\\f"),
            '\n' => self.text.push_str("\\n"),
            '\r' => self.text.push_str("\\r"),
            '\t' => self.text.push_str("\\t"),
            _ => {
                // The peer lets codes that are no characters not pass; neither do we.
                let known = super::unicode::character(u32::from(special));
                let special = known.unwrap_or(char::REPLACEMENT_CHARACTER);
                for unit in special.encode_utf16(&mut [0; 2]) {
                    let _ = write!(self.text, "\\u{unit:04X}");
                }
            }
        }
    }
}

/// A number as C's `%.17g` writes it.
fn double(value: f64) -> String {
    if value.is_nan() {
        let sign = if value.is_sign_negative() { "-" } else { "" };
        return format!("{sign}nan");
    }
    if value.is_infinite() || value == 0.0 {
        return format!("{value}");
    }
    // `d.dddddddddddddddde-5`: 17 digits, of which the last ones may be zeroes.
    let text = format!("{value:.16e}");
    let (digits, exponent) = text.split_once('e').expect("that is how Rust writes it");
    let exponent: i32 = exponent.parse().expect("that is how Rust writes it");
    if (-4..17).contains(&exponent) {
        let decimals = usize::try_from(16 - exponent).expect("it is in that range");
        return without_zeroes(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let digits = without_zeroes(digits);
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn without_zeroes(text: &str) -> &str {
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.')
}
