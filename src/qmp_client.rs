//! A client of a QMP monitor, in coroutines of this program.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use blockjob::qapi::json::{JsonStream, to_json};
use blockjob::qapi::{Dict, QmpError, Value};
use blockjob::runtime::io::Async;
use blockjob::sockets;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::failure::Failure;

/// A connection that has been negotiated.
pub(crate) struct QmpClient {
    stream: Async<UnixStream>,
    /// Commands may be executed before those that were sent earlier, also by others.
    oob: bool,
    parser: JsonStream,
    replies: VecDeque<Dict>,
    /// What came without having been asked for, the oldest first.
    pub(crate) events: VecDeque<Dict>,
}

impl QmpClient {
    /// Connects to the monitor behind a unix socket.
    ///
    /// # Errors
    ///
    /// Nobody listens, or no QMP is spoken there.
    pub(crate) async fn connect(path: &Path) -> Result<Self, Failure> {
        Self::negotiate(path, false).await
    }

    /// Connects as [`connect`](Self::connect) does, and agrees upon execution out of band if that is
    /// offered.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub(crate) async fn connect_oob(path: &Path) -> Result<Self, Failure> {
        Self::negotiate(path, true).await
    }

    async fn negotiate(path: &Path, oob: bool) -> Result<Self, Failure> {
        let shown = path.display();
        let stream = sockets::connect_unix(path)
            .await
            .map_err(|error| Failure::bad_input(format!("cannot connect to '{shown}': {error}")))?;
        let mut client = QmpClient {
            stream,
            oob: false,
            parser: JsonStream::new(),
            replies: VecDeque::new(),
            events: VecDeque::new(),
        };
        let greeting = client.reply().await.unwrap_or_default();
        let Some(greeting) = greeting.get("QMP").and_then(Value::as_dict) else {
            let what = "is there a monitor for people (mode=readline), or another program?";
            return Err(Failure::bad_input(format!(
                "'{shown}' does not speak QMP: {what}"
            )));
        };
        let offered = greeting.get("capabilities").and_then(Value::as_list);
        let offered = offered.is_some_and(|offered| offered.contains(&Value::from("oob")));
        let mut args = Dict::new();
        if oob && offered {
            args.put("enable", vec![Value::from("oob")]);
        }
        match client.execute("qmp_capabilities", args).await? {
            Ok(_) => {
                client.oob = oob && offered;
                Ok(client)
            }
            Err(error) => Err(Failure::bad_input(format!("'{shown}': {error}"))),
        }
    }

    /// Runs a command: what it returned, or why it was refused.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub(crate) async fn execute(
        &mut self,
        command: &str,
        args: Dict,
    ) -> Result<Result<Value, QmpError>, Failure> {
        self.ask("execute", command, args).await
    }

    /// Runs a command out of band, if that was agreed upon, and as any other if not.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub(crate) async fn execute_oob(
        &mut self,
        command: &str,
        args: Dict,
    ) -> Result<Result<Value, QmpError>, Failure> {
        let how = if self.oob { "exec-oob" } else { "execute" };
        self.ask(how, command, args).await
    }

    async fn ask(
        &mut self,
        how: &str,
        command: &str,
        args: Dict,
    ) -> Result<Result<Value, QmpError>, Failure> {
        let mut request = Dict::new();
        request.put(how, command);
        if !args.is_empty() {
            request.put("arguments", args);
        }
        let mut text = to_json(&Value::Dict(request));
        text.push('\n');
        self.stream
            .write_all(text.as_bytes())
            .await
            .map_err(|error| lost(&error))?;
        let mut reply = self.reply().await?;
        if let Some(returned) = reply.remove("return") {
            return Ok(Ok(returned));
        }
        let error = reply.get("error").and_then(Value::as_dict);
        let desc = error
            .and_then(|error| error.get("desc"))
            .and_then(Value::as_str);
        Ok(Err(QmpError::generic(
            desc.unwrap_or("an error without a text"),
        )))
    }

    /// Returns when something has come that may be an event.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub(crate) async fn listen(&mut self) -> Result<(), Failure> {
        let mut buf = [0; 4096];
        let read = self
            .stream
            .read(&mut buf)
            .await
            .map_err(|error| lost(&error))?;
        if read == 0 {
            return Err(lost(&io::ErrorKind::UnexpectedEof.into()));
        }
        let (replies, events) = (&mut self.replies, &mut self.events);
        let mut wrong = None;
        self.parser
            .feed(&buf[..read], &mut |document| match document {
                Ok(Value::Dict(dict)) if dict.contains("event") => events.push_back(dict),
                Ok(Value::Dict(dict)) => replies.push_back(dict),
                Ok(_) => wrong = Some("it is no object".to_owned()),
                Err(error) => wrong = Some(error.desc),
            });
        match wrong {
            None => Ok(()),
            Some(why) => Err(Failure::failed(format!(
                "the monitor answers nonsense: {why}"
            ))),
        }
    }

    async fn reply(&mut self) -> Result<Dict, Failure> {
        loop {
            if let Some(reply) = self.replies.pop_front() {
                return Ok(reply);
            }
            self.listen().await?;
        }
    }
}

fn lost(error: &io::Error) -> Failure {
    Failure::failed(format!("the connection to the daemon is lost: {error}"))
}
