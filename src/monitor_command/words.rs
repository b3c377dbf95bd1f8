//! A request as a line of words: `drive-mirror device=src target=x sync=full`.
//!
//! QEMU: `QMPShell._build_cmd`, `QMPShell._cli_expr` (python/qemu/qmp/qmp_shell.py).

use blockjob::qapi::json::from_json;
use blockjob::qapi::{Dict, QmpError, QmpResult, Value};

use super::schema::{ArgType, CommandSchema};

/// Makes a request of a line.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn request(line: &str, schema: &CommandSchema) -> QmpResult<Value> {
    let words = split(line)?;
    let Some((command, words)) = words.split_first() else {
        return Err(QmpError::generic("there is no command"));
    };
    let mut pairs = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some(pair) => pairs.push(pair),
            None => {
                let what = format!("'{word}' is no argument: write it as NAME=VALUE");
                return Err(QmpError::generic(what));
            }
        }
    }
    let types = schema.args(command, &pairs);
    let mut args = Dict::new();
    for (name, text) in &pairs {
        let known = types.iter().find(|(known, _)| known == name);
        let value = value(text, known.map(|(_, arg_type)| arg_type))?;
        put(&mut args, name, name, value)?;
    }
    Ok(super::request(command, args))
}

/// Puts `a.b.c=value` into the object `b` of the object `a`.
fn put(args: &mut Dict, name: &str, whole: &str, value: Value) -> QmpResult<()> {
    let wrong = |what: &str| Err(QmpError::generic(format!("'{whole}' {what}")));
    let Some((first, rest)) = name.split_once('.') else {
        return match args.put(name, value) {
            None => Ok(()),
            Some(_) => wrong("is there twice"),
        };
    };
    let mut inner = match args.remove(first) {
        None => Dict::new(),
        Some(Value::Dict(inner)) => inner,
        Some(_) => return wrong("is below an argument that is no object"),
    };
    put(&mut inner, rest, whole, value)?;
    args.put(first, inner);
    Ok(())
}

/// A value as a person writes it: by its type if that is known, and else by what it looks like.
fn value(text: &str, arg_type: Option<&ArgType>) -> QmpResult<Value> {
    if let Some(quoted) = unquoted(text) {
        return Ok(Value::from(quoted));
    }
    match (arg_type, text) {
        (Some(ArgType::Text | ArgType::Enum(_)), _) => Ok(Value::from(text)),
        (Some(ArgType::Boolean), "on") => Ok(Value::from(true)),
        (Some(ArgType::Boolean), "off") => Ok(Value::from(false)),
        _ if text.starts_with(['{', '[']) => from_json(text),
        (_, "true" | "false" | "null") => from_json(text),
        _ if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            let number = from_json(text).ok().filter(|v| matches!(v, Value::Num(_)));
            Ok(number.unwrap_or_else(|| Value::from(text)))
        }
        _ => Ok(Value::from(text)),
    }
}

/// The text between quotes, if it is all in them.
fn unquoted(text: &str) -> Option<&str> {
    let of = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    of('"').or_else(|| of('\''))
}

/// Words between blanks; what stands in quotes, braces or brackets stays together.
fn split(line: &str) -> QmpResult<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut escaped = false;
    let mut open = 0;
    for c in line.chars() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(begin), _) if c == begin => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[') => open += 1,
            (None, '}' | ']') => open -= 1,
            (None, _) if c.is_whitespace() && open <= 0 => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                continue;
            }
            (None, _) => {}
        }
        word.push(c);
    }
    if quote.is_some() || open > 0 {
        return Err(QmpError::generic("a quote or a brace has no end"));
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        let result = request(line, &CommandSchema::default());
        result.expect_err("it is wrong").desc
    }

    fn assert_asks(line: &str, expected: &str) {
        let request = request(line, &schema()).expect("it is right");
        assert_eq!(request, from_json(expected).expect("it is JSON"));
    }

    fn schema() -> CommandSchema {
        let schema = "[
            {'name': 'add', 'meta-type': 'command', 'arg-type': '1'},
            {'name': '1', 'meta-type': 'object', 'members': [
                {'name': 'id', 'type': 'str'}, {'name': 'force', 'type': 'bool'}]},
            {'name': 'str', 'meta-type': 'builtin', 'json-type': 'string'},
            {'name': 'bool', 'meta-type': 'builtin', 'json-type': 'boolean'}]";
        CommandSchema::new(&from_json(schema).expect("it is JSON"))
    }

    #[test]
    fn values_are_what_the_schema_says_or_what_they_look_like() {
        assert_asks(
            "add id=1 force=on x=1 y=on z=true n=null f=1.5 d=-3 i=10.0.0.1",
            r#"{"execute": "add", "arguments": {"id": "1", "force": true, "x": 1, "y": "on", "z": true, "n": null, "f": 1.5, "d": -3, "i": "10.0.0.1"}}"#,
        );
        assert_asks(" query-jobs ", r#"{"execute": "query-jobs"}"#);
    }

    #[test]
    fn quotes_and_braces_keep_words_together_and_dots_go_into_objects() {
        assert_asks(
            r#"x a="b c" d={"e": [1, 2]} f.g=1 f.h='2'"#,
            r#"{"execute": "x", "arguments": {"a": "b c", "d": {"e": [1, 2]}, "f": {"g": 1, "h": "2"}}}"#,
        );
        assert_eq!(refused("x a"), "'a' is no argument: write it as NAME=VALUE");
        assert_eq!(refused("x a='b"), "a quote or a brace has no end");
        assert_eq!(refused("x a=1 a=2"), "'a' is there twice");
        assert_eq!(
            refused("x a=1 a.b=2"),
            "'a.b' is below an argument that is no object"
        );
    }
}
