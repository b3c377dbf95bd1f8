//! A running `qemu-storage-daemon` with a monitor at its standard input and output.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The peer. It ends with this.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: u64,
}

impl Peer {
    /// Starts it, up to the negotiation; `None`, and a line that says so, if it is not on this machine.
    pub(crate) fn start() -> Option<Peer> {
        let child = Command::new("qemu-storage-daemon")
            .args(["--chardev", "stdio,id=m", "--monitor", "chardev=m"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Not `eprintln`, which a test that passes swallows.
                writeln!(io::stderr(), "skipped: there is no qemu-storage-daemon")
                    .expect("there is a standard error");
                return None;
            }
            Err(error) => panic!("the peer does not start: {error}"),
        };
        let input = child.stdin.take().expect("it was asked for");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut peer = Peer {
            child,
            input,
            output,
            asked: 0,
        };
        assert!(peer.line().starts_with("{\"QMP\": "));
        peer.input
            .write_all(b"{'execute': 'qmp_capabilities'}")
            .expect("the peer reads");
        assert_eq!(peer.line(), "{\"return\": {}}");
        Some(peer)
    }

    /// What follows the input of a case: whatever it left open is given up, and then something is
    /// asked whose reply is known by its id.
    pub(crate) fn sync(number: u64) -> Vec<u8> {
        let mut bytes = b"\n\xfe{'execute': 'no-such', 'id': 'sync-".to_vec();
        bytes.extend_from_slice(number.to_string().as_bytes());
        bytes.extend_from_slice(b"'}");
        bytes
    }

    /// Sends `bytes` and returns the lines that come in reply, without their ends. The last lines are
    /// those of [`Peer::sync`] with the number that is returned beside them.
    pub(crate) fn ask(&mut self, bytes: &[u8]) -> (Vec<String>, u64) {
        self.asked += 1;
        let number = self.asked;
        let sync = Peer::sync(number);
        let tag = format!("{{\"id\": \"sync-{number}\", ");
        let (input, output) = (&mut self.input, &mut self.output);
        let lines = std::thread::scope(|scope| {
            // Who writes much without reading, to somebody who writes back, waits for ever.
            scope.spawn(|| {
                input.write_all(bytes).expect("the peer reads");
                input.write_all(&sync).expect("the peer reads");
                input.flush().expect("the peer reads");
            });
            let mut lines = Vec::new();
            loop {
                let line = line(output);
                let last = line.starts_with(&tag);
                lines.push(line);
                if last {
                    return lines;
                }
            }
        });
        (lines, number)
    }

    fn line(&mut self) -> String {
        line(&mut self.output)
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("the peer speaks");
    assert!(line.ends_with("\r\n"), "the peer is gone after {line:?}");
    line.truncate(line.len() - 2);
    line
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has no state that anybody would miss.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
