//! Options of a command line in the newer style: `driver=qcow2,file.driver=file,children.0=a`.
//!
//! Dots in names make objects, and objects whose members are `0`, `1`, `2` are lists. All scalars are
//! strings: the visitor's [`Flavour::Keyval`](super::Flavour) reads them as what is declared.
//!
//! QEMU: util/keyval.c.

use super::error::{QmpError, QmpResult};
use super::json::from_json;
use super::value::{Dict, Value};
use super::visit::{Flavour, Input};

/// Parts of names are shorter than this.
const PART_END: usize = 128;

fn wrong<T>(text: String) -> QmpResult<T> {
    Err(QmpError::generic(text))
}

/// Reads a text into an object. What comes first and has no `=` is the value of `implied`, if there is
/// such a name, and then has no comma. A comma in any other value is written twice. Of a name that
/// comes more than once the last value counts.
///
/// QEMU: `keyval_parse` (util/keyval.c).
///
/// # Errors
///
/// A name that is none, a name without a value, or names that contradict each other.
pub fn parse(text: &str, implied: Option<&str>) -> QmpResult<Value> {
    let mut top = Dict::new();
    let mut rest = text;
    let mut implied = implied;
    while !rest.is_empty() {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if !after.starts_with('=') && matches!(name, "help" | "?") {
            return wrong("Help is not available for this option".to_owned());
        }
        if let (Some(implied), false, false) = (implied, after.starts_with('='), name.is_empty()) {
            put(&mut top, implied, name.to_owned())?;
            rest = after.strip_prefix(',').unwrap_or("");
        } else {
            check_name(name)?;
            let Some(value) = after.strip_prefix('=') else {
                return wrong(format!("Expected '=' after parameter '{name}'"));
            };
            let (value, after) = take_value(value);
            put(&mut top, name, value)?;
            rest = after;
        }
        implied = None;
    }
    listify(top, "").map(|value| match value {
        // At the top there are names, and numbers are none.
        Value::List(_) => unreachable!("a name at the top begins with a letter"),
        value => value,
    })
}

/// Reads an option of a command line by `visit`: JSON if it begins with a brace, else names and values
/// as [`parse`] has them.
///
/// QEMU: `qobject_input_visitor_new_str` (qapi/qobject-input-visitor.c).
///
/// # Errors
///
/// Those of the parser, or of `visit`.
pub fn parse_input<T>(
    text: &str,
    implied: Option<&str>,
    visit: impl FnOnce(Input<'_>) -> QmpResult<T>,
) -> QmpResult<T> {
    if text.starts_with('{') {
        visit(Input::top(&from_json(text)?, Flavour::Json))
    } else {
        visit(Input::top(&parse(text, implied)?, Flavour::Keyval))
    }
}

/// A value up to the next single comma, and what follows that.
fn take_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut rest = text;
    while let Some(comma) = rest.find(',') {
        value.push_str(&rest[..comma]);
        rest = &rest[comma + 1..];
        match rest.strip_prefix(',') {
            Some(after) => {
                value.push(',');
                rest = after;
            }
            None => return (value, rest),
        }
    }
    value.push_str(rest);
    (value, "")
}

/// QEMU: `keyval_parse_one` (util/keyval.c).
fn check_name(name: &str) -> QmpResult<()> {
    for (index, part) in name.split('.').enumerate() {
        let letters = part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let named = part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !letters || !(named || (number && index > 0)) {
            return wrong(format!("Invalid parameter '{name}'"));
        }
        if part.len() >= PART_END {
            let fragment = if index > 0 || name.len() > part.len() {
                " fragment"
            } else {
                ""
            };
            return wrong(format!("Parameter{fragment} '{part}' is too long"));
        }
    }
    Ok(())
}

/// QEMU: `keyval_parse_put` (util/keyval.c).
fn put(top: &mut Dict, name: &str, value: String) -> QmpResult<()> {
    let inconsistent = |end: usize| {
        let prefix = &name[..end];
        wrong(format!("Parameters '{prefix}.*' used inconsistently"))
    };
    let mut dict = top;
    let mut start = 0;
    loop {
        let Some(dot) = name[start..].find('.') else {
            let part = &name[start..];
            if matches!(dict.get(part), Some(Value::Dict(_))) {
                return inconsistent(name.len());
            }
            dict.put(part, value);
            return Ok(());
        };
        let part = &name[start..start + dot];
        if !dict.contains(part) {
            dict.put(part, Dict::new());
        }
        start += dot + 1;
        match dict.get_mut(part) {
            Some(Value::Dict(inner)) => dict = inner,
            _ => return inconsistent(start - 1),
        }
    }
}

