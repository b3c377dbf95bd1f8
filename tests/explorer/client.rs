//! The program, and a client of HTTP that says exactly what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// No answer takes so long; a test fails with it rather than hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `blockjob sim view` in `folder`.
pub(super) fn view(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blockjob"));
    command.args(["sim", "view"]).args(args).current_dir(folder);
    command.output().expect("the program can be run")
}

/// A server, which is ended with this.
pub(super) struct Server {
    child: Child,
    /// Where it listens: `127.0.0.1:PORT`.
    pub(super) address: String,
}

impl Server {
    pub(super) fn start(args: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blockjob"));
        command.args(["sim", "view", "--serve"]).args(args);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program can be run");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is a pipe");
        let said = BufReader::new(out).read_line(&mut line);
        // From here on it is ended, whatever comes.
        let mut server = Server {
            child,
            address: String::new(),
        };
        said.expect("the server says where it is");
        let address = line.trim().strip_prefix("http://");
        let address = address.and_then(|address| address.strip_suffix('/'));
        server.address = address
            .unwrap_or_else(|| panic!("no address: {line:?}"))
            .to_owned();
        server
    }

    /// Sends `request` as it stands, and returns the whole answer.
    pub(super) fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time can be set");
        stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .expect("the server answers within a minute");
        String::from_utf8(answer).expect("the answer is text")
    }

    /// An answer: the status and the body.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let Server { address, .. } = self;
        let length = body.len();
        let answer = self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        (status(&answer), unchunked(&answer))
    }

    /// The document at `path`.
    pub(super) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("the answer is JSON")
    }

    /// The sentence with which a request is refused.
    pub(super) fn refusal(&self, method: &str, path: &str, body: &str, expected: u16) -> String {
        let (status, body) = self.ask(method, path, body);
        assert_eq!(status, expected, "{path}: {body}");
        let body: Value = serde_json::from_str(&body).expect("the answer is JSON");
        body["error"]
            .as_str()
            .expect("there is a sentence")
            .to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then the test has failed already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

pub(super) fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// The body of an answer, which may come in pieces, each after its length.
fn unchunked(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").expect("the head has an end");
    if !head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        return body.to_owned();
    }
    let (mut whole, mut rest) = (String::new(), body);
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("a piece begins with its length");
        whole.push_str(&after[..length]);
        rest = after[length..].trim_start_matches("\r\n");
        if length == 0 {
            break;
        }
    }
    whole
}

/// A text as a value in an address.
pub(super) fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}
