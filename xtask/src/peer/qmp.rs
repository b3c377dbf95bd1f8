//! A client of QEMU's machine protocol that waits for one reply at a time.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};

use serde_json::{Value, json};

use crate::Failure;

/// A connection that has passed the negotiation.
pub(crate) struct Qmp {
    input: Box<dyn BufRead>,
    output: Box<dyn Write>,
    /// Events that came while a reply was waited for.
    events: VecDeque<Value>,
}

impl Qmp {
    /// Reads the greeting and leaves negotiation mode.
    pub(crate) fn negotiate(
        input: impl Read + 'static,
        output: impl Write + 'static,
    ) -> Result<Self, Failure> {
        let mut qmp = Self {
            input: Box::new(BufReader::new(input)),
            output: Box::new(output),
            events: VecDeque::new(),
        };
        let greeting = qmp.receive()?;
        if greeting.get("QMP").is_none() {
            return Err(format!("no greeting of a monitor: {greeting}").into());
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Sends a command and waits for its reply; an error reply is an error.
    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, Failure> {
        let request = json!({"execute": command, "arguments": arguments});
        // In one piece: the peer acts on the last brace, and may be gone before a line end that
        // comes by itself.
        self.output.write_all(format!("{request}\n").as_bytes())?;
        self.output.flush()?;
        loop {
            let mut message = self.receive()?;
            if message.get("event").is_some() {
                self.events.push_back(message);
            } else if let Some(reply) = message.get_mut("return") {
                return Ok(reply.take());
            } else {
                return Err(format!("{command}: {}", message["error"]["desc"]).into());
            }
        }
    }

    /// Sends a command without arguments and reads its reply, which is the next line, without looking
    /// into it: what a busy reader costs is not what is measured. Returns the length of the line.
    pub(crate) fn exchange(&mut self, command: &str) -> Result<usize, Failure> {
        let request = format!("{{\"execute\": \"{command}\"}}\n");
        self.output.write_all(request.as_bytes())?;
        self.output.flush()?;
        let mut line = Vec::new();
        self.input.read_until(b'\n', &mut line)?;
        if !line.starts_with(b"{\"return\"") {
            return Err(format!("{command}: {}", String::from_utf8_lossy(&line)).into());
        }
        Ok(line.len())
    }

    /// Takes events in their order, those that came before first, until one is accepted.
    pub(crate) fn wait_event(
        &mut self,
        mut accept: impl FnMut(&Value) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.receive()?,
            };
            if accept(&event)? {
                return Ok(());
            }
        }
    }

    /// The events that came with the replies so far, and were not taken.
    pub(crate) fn take_events(&mut self) -> Vec<Value> {
        self.events.drain(..).collect()
    }

    fn receive(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err("the peer closed its monitor".into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer_that_says(lines: &str) -> Result<Qmp, Failure> {
        let all = format!("{{\"QMP\": {{}}}}\n{{\"return\": {{}}}}\n{lines}");
        Qmp::negotiate(std::io::Cursor::new(all.into_bytes()), std::io::sink())
    }

    #[test]
    fn an_event_before_the_reply_is_kept_for_who_waits_for_it() {
        let mut qmp = peer_that_says(
            "{\"event\": \"A\"}\n{\"event\": \"B\"}\n{\"return\": 7}\n{\"event\": \"C\"}\n",
        )
        .unwrap();
        assert_eq!(qmp.execute("x", json!({})).unwrap(), 7);
        let mut seen = Vec::new();
        qmp.wait_event(|event| {
            seen.push(event["event"].as_str().unwrap().to_owned());
            Ok(event["event"] == "C")
        })
        .unwrap();
        assert_eq!(seen, ["A", "B", "C"]);
    }

    #[test]
    fn an_error_reply_and_a_closed_monitor_are_errors() {
        let mut qmp = peer_that_says("{\"error\": {\"desc\": \"no such node\"}}\n").unwrap();
        let failure = qmp.execute("x", json!({})).unwrap_err().to_string();
        assert!(failure.contains("no such node"), "{failure}");
        let failure = qmp.execute("x", json!({})).unwrap_err().to_string();
        assert!(failure.contains("closed"), "{failure}");
    }
}
