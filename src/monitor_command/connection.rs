//! The connection of `blockjob monitor`: a thread reads, the other one asks.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::time::Duration;

use blockjob::qapi::json::{JsonStream, to_json};
use blockjob::qapi::{Dict, QmpError, QmpResult, Value};

use super::request;
use crate::failure::Failure;
use crate::say;

/// How much is read at a time, in bytes.
const READ_BYTES: usize = 64 << 10;

/// Prints a text that has no line end, from any thread, and leaves a line that is being edited whole.
pub(crate) type Show = Box<dyn FnMut(String) + Send>;

/// After so long without a greeting the user is told what it may be waiting for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A connected socket.
pub(super) trait Stream: Read + Write + Send {
    /// The same socket, for another thread.
    fn another(&self) -> io::Result<Box<dyn Stream>>;

    /// Reading ends after that time, if there is one.
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn another(&self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.try_clone()?))
    }

    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)
    }
}

impl Stream for TcpStream {
    fn another(&self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.try_clone()?))
    }

    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)
    }
}

/// What is spoken on the other side.
pub(super) enum Language {
    /// QMP, and nothing has been agreed upon.
    Qmp(Connecting),
    /// Lines; this was said so far.
    People(Box<dyn Stream>, Vec<u8>),
}

/// A connection on which a greeting has begun.
pub(super) struct Connecting {
    stream: Box<dyn Stream>,
    heard: Vec<u8>,
}

/// Connects, and waits for the first words.
///
/// # Errors
///
/// There is no monitor.
pub(super) fn open(socket: &str) -> Result<Language, Failure> {
    let refused =
        |error: io::Error| Failure::bad_input(format!("cannot connect to '{socket}': {error}"));
    let tcp = socket.contains(':') && !socket.contains('/');
    let mut stream: Box<dyn Stream> = if tcp {
        Box::new(TcpStream::connect(socket).map_err(refused)?)
    } else {
        Box::new(UnixStream::connect(socket).map_err(refused)?)
    };
    let heard = first_words(&mut *stream, socket).map_err(refused)?;
    match heard.first() {
        None => Err(Failure::bad_input(format!("'{socket}' says nothing"))),
        Some(b'{') => Ok(Language::Qmp(Connecting { stream, heard })),
        Some(_) => Ok(Language::People(stream, heard)),
    }
}

fn first_words(stream: &mut dyn Stream, socket: &str) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; READ_BYTES];
    stream.set_patience(Some(PATIENCE))?;
    let bytes = match stream.read(&mut buffer) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            say::err(&format!(
                "blockjob: '{socket}' has not answered yet: another client may be connected to it"
            ));
            stream.set_patience(None)?;
            stream.read(&mut buffer)?
        }
        result => result?,
    };
    stream.set_patience(None)?;
    buffer.truncate(bytes);
    Ok(buffer)
}

/// A connection on which commands can be executed.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    replies: Receiver<QmpResult<Dict>>,
    print_replies: Arc<AtomicBool>,
}

impl Connecting {
    /// Agrees upon capabilities. From now on events are shown as they come, laid out by `layout`.
    ///
    /// # Errors
    ///
    /// The other side does not speak QMP, or not any more.
    #[allow(clippy::disallowed_methods)] // A client at a terminal: a thread listens, another types.
    pub(super) fn negotiate(
        self,
        show: Show,
        layout: fn(&Value) -> String,
    ) -> Result<Connection, Failure> {
        let Connecting { stream, heard } = self;
        let lost = |error: io::Error| Failure::failed(format!("the connection is lost: {error}"));
        let (sender, replies) = channel();
        let print_replies = Arc::new(AtomicBool::new(false));
        let listener = Listener {
            stream: stream.another().map_err(lost)?,
            sender,
            print_replies: print_replies.clone(),
            show,
            layout,
        };
        std::thread::spawn(move || listener.listen(heard));
        let mut connection = Connection {
            stream,
            replies,
            print_replies,
        };
        let greeting = connection.reply()?;
        let greeting = greeting.get("QMP").and_then(Value::as_dict);
        let Some(greeting) = greeting else {
            return Err(Failure::bad_input("the other side speaks, but not QMP"));
        };
        let offered = greeting.get("capabilities").and_then(Value::as_list);
        let oob = Value::from("oob");
        let mut args = Dict::new();
        if offered.is_some_and(|offered| offered.contains(&oob)) {
            args.put("enable", vec![oob]);
        }
        let reply = connection.ask(&request("qmp_capabilities", args))?;
        match reply.get("error") {
            None => Ok(connection),
            Some(error) => Err(Failure::bad_input(to_json(error))),
        }
    }
}

