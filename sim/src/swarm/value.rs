//! What a field may be, and drawing it.

use super::error::ScenarioErrorKind;
use super::stream::Stream;
use crate::config::{Field, Form};

/// One of several, each as often as the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alternatives(Vec<Value>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Fixed(u64),
    /// From, to, both included.
    Even(u64, u64),
    /// From, to, both included, each power of two as often as the others.
    Log(u64, u64),
    /// Each of these bits as often as not.
    Some(u64),
}

impl Alternatives {
    pub(super) fn fixed(value: u64) -> Self {
        Alternatives(vec![Value::Fixed(value)])
    }

    pub(super) fn is_fixed(&self) -> bool {
        matches!(&self.0[..], [Value::Fixed(_)])
    }

    /// Reads what stands behind the `=` in the line of `field`.
    pub(super) fn parse(field: Field, text: &str) -> Result<Self, ScenarioErrorKind> {
        let values = text.split('|').map(|part| parse_value(field, part.trim()));
        Ok(Alternatives(values.collect::<Result<_, _>>()?))
    }

    pub(super) fn draw(&self, stream: &mut Stream) -> u64 {
        let chosen = match self.0.len() {
            1 => 0,
            n => stream.below(n as u64),
        };
        match self.0[chosen as usize] {
            Value::Fixed(value) => value,
            Value::Even(from, to) => from + stream.below((to - from).wrapping_add(1)),
            Value::Log(from, to) => {
                let (low, high) = (from.ilog2(), to.ilog2());
                let power = low + stream.below(u64::from(high - low) + 1) as u32;
                let first = from.max(1 << power);
                let last = to.min((1 << power) + ((1 << power) - 1));
                first + stream.below(last - first + 1)
            }
            Value::Some(bits) => bits & stream.below(0),
        }
    }
}

fn parse_value(field: Field, text: &str) -> Result<Value, ScenarioErrorKind> {
    let wrong = |expected: &str| ScenarioErrorKind::Value {
        key: field.key(),
        value: text.to_owned(),
        expected: expected.to_owned(),
    };
    if text.is_empty() {
        return Err(wrong("a value"));
    }
    if let Form::Set(names) = field.form()
        && let Some(members) = text.strip_prefix("some")
    {
        let Some(members) = members.trim().strip_prefix("of ") else {
            let all = Value::Some((1 << names.len()) - 1);
            return members
                .is_empty()
                .then_some(all)
                .ok_or_else(|| wrong("some, or some of ... with names joined by +"));
        };
        return Ok(Value::Some(one(field, members.trim())?));
    }
    let Some((from, to)) = text.split_once("..") else {
        return Ok(Value::Fixed(one(field, text)?));
    };
    if !matches!(field.form(), Form::Number { .. }) {
        return Err(wrong("alternatives joined by |: only numbers have ranges"));
    }
    let (to, log) = match to.trim().strip_suffix("log") {
        Some(to) => (to, true),
        None => (to, false),
    };
    let (from, to) = (one(field, from.trim())?, one(field, to.trim())?);
    if from > to {
        return Err(wrong("the smaller end of a range first"));
    }
    match log {
        true if from == 0 => Err(wrong("a log range from 1 or more; 0 can be an alternative")),
        true => Ok(Value::Log(from, to)),
        false => Ok(Value::Even(from, to)),
    }
}

/// A single value of `field`, which may have a unit if it is a number.
fn one(field: Field, text: &str) -> Result<u64, ScenarioErrorKind> {
    let plain = match (field.form(), unit(text)) {
        (Form::Number { .. }, Some(number)) => field.parse_value(&number.to_string()),
        _ => field.parse_value(text),
    };
    plain.map_err(|_| ScenarioErrorKind::Value {
        key: field.key(),
        value: text.to_owned(),
        expected: expected(field),
    })
}

/// The number that `text` is with its unit; nothing if it has none, or is no number.
fn unit(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("K", 1 << 10),
        ("M", 1 << 20),
        ("G", 1 << 30),
    ];
    let (digits, factor) = UNITS.iter().find_map(|(suffix, factor)| {
        let digits = text.strip_suffix(suffix)?.trim_end();
        let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        all.then_some((digits, factor))
    })?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

/// What a single value of `field` is written as.
pub(super) fn expected(field: Field) -> String {
    match field.form() {
        Form::Number { max } => format!("a number up to {max}"),
        Form::Name(names) => format!("one of {}", names.join(", ")),
        Form::Set(names) => format!(
            "none, all, some, or some of {} joined by +",
            names.join(", ")
        ),
    }
}
