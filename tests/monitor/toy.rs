//! A program whose commands are toys, and a client.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;

use blockjob::monitor::{
    Chardev, ChardevBackend, ChardevOptions, MonitorOptions, Monitors, SocketAddress,
    SocketOptions, qmp_capabilities,
};
use blockjob::qapi::types::control::QmpCapabilities;
use blockjob::qapi::{Command, Dict, QmpError, QmpResult, Value};
use blockjob::runtime::AioContext;
use blockjob::sockets;
use blockjob::{command, qapi_struct};
use futures_lite::future::yield_now;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt};
use tempfile::TempDir;

/// A test that waits for so long has failed: it would wait for ever.
const PATIENCE_NS: u64 = 60_000_000_000;

qapi_struct! {
    /// A text.
    pub struct Text {
        /// What it says.
        "text" text: String,
    }
}

qapi_struct! {
    /// A number.
    pub struct Count {
        /// How many.
        "count" count: u64,
    }
}

/// The state that the toys work on.
pub(crate) struct Toy {
    pub(crate) ctx: AioContext,
    pub(crate) monitors: Rc<Monitors>,
    /// What was executed.
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) gate: Cell<bool>,
    pub(crate) dir: TempDir,
}

fn echo(toy: &Rc<Toy>, args: Text) -> QmpResult<Text> {
    toy.log.borrow_mut().push(args.text.clone());
    Ok(args)
}

fn fail(_toy: &Rc<Toy>, args: Text) -> QmpResult<()> {
    Err(QmpError::generic(args.text))
}

/// Polls until somebody opens the gate.
fn block(toy: &Rc<Toy>, _args: ()) -> QmpResult<()> {
    toy.log.borrow_mut().push("block begins".to_owned());
    toy.ctx.poll_while(|| !toy.gate.take());
    toy.log.borrow_mut().push("block ends".to_owned());
    Ok(())
}

fn open(toy: &Rc<Toy>, _args: ()) -> QmpResult<()> {
    toy.log.borrow_mut().push("open".to_owned());
    toy.gate.set(true);
    Ok(())
}

fn tick(toy: &Rc<Toy>, args: Count) -> QmpResult<()> {
    for number in 0..args.count {
        toy.tick(number, 0);
    }
    Ok(())
}

fn blob(toy: &Rc<Toy>, args: Count) -> QmpResult<String> {
    toy.log.borrow_mut().push("blob".to_owned());
    Ok("x".repeat(usize::try_from(args.count).expect("it is small")))
}

fn note(toy: &Rc<Toy>, args: Text) -> QmpResult<()> {
    toy.log.borrow_mut().push(args.text);
    Ok(())
}

static COMMANDS: [Command<Toy>; 8] = [
    command!("qmp_capabilities", "Begins.", QmpCapabilities => (), qmp_capabilities),
    command!("echo", "Says it again.", Text => Text, echo),
    command!("fail", "Fails.", Text => (), fail),
    command!("block", "Takes long.", () => (), block),
    command!("open", "Ends `block`.", () => (), open, oob),
    command!("note", "Takes no time.", Text => (), note, oob),
    command!("tick", "Tells events.", Count => (), tick),
    command!("blob", "Says much.", Count => String, blob),
];

fn find(name: &str) -> Option<&'static Command<Toy>> {
    COMMANDS.iter().find(|command| command.name == name)
}

fn hmp(toy: &Rc<Toy>, line: &str) -> String {
    toy.log.borrow_mut().push(line.to_owned());
    match line {
        "" => String::new(),
        "block" => {
            let _ = block(toy, ());
            "done\n".to_owned()
        }
        _ => format!("you said\n{line}\n"),
    }
}

impl Toy {
    pub(crate) fn new() -> Rc<Toy> {
        let ctx = AioContext::new();
        let monitors = Monitors::new(&ctx);
        let toy = Rc::new(Toy {
            ctx,
            monitors,
            log: RefCell::default(),
            gate: Cell::new(false),
            dir: TempDir::new().expect("a folder"),
        });
        toy.monitors.serve(&toy, find, hmp);
        toy
    }

    /// A file in the folder of the test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Tells an event that carries `bytes` of ballast.
    pub(crate) fn tick(&self, number: u64, bytes: usize) {
        let members = [
            ("number", Value::from(number)),
            ("ballast", Value::from("x".repeat(bytes))),
        ];
        self.monitors.emit("TICK", Dict::from_iter(members));
    }

    pub(crate) fn socket(&self, name: &str, socket: SocketOptions) -> QmpResult<Chardev> {
        let options = ChardevOptions {
            id: name.to_owned(),
            backend: ChardevBackend::Socket(socket),
        };
        Chardev::open(&self.ctx, &options)
    }

