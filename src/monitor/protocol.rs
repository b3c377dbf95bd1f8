//! What is spoken in a session: bytes to requests, requests to replies.
//!
//! QEMU: `monitor_qmp_dispatch`, `qmp_send_response` (monitor/qmp.c), `qmp_dispatch`
//! (qapi/qmp-dispatch.c).

use std::cell::RefCell;
use std::collections::VecDeque;

use super::capabilities::{already_complete, expecting};
use super::dispatch::Dispatch;
use super::hmp::{Lines, PROMPT, banner};
use super::request::{self, Request};
use super::version::version_info;
use crate::qapi::json::{JsonStream, to_json, to_json_pretty};
use crate::qapi::types::control::{QMPCapability, QmpCapabilities};
use crate::qapi::{Dict, ErrorClass, Flavour, Input, Qapi, QmpError, QmpResult, Value};

/// The one command that a session answers itself.
const NEGOTIATION: &str = "qmp_capabilities";

/// Something that a client said and that wants an answer.
pub(crate) enum Heard {
    /// A JSON value, or why it is none.
    Json(QmpResult<Value>),
    /// A line of a person.
    Line(String),
}

impl Heard {
    pub(crate) fn is_oob(&self) -> bool {
        matches!(self, Heard::Json(Ok(request)) if request::is_oob(request))
    }
}

/// What a session knows of its client's language.
pub(crate) enum Protocol {
    Control(Control),
    Readline(Lines),
}

/// The state of a QMP session.
pub(crate) struct Control {
    parser: JsonStream,
    /// Replies are laid out for people.
    pretty: bool,
    /// The client has agreed upon capabilities: commands are executed, and events told.
    negotiated: bool,
    /// It may have commands executed out of band.
    oob: bool,
}

impl Protocol {
    pub(crate) fn control(pretty: bool) -> Self {
        Protocol::Control(Control {
            parser: JsonStream::new(),
            pretty,
            negotiated: false,
            oob: false,
        })
    }

    pub(crate) fn readline() -> Self {
        Protocol::Readline(Lines::default())
    }

    /// What a new client sees first.
    ///
    /// QEMU: `qmp_greeting` (monitor/qmp.c).
    pub(crate) fn greeting(&self) -> String {
        match self {
            Protocol::Control(control) => {
                let capabilities = vec![QMPCapability::Oob.as_str()];
                let mut greeting = Dict::new();
                greeting.put("version", version_info().to_value());
                greeting.put("capabilities", capabilities);
                control.text(Dict::from_iter([("QMP", greeting)]))
            }
            Protocol::Readline(_) => line_ends(&banner()),
        }
    }

    /// True if the client has yet to agree upon capabilities: nothing else is executed.
    pub(crate) fn is_negotiating(&self) -> bool {
        matches!(self, Protocol::Control(control) if !control.negotiated)
    }

    /// True if the client has agreed upon `oob`.
    pub(crate) fn oob_enabled(&self) -> bool {
        matches!(self, Protocol::Control(control) if control.oob)
    }

    /// Takes the next bytes of the client.
    pub(crate) fn feed(&mut self, bytes: &[u8], heard: &mut VecDeque<Heard>) {
        match self {
            Protocol::Control(control) => control
                .parser
                .feed(bytes, &mut |json| heard.push_back(Heard::Json(json))),
            Protocol::Readline(lines) => {
                lines.feed(bytes, &mut |line| heard.push_back(Heard::Line(line)));
            }
        }
    }

    /// How the client is told of events, if it is: laid out for people, or not.
    pub(crate) fn events(&self) -> Option<bool> {
        match self {
            Protocol::Control(control) if control.negotiated => Some(control.pretty),
            _ => None,
        }
    }
}

impl Control {
    fn text(&self, reply: Dict) -> String {
        json_line(&Value::Dict(reply), self.pretty)
    }
}

/// A value as it goes out.
pub(crate) fn json_line(value: &Value, pretty: bool) -> String {
    if pretty {
        return line_ends(&(to_json_pretty(value) + "\n"));
    }
    let mut text = to_json(value);
    text.push_str("\r\n");
    text
}

/// QEMU: `monitor_puts_locked` (monitor/monitor.c).
fn line_ends(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// Executes what a client said, and returns the answer. The command may poll, and the session hear
/// more meanwhile: nothing of it stays borrowed.
pub(crate) fn execute(
    protocol: &RefCell<Protocol>,
    heard: Heard,
    dispatch: &dyn Dispatch,
) -> String {
    match heard {
        Heard::Line(line) => line_ends(&(dispatch.hmp(&line) + PROMPT)),
        Heard::Json(json) => {
            let object = json.as_ref().ok().and_then(Value::as_dict);
            let id = object.and_then(|request| request.get("id")).cloned();
            let result = json.and_then(|request| execute_json(protocol, request, dispatch));
            let mut reply = match result {
                Ok(value) => Dict::from_iter([("return", value)]),
                Err(error) => error_reply(&error),
            };
            if let Some(id) = id {
                reply.put("id", id);
            }
            match &*protocol.borrow() {
                Protocol::Control(control) => control.text(reply),
                Protocol::Readline(_) => unreachable!("people do not speak JSON"),
            }
        }
    }
}

/// QEMU: `qmp_error_response` (qapi/qmp-dispatch.c).
fn error_reply(error: &QmpError) -> Dict {
    let members = [("class", error.class.as_str()), ("desc", &error.desc)];
    Dict::from_iter([("error", Dict::from_iter(members))])
}

fn execute_json(
    protocol: &RefCell<Protocol>,
    request: Value,
    dispatch: &dyn Dispatch,
) -> QmpResult<Value> {
    let oob = request::is_oob(&request);
    let enabled = protocol.borrow().oob_enabled();
    let Request { command, args } = request::check(request, enabled)?;
    let negotiated = protocol.borrow().events().is_some();
    let allows_oob = match (negotiated, &*command) {
        (true, NEGOTIATION) => Some(false),
        (true, command) => dispatch.allows_oob(command),
        (false, NEGOTIATION) => Some(false),
        (false, _) => return Err(expecting()),
    };
    match allows_oob {
        None => Err(QmpError::new(
            ErrorClass::CommandNotFound,
            format!("The command {command} has not been found"),
        )),
        Some(false) if oob => Err(QmpError::generic(format!(
            "The command {command} does not support OOB"
        ))),
        Some(_) if command == NEGOTIATION => negotiate(protocol, args),
        Some(_) => dispatch.run(&command, args),
    }
}

/// QEMU: `qmp_capabilities` (monitor/qmp-cmds-control.c).
fn negotiate(protocol: &RefCell<Protocol>, args: Dict) -> QmpResult<Value> {
    let args = Value::Dict(args);
    let wanted = QmpCapabilities::visit(Input::top(&args, Flavour::Json))?;
    let Protocol::Control(control) = &mut *protocol.borrow_mut() else {
        unreachable!("people do not negotiate");
    };
    if control.negotiated {
        return Err(already_complete());
    }
    let wanted = wanted.enable.unwrap_or_default();
    control.oob = wanted.contains(&QMPCapability::Oob);
    control.negotiated = true;
    Ok(Value::Dict(Dict::new()))
}