impl Connection {
    /// From now on replies are shown, too.
    pub(super) fn print_replies(&self) {
        // Nothing is asked at the moment, so there is no reply that this could race with.
        self.print_replies.store(true, Ordering::Relaxed);
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub(super) fn ask(&mut self, request: &Value) -> Result<Dict, Failure> {
        let text = to_json(request) + "\n";
        let sent = self.stream.write_all(text.as_bytes());
        sent.map_err(|error| Failure::failed(format!("the connection is lost: {error}")))?;
        self.reply()
    }

    fn reply(&mut self) -> Result<Dict, Failure> {
        match self.replies.recv() {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(Failure::failed(format!(
                "the other side does not speak QMP: {error}"
            ))),
            Err(_) => Err(Failure::failed("the connection is lost")),
        }
    }
}

/// The same value, which is written in the order in which it was received: a writer puts those of
/// equal rank the other way round.
fn as_received(value: &Value) -> Value {
    match value {
        Value::List(list) => Value::List(list.iter().map(as_received).collect()),
        Value::Dict(dict) => {
            let members = dict.iter().rev();
            Value::Dict(
                members
                    .map(|(name, value)| (name, as_received(value)))
                    .collect(),
            )
        }
        scalar => scalar.clone(),
    }
}

/// The thread that reads.
struct Listener {
    stream: Box<dyn Stream>,
    sender: Sender<QmpResult<Dict>>,
    print_replies: Arc<AtomicBool>,
    show: Show,
    layout: fn(&Value) -> String,
}

impl Listener {
    /// Shows what comes, in order, and hands replies on. Ends with the connection, or with the other
    /// thread.
    fn listen(mut self, heard: Vec<u8>) {
        let mut parser = JsonStream::new();
        let mut values = Vec::new();
        let mut buffer = heard;
        let mut bytes = buffer.len();
        loop {
            parser.feed(&buffer[..bytes], &mut |value| values.push(value));
            for value in values.drain(..) {
                if self.take(value).is_err() {
                    return;
                }
            }
            buffer.resize(READ_BYTES, 0);
            bytes = match self.stream.read(&mut buffer) {
                Ok(bytes @ 1..) => bytes,
                _ => return,
            };
        }
    }

    fn take(&mut self, value: QmpResult<Value>) -> Result<(), SendError<QmpResult<Dict>>> {
        let value = match value {
            Ok(value) => value,
            Err(error) => return self.sender.send(Err(error)),
        };
        let is_event = value.as_dict().is_some_and(|dict| dict.contains("event"));
        if is_event || self.print_replies.load(Ordering::Relaxed) {
            (self.show)((self.layout)(&as_received(&value)));
        }
        match value {
            _ if is_event => Ok(()),
            Value::Dict(reply) => self.sender.send(Ok(reply)),
            _ => self
                .sender
                .send(Err(QmpError::generic("a reply is an object"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use blockjob::qapi::json::from_json;

    use super::*;

    #[test]
    fn members_of_equal_rank_keep_their_order() {
        let text = r#"[{"micro": 2, "minor": 0, "major": 10}, {"return": {}, "id": 1}]"#;
        let value = from_json(text).expect("it is JSON");
        assert_ne!(to_json(&value), text);
        assert_eq!(to_json(&as_received(&value)), text);
    }
}
