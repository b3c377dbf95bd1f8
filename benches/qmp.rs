//! How long a QMP round trip takes: from the request of a client to its reply, over a unix socket.
//!
//! `cargo bench -p blockjob --bench qmp` prints a table. The client is a thread of its own that does
//! nothing else, as a client would be a process; the command does nothing. A row is about many short
//! rounds, so that a busy machine spoils some of them and not the median.
#![allow(clippy::disallowed_methods)] // A measurement asks for the time, and its client is a thread.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use blockjob::command;
use blockjob::monitor::{
    Chardev, ChardevBackend, ChardevOptions, MonitorOptions, Monitors, SocketAddress, SocketOptions,
};
use blockjob::qapi::{Command, QmpResult};
use blockjob::runtime::AioContext;

const ROUNDS: usize = 400;
const REQUESTS_A_ROUND: usize = 50;

/// The state of a program that has none.
struct Nothing;

fn nothing(_: &Rc<Nothing>, (): ()) -> QmpResult<()> {
    Ok(())
}

static NOTHING: Command<Nothing> = command!("nothing", "Does nothing.", () => (), nothing);

fn find(name: &str) -> Option<&'static Command<Nothing>> {
    (name == NOTHING.name).then_some(&NOTHING)
}

/// Microseconds a request took in each round, `depth` of them under way at a time.
fn client(path: &Path, capabilities: &str, depth: usize) -> Vec<f64> {
    let mut stream = UnixStream::connect(path).expect("the server listens");
    let mut lines = BufReader::new(stream.try_clone().expect("a descriptor")).lines();
    let mut line = || lines.next().expect("a reply").expect("a reply");
    line();
    let accept = r#"{"execute": "qmp_capabilities", "arguments": {"enable": CAPABILITIES}}"#;
    let accept = accept.replace("CAPABILITIES", capabilities);
    stream.write_all(accept.as_bytes()).expect("it is sent");
    line();
    let requests = "{\"execute\": \"nothing\", \"id\": 1}\n".repeat(depth);
    let mut round = || {
        let begin = Instant::now();
        for _ in 0..REQUESTS_A_ROUND {
            stream.write_all(requests.as_bytes()).expect("it is sent");
            for _ in 0..depth {
                assert_eq!(line(), r#"{"return": {}, "id": 1}"#);
            }
        }
        begin.elapsed().as_secs_f64() * 1e6 / (REQUESTS_A_ROUND * depth) as f64
    };
    (0..ROUNDS).map(|_| round()).collect()
}

fn measure(title: &str, capabilities: &'static str, depth: usize) {
    let ctx = AioContext::new();
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("qmp.sock");
    let monitors = Monitors::new(&ctx);
    let nothing = Rc::new(Nothing);
    monitors.serve(&nothing, find, |_, _| String::new());
    let socket = SocketOptions::server(SocketAddress::Unix { path: path.clone() });
    let options = ChardevOptions {
        id: "qmp".to_owned(),
        backend: ChardevBackend::Socket(socket),
    };
    let chardev = Chardev::open(&ctx, &options).expect("it is opened");
    monitors.add(chardev, &MonitorOptions::control());

    let done = Arc::new(AtomicBool::new(false));
    let (handle, end) = (ctx.handle(), done.clone());
    let client = std::thread::spawn(move || {
        let rounds = client(&path, capabilities, depth);
        end.store(true, Ordering::Release);
        handle.kick();
        rounds
    });
    ctx.poll_while(|| !done.load(Ordering::Acquire));
    let mut rounds = client.join().expect("the client has not panicked");
    monitors.close_all();
    ctx.close();
    rounds.sort_by(f64::total_cmp);
    let at = |percent: usize| rounds[(rounds.len() - 1) * percent / 100];
    println!("{title:<44}{:>9.1}{:>9.1}{:>9.1}", at(0), at(50), at(95));
}

fn main() {
    println!(
        "{:<44}{:>9}{:>9}{:>9}",
        "us a request", "best", "median", "95 %"
    );
    measure("one at a time", "[]", 1);
    measure("one at a time, with oob", "[\"oob\"]", 1);
    measure("8 in one piece", "[]", 8);
    measure("8 in one piece, with oob", "[\"oob\"]", 8);
}
