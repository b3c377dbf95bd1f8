//! `blockjob monitor`: a client of a monitor, for a person or a script.
//!
//! QEMU: python/qemu/qmp/qmp_shell.py.

mod connection;
mod editor;
mod people;
mod schema;
mod words;

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use blockjob::qapi::json::{JsonStream, to_json, to_json_pretty};
use blockjob::qapi::{Dict, QmpResult, Value};
use clap::Args;

use crate::failure::{FAILED, Failure};
use crate::say;
use connection::{Connection, Language, Show};
use editor::Editor;
use schema::CommandSchema;

/// Talks to the monitor of a program: to `blockjob serve`, or to QEMU
///
/// Each line is a command with its arguments, `block-job-cancel device=job0 force=true`, or a request
/// in JSON, which may go over several lines. Replies and events are printed as they come. At a
/// terminal, lines can be edited, and Tab completes names of commands, of arguments and of their
/// values. A monitor for people is talked to as it wants it. The end of the input ends this program
/// and leaves the other one running.
///
/// Exit status: 0, all commands have succeeded. 1, one has not, or the connection was lost. 2, there
/// is no monitor at SOCKET.
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    /// A unix socket, or HOST:PORT
    #[arg(value_name = "SOCKET")]
    pub(crate) socket: String,
    /// Spread replies and events over lines
    #[arg(long, short)]
    pub(crate) pretty: bool,
}

/// Where lines come from.
enum Lines {
    Terminal(Box<Editor>),
    Script(io::Lines<io::StdinLock<'static>>),
}

impl Lines {
    /// The next line; `None` at the end.
    fn next(&mut self, prompt: &str) -> Result<Option<String>, Failure> {
        match self {
            Lines::Terminal(editor) => editor.line(prompt),
            Lines::Script(lines) => lines
                .next()
                .transpose()
                .map_err(|error| Failure::failed(format!("cannot read commands: {error}"))),
        }
    }
}

/// Runs commands until there is no more.
pub(crate) fn run(args: &MonitorArgs) -> Result<ExitCode, Failure> {
    let (mut lines, show): (Lines, Show) = if io::stdin().is_terminal() {
        let mut editor = Editor::new()?;
        let show = editor.printer()?;
        (Lines::Terminal(Box::new(editor)), show)
    } else {
        let show: Show = Box::new(|text| say::out(text.trim_end_matches('\n')));
        (Lines::Script(io::stdin().lock().lines()), show)
    };
    let layout = if args.pretty { to_json_pretty } else { to_json };
    match connection::open(&args.socket)? {
        Language::People(stream, banner) => people::talk(stream, &banner, &mut lines),
        Language::Qmp(connecting) => {
            let connection = connecting.negotiate(show, layout)?;
            let all_succeeded = talk(connection, &mut lines)?;
            Ok(ExitCode::from(if all_succeeded { 0 } else { FAILED }))
        }
    }
}

/// Sends what the lines say, and prints what comes back. True if nothing has failed.
fn talk(mut connection: Connection, lines: &mut Lines) -> Result<bool, Failure> {
    let reply = connection.ask(&request("query-qmp-schema", Dict::new()))?;
    // Without a schema, words are taken for what they look like.
    let schema = reply.get("return").map(CommandSchema::new);
    let schema = schema.unwrap_or_default();
    if let Lines::Terminal(editor) = lines {
        editor.set_schema(schema.clone());
    }
    connection.print_replies();
    let mut all_succeeded = true;
    while let Some(line) = lines.next("(QMP) ")? {
        let requests = match line.trim_start().as_bytes().first() {
            None | Some(b'#') => continue,
            Some(b'{' | b'[') => json_requests(line, lines)?,
            Some(_) => vec![words::request(&line, &schema)],
        };
        for request in requests {
            let reply = match &request {
                Ok(request) => connection.ask(request)?,
                Err(error) => {
                    say::err(&format!("blockjob: {error}"));
                    all_succeeded = false;
                    continue;
                }
            };
            let succeeded = reply.contains("return");
            all_succeeded &= succeeded;
            // The other side is about to go, and nothing is to be asked of it any more.
            if succeeded && is_quit(&request) {
                return Ok(all_succeeded);
            }
        }
    }
    Ok(all_succeeded)
}

fn is_quit(request: &QmpResult<Value>) -> bool {
    let command = request.as_ref().ok().and_then(Value::as_dict);
    let command = command.and_then(|request| request.get("execute"));
    command == Some(&Value::from("quit"))
}

/// The requests of a line in JSON, and of those below it until none has an open end.
fn json_requests(first: String, lines: &mut Lines) -> Result<Vec<QmpResult<Value>>, Failure> {
    let mut requests = Vec::new();
    let mut stream = JsonStream::new();
    let mut next = Some(first);
    while let Some(line) = next {
        for piece in [line.as_bytes(), b"\n"] {
            stream.feed(piece, &mut |request| requests.push(request));
        }
        next = match requests.is_empty() {
            true => lines.next("... ")?,
            false => None,
        };
    }
    stream.flush(&mut |request| requests.push(request));
    Ok(requests)
}

/// A request for a command.
fn request(command: &str, args: Dict) -> Value {
    let mut request = Dict::new();
    request.put("execute", command);
    if !args.is_empty() {
        request.put("arguments", args);
    }
    Value::Dict(request)
}