/// Makes lists of objects whose members are numbers, from the inside out.
///
/// QEMU: `keyval_listify` (util/keyval.c).
fn listify(dict: Dict, prefix: &str) -> QmpResult<Value> {
    let mut named = Dict::new();
    let mut numbered: Vec<(usize, Value)> = Vec::new();
    for (name, value) in dict {
        let value = match value {
            Value::Dict(inner) => listify(inner, &format!("{prefix}{name}."))?,
            value => value,
        };
        match name.parse::<usize>() {
            Ok(number) => numbered.push((number, value)),
            Err(_) if name.bytes().all(|b| b.is_ascii_digit()) => {
                return wrong(format!("Parameter '{prefix}0' missing"));
            }
            Err(_) => {
                named.put(name, value);
            }
        }
    }
    if numbered.is_empty() {
        return Ok(Value::Dict(named));
    }
    if !named.is_empty() {
        return wrong(format!("Parameters '{prefix}*' used inconsistently"));
    }
    // `00` and `0` are the same element, and the later one counts.
    numbered.sort_by_key(|(number, _)| *number);
    numbered.reverse();
    numbered.dedup_by_key(|(number, _)| *number);
    numbered.reverse();
    for (index, (number, _)) in numbered.iter().enumerate() {
        if index != *number {
            return wrong(format!("Parameter '{prefix}{index}' missing"));
        }
    }
    let elements = numbered.into_iter().map(|(_, value)| value);
    Ok(Value::List(elements.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qapi::json::to_json;

    fn read(text: &str) -> String {
        match parse(text, Some("driver")) {
            Ok(value) => to_json(&value),
            Err(error) => error.desc,
        }
    }

    #[test]
    fn dots_make_objects_and_numbers_make_lists() {
        let read = read("quorum,children.0.driver=file,children.1=b,read-only=on");
        let children = "\"children\": [{\"driver\": \"file\"}, \"b\"]";
        assert!(read.contains(children), "{read}");
        assert!(read.contains("\"driver\": \"quorum\""), "{read}");
        assert!(read.contains("\"read-only\": \"on\""), "{read}");
    }

    #[test]
    fn commas_in_values_are_written_twice() {
        assert_eq!(read("driver=a,,b"), "{\"driver\": \"a,b\"}");
        assert_eq!(read("driver=null-co,"), "{\"driver\": \"null-co\"}");
        assert_eq!(read(""), "{}");
        assert_eq!(read("driver=a,driver=b"), "{\"driver\": \"b\"}");
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_the_peer() {
        let long = "a".repeat(130);
        for (text, said) in [
            ("null-co,foo", "Expected '=' after parameter 'foo'"),
            ("=x", "Invalid parameter ''"),
            ("null-co,,x", "Invalid parameter ''"),
            ("null-co,a b=c", "Invalid parameter 'a b'"),
            ("null-co,.a=1", "Invalid parameter '.a'"),
            ("null-co,a..b=1", "Invalid parameter 'a..b'"),
            ("null-co,5a=1", "Invalid parameter '5a'"),
            ("null-co,0=a", "Invalid parameter '0'"),
            ("null-co,a.b=1,a=2", "Parameters 'a.*' used inconsistently"),
            ("null-co,a=2,a.b=1", "Parameters 'a.*' used inconsistently"),
            (
                "quorum,children.0=a,children.2=b",
                "Parameter 'children.1' missing",
            ),
            (
                "quorum,children.0=a,children.x=b",
                "Parameters 'children.*' used inconsistently",
            ),
            ("null-co,help", "Help is not available for this option"),
            ("help", "Help is not available for this option"),
        ] {
            assert_eq!(read(text), said, "{text}");
        }
        assert_eq!(
            read(&format!("x,{long}=1")),
            format!("Parameter '{long}' is too long")
        );
    }
}