    /// Adds a monitor behind a unix socket of that name.
    pub(crate) fn add(&self, name: &str, options: &MonitorOptions) {
        let path = self.path(name);
        let socket = SocketOptions::server(SocketAddress::Unix { path });
        let chardev = self.socket(name, socket).expect("it is opened");
        self.monitors.add(chardev, options);
    }

    /// A client of that monitor that has not said anything.
    pub(crate) async fn connect(&self, name: &str) -> Client {
        let stream = sockets::connect_unix(self.path(name)).await;
        Client::new(&self.ctx, stream.expect("it is connected"))
    }

    /// A client of that monitor that has agreed upon capabilities.
    pub(crate) async fn client(&self, name: &str) -> Client {
        self.negotiated(name, "[]").await
    }

    /// The same, with these capabilities.
    pub(crate) async fn negotiated(&self, name: &str, capabilities: &str) -> Client {
        let mut client = self.connect(name).await;
        assert!(client.line().await.starts_with(r#"{"QMP": "#));
        let request = r#"{"execute": "qmp_capabilities", "arguments": {"enable": CAPABILITIES}}"#;
        let request = request.replace("CAPABILITIES", capabilities);
        assert_eq!(client.ask(&request).await, r#"{"return": {}}"#);
        client
    }

    /// Runs a test in the context of the toy.
    pub(crate) fn run<F>(self: &Rc<Toy>, test: impl FnOnce(Rc<Toy>) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        self.ctx.run("test", test(self.clone()))
    }

    /// Waits for what must happen.
    pub(crate) async fn patiently<T>(&self, future: impl Future<Output = T>) -> T {
        patiently(&self.ctx, future).await
    }

    /// Looks, again and again, until `condition` holds.
    pub(crate) async fn until(&self, condition: impl Fn() -> bool) {
        let waiting = async {
            while !condition() {
                yield_now().await;
            }
        };
        patiently(&self.ctx, waiting).await;
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        self.monitors.close_all();
        self.ctx.close();
    }
}

async fn patiently<T>(ctx: &AioContext, future: impl Future<Output = T>) -> T {
    let impatient = async {
        ctx.sleep(PATIENCE_NS).await;
        panic!("what the test waits for does not happen");
    };
    future.or(impatient).await
}

/// The other side of a socket.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}

/// A client that reads lines.
pub(crate) struct Client {
    ctx: AioContext,
    pub(crate) stream: Box<dyn Socket>,
    heard: VecDeque<u8>,
}

impl Client {
    pub(crate) fn new(ctx: &AioContext, stream: impl Socket + 'static) -> Client {
        Client {
            ctx: ctx.clone(),
            stream: Box::new(stream),
            heard: VecDeque::new(),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        let sending = self.stream.write_all(text.as_bytes());
        patiently(&self.ctx, sending).await.expect("it is sent");
    }

    /// Reads a piece, which goes to the lines that are asked for later. True if there was one, false
    /// at the end.
    pub(crate) async fn hear(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        let reading = self.stream.read(&mut buffer);
        match patiently(&self.ctx, reading).await {
            Ok(0) | Err(_) => false,
            Ok(bytes) => {
                self.heard.extend(&buffer[..bytes]);
                true
            }
        }
    }

    /// The next line, without its end, which is `\r\n`; `None` at the end.
    pub(crate) async fn maybe_line(&mut self) -> Option<String> {
        let mut looked_at = 0;
        loop {
            let found = self
                .heard
                .iter()
                .skip(looked_at)
                .position(|&byte| byte == b'\n');
            if let Some(at) = found {
                let line: Vec<u8> = self.heard.drain(..=looked_at + at).collect();
                let line = String::from_utf8(line).expect("it is text");
                let line = line.strip_suffix("\r\n").expect("it ends as the peer's");
                return Some(line.to_owned());
            }
            looked_at = self.heard.len();
            if !self.hear().await {
                return None;
            }
        }
    }

    pub(crate) async fn line(&mut self) -> String {
        self.maybe_line().await.expect("there is another line")
    }

    /// Reads until what came ends in `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(self.heard.make_contiguous()).into_owned();
            if text.ends_with(end) {
                self.heard.clear();
                return text;
            }
            assert!(self.hear().await, "it ended after: {text}");
        }
    }

    /// Sends a request and returns the next line.
    pub(crate) async fn ask(&mut self, request: &str) -> String {
        self.send(request).await;
        self.line().await
    }

    pub(crate) async fn echo(&mut self, text: &str) -> String {
        self.ask(&echo_request(text)).await
    }
}

pub(crate) fn echo_request(text: &str) -> String {
    format!(r#"{{"execute": "echo", "arguments": {{"text": "{text}"}}}}"#)
}

pub(crate) fn echo_reply(text: &str) -> String {
    format!(r#"{{"return": {{"text": "{text}"}}}}"#)
}

/// The error of the usual class.
pub(crate) fn error_reply(desc: &str) -> String {
    format!(r#"{{"error": {{"class": "GenericError", "desc": "{desc}"}}}}"#)
}
