//! What a request must look like, before anybody looks for its command.
//!
//! QEMU: `qmp_dispatch_check_obj` (qapi/qmp-dispatch.c).

use crate::qapi::json::wire_order;
use crate::qapi::{Dict, QmpError, QmpResult, Value};

/// A request that looks as it must.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) command: String,
    pub(crate) args: Dict,
}

/// True if a request wants to run out of band. Whether it may is found out later.
///
/// QEMU: `qmp_is_oob` (qapi/qmp-dispatch.c).
pub(crate) fn is_oob(request: &Value) -> bool {
    let has = |name| request.as_dict().is_some_and(|dict| dict.contains(name));
    has("exec-oob") && !has("execute")
}

/// Checks a request, of a session that has agreed upon `oob` or has not.
///
/// # Errors
///
/// The first thing that is wrong, in the order that the members of an object have on the wire.
pub(crate) fn check(request: Value, oob: bool) -> QmpResult<Request> {
    let Value::Dict(mut request) = request else {
        return Err(QmpError::generic("QMP input must be a JSON object"));
    };
    let mut command: Option<(&str, &str)> = None;
    for (name, value) in wire_order(&request) {
        let is_command = name == "execute" || (name == "exec-oob" && oob);
        match (name, value) {
            (_, Value::Str(text)) if is_command => {
                if let Some((other, _)) = command {
                    return wrong(&format!("member '{name}' clashes with '{other}'"));
                }
                command = Some((name, text));
            }
            _ if is_command => return wrong(&format!("member '{name}' must be a string")),
            ("arguments", Value::Dict(_)) | ("id", _) => {}
            ("arguments", _) => return wrong("member 'arguments' must be an object"),
            _ => return wrong(&format!("member '{name}' is unexpected")),
        }
    }
    let Some((_, command)) = command else {
        return Err(QmpError::generic("QMP input lacks member 'execute'"));
    };
    let command = command.to_owned();
    let args = match request.remove("arguments") {
        Some(Value::Dict(args)) => args,
        _ => Dict::new(),
    };
    Ok(Request { command, args })
}

fn wrong(what: &str) -> QmpResult<Request> {
    Err(QmpError::generic(format!("QMP input {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qapi::json::from_json;

    fn error(text: &str, oob: bool) -> String {
        let request = from_json(text).expect("it is JSON");
        check(request, oob).expect_err("it is wrong").desc
    }

    /// All as the peer answers.
    #[test]
    fn the_first_mistake_on_the_wire_is_named() {
        for (text, desc) in [
            ("[]", "must be a JSON object"),
            ("{}", "lacks member 'execute'"),
            ("{'arguments': {}}", "lacks member 'execute'"),
            ("{'execute': 1}", "member 'execute' must be a string"),
            (
                "{'execute': 'a', 'exec-oob': 'b'}",
                "member 'exec-oob' is unexpected",
            ),
            (
                "{'arguments': 1, 'id': 7}",
                "member 'arguments' must be an object",
            ),
            (
                "{'zz': 1, 'yy': 2, 'execute': 1}",
                "member 'execute' must be a string",
            ),
            (
                "{'yy': 2, 'zz': 1, 'execute': 'x', 'arguments': 1}",
                "member 'zz' is unexpected",
            ),
        ] {
            assert_eq!(error(text, false), format!("QMP input {desc}"), "{text}");
        }
        for (text, desc) in [
            ("{'exec-oob': 1}", "member 'exec-oob' must be a string"),
            (
                "{'execute': 'x', 'exec-oob': 1}",
                "member 'exec-oob' must be a string",
            ),
            (
                "{'exec-oob': 'x', 'execute': 1}",
                "member 'execute' must be a string",
            ),
            (
                "{'exec-oob': 'x', 'execute': 'y'}",
                "member 'execute' clashes with 'exec-oob'",
            ),
        ] {
            assert_eq!(error(text, true), format!("QMP input {desc}"), "{text}");
        }
    }

    #[test]
    fn a_request_is_taken_apart() {
        let text = "{'execute': 'x', 'arguments': {'a': 1}, 'id': null}";
        let request = from_json(text).expect("it is JSON");
        assert!(!is_oob(&request));
        let request = check(request, false).expect("it is right");
        assert_eq!(request.command, "x");
        assert_eq!(request.args.get("a"), Some(&Value::from(1i64)));
    }
}
