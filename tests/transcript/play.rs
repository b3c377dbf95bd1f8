//! Plays a script against a daemon and writes down what came.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::daemon::{Daemon, Heard, Silence, Which};
use crate::normal::Normaliser;
use crate::races::{Race, forget_drains};
use crate::script::{Script, Step};

/// One thing that came, with what was asked before it.
#[derive(Clone, Debug)]
pub(crate) struct Heading {
    /// The request that was the last one when this came.
    pub(crate) after: String,
    /// What came, normalised.
    pub(crate) text: String,
    /// How the place of a reply among its events is judged.
    pub(crate) race: Option<Race>,
}

/// What came from one daemon: for each monitor, and for each command beside it, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) streams: BTreeMap<String, Vec<Heading>>,
}

impl Transcript {
    /// Whether the daemon did not say what the script waited for.
    pub(crate) fn is_silent(&self) -> bool {
        let mut lines = self.streams.values().flatten();
        lines.any(|heading| heading.text == SILENCE)
    }

    /// Whether a signal has ended the daemon.
    pub(crate) fn has_crashed(&self) -> bool {
        let mut lines = self.streams.get("status").into_iter().flatten();
        lines.any(|heading| heading.text.starts_with("signal"))
    }
}

/// What stands for a line that did not come.
const SILENCE: &str = "(silence)";
/// What stands for the end of a connection.
const END: &str = "(end)";

/// A daemon while a script is played against it.
struct Stage<'a> {
    daemon: Daemon,
    which: Which,
    dir: &'a Path,
    normaliser: Normaliser,
    transcript: Transcript,
    /// The monitor that steps are for.
    on: String,
    monitors: BTreeMap<String, Monitor>,
}

/// What the stage knows of a monitor.
#[derive(Default)]
struct Monitor {
    /// Where in its stream the next wait for an event begins.
    cursor: usize,
    /// How many lines were replies, and how many of them were waited for.
    replies: usize,
    awaited: usize,
    /// The races of replies that are still to come, by the number of the reply.
    races: BTreeMap<usize, Race>,
    next_race: Option<Race>,
    sent: usize,
    last_sent: String,
    ended: bool,
}

/// Plays `text` against a daemon in `dir`, which must be empty.
///
/// # Panics
///
/// If the script is wrong in itself, or an image cannot be made.
pub(crate) fn play(text: &str, which: Which, dir: &Path) -> Transcript {
    let script = Script::parse(text, &dir.display().to_string());
    for words in &script.images {
        let (status, output) = run(words, dir);
        assert!(status == "0", "{words:?} says {status}: {output}");
    }
    let _servers: Vec<Server> = script
        .servers
        .iter()
        .map(|words| Server::start(words, dir))
        .collect();
    let opened = script
        .steps
        .iter()
        .filter(|step| matches!(step, Step::Open { path: None, .. }))
        .count();
    let mut stage = Stage {
        daemon: Daemon::start(which, dir, &script.options, opened + 1),
        which,
        dir,
        normaliser: Normaliser::new(dir, &script.mask),
        transcript: Transcript::default(),
        on: "main".to_owned(),
        monitors: BTreeMap::new(),
    };
    if stage.steps(&script).is_err() {
        stage.note(SILENCE);
        stage.daemon.kill();
    }
    stage.end();
    for words in &script.after {
        stage.run(words);
    }
    for rule in &script.rules {
        assert!(rule == "forget-drains", "there is no rule '{rule}'");
        stage
            .transcript
            .streams
            .values_mut()
            .for_each(forget_drains);
    }
    stage.transcript
}

/// A server beside the daemon, which ends with the script.
struct Server {
    pid: String,
}

impl Server {
    fn start(words: &[String], dir: &Path) -> Server {
        let (file, command) = words.split_first().expect("a file and a command");
        // What it prints is not read: the server would hold the pipe as long as it lives.
        let started = Command::new(&command[0])
            .args(&command[1..])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        assert!(started.is_ok_and(|status| status.success()), "{command:?}");
        let pid = std::fs::read_to_string(dir.join(file)).expect("it has written its number");
        Server {
            pid: pid.trim().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-9", &self.pid]).status();
    }
}

/// Runs a command in `dir`: its status, and what it printed.
fn run(words: &[String], dir: &Path) -> (String, String) {
    let (tool, arguments) = words.split_first().expect("a command has a name");
    let output = Command::new(tool).args(arguments).current_dir(dir).output();
    let output = output.unwrap_or_else(|error| panic!("{tool}: {error}"));
    let status = output.status.code().map_or(-1, |code| code);
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (status.to_string(), text)
}

impl Stage<'_> {
    fn steps(&mut self, script: &Script) -> Result<(), Silence> {
        self.daemon.accept("main");
        self.line("main")?;
        self.negotiate()?;
        for step in &script.steps {
            if self.monitor().ended && !matches!(step, Step::Run(_) | Step::Start(_) | Step::On(_))
            {
                continue;
            }
            self.step(step)?;
        }
        Ok(())
    }

    /// The main monitor is negotiated for every script; others are tried before that.
    fn negotiate(&mut self) -> Result<(), Silence> {
        self.send(b"{'execute': 'qmp_capabilities'}\n");
        self.reply()
    }

    fn step(&mut self, step: &Step) -> Result<(), Silence> {
        match step {
            Step::Send { bytes, wait } => {
                self.send(bytes);
                if *wait {
                    self.reply()?;
                }
            }
            Step::Raw(bytes) => {
                let on = self.on.clone();
                self.monitor().last_sent = shown(bytes, self.dir);
                self.daemon.send(&on, bytes);
            }
            Step::Reply => self.reply()?,
            Step::Event(name) => self.event(&format!("\"event\": \"{name}\""))?,
            Step::Until { job, status } => {
                self.event(&format!("{{\"status\": \"{status}\", \"id\": \"{job}\"}}"))?;
            }
            Step::Race(name) => self.monitor().next_race = Some(Race::named(name)),
            Step::Open { name, path } => {
                self.on = name.clone();
                match path {
                    Some(path) => self.daemon.connect(name, path),
                    None => self.daemon.accept(name),
                }
                self.line(name)?;
            }
            Step::On(name) => self.on = name.clone(),
            Step::Close => {
                let on = self.on.clone();
                self.daemon.close(&on);
            }
            Step::Hangup => self.rest()?,
            Step::Run(words) => self.run(words),
            Step::Start(options) => self.start(options),
            Step::End => {
                let names: Vec<String> = self.monitors.keys().cloned().collect();
                for name in names {
                    self.on = name;
                    self.rest()?;
                }
            }
        }
        Ok(())
    }

    fn monitor(&mut self) -> &mut Monitor {
        self.monitors.entry(self.on.clone()).or_default()
    }

    fn send(&mut self, bytes: &[u8]) {
        let on = self.on.clone();
        let cursor = self.stream(&on).len();
        let sent = shown(bytes, self.dir);
        let monitor = self.monitor();
        monitor.last_sent = sent;
        monitor.cursor = cursor;
        monitor.sent += 1;
        if let Some(race) = monitor.next_race.take() {
            let reply = monitor.sent - 1;
            monitor.races.insert(reply, race);
        }
        self.daemon.send(&on, bytes);
    }

    fn stream(&mut self, name: &str) -> &mut Vec<Heading> {
        self.transcript.streams.entry(name.to_owned()).or_default()
    }

    /// Waits until a monitor has said one thing more.
    fn line(&mut self, name: &str) -> Result<(), Silence> {
        let before = self.stream(name).len();
        while self.stream(name).len() == before {
            self.hear()?;
        }
        Ok(())
    }

    /// Waits for one more reply on this monitor, or its end.
    fn reply(&mut self) -> Result<(), Silence> {
        self.monitor().awaited += 1;
        while !self.monitor().ended && self.monitor().replies < self.monitor().awaited {
            self.hear()?;
        }
        Ok(())
    }

    /// Waits for the end of this monitor's connection.
    fn rest(&mut self) -> Result<(), Silence> {
        while !self.monitor().ended {
            self.hear()?;
        }
        Ok(())
    }

    /// Waits for a line that contains `text`, from the cursor on, and puts the cursor behind it.
    fn event(&mut self, text: &str) -> Result<(), Silence> {
        let on = self.on.clone();
        loop {
            let cursor = self.monitor().cursor;
            let found = self.stream(&on)[cursor..]
                .iter()
                .position(|heading| heading.text.contains(text));
            if let Some(found) = found {
                self.monitor().cursor = cursor + found + 1;
                return Ok(());
            }
            if self.monitor().ended {
                return Ok(());
            }
            self.hear()?;
        }
    }

    /// Writes down the next thing that any monitor says.
    fn hear(&mut self) -> Result<(), Silence> {
        let (name, heard) = self.daemon.hear()?;
        let monitor = self.monitors.entry(name.clone()).or_default();
        let mut race = None;
        let text = match heard {
            Heard::End => {
                monitor.ended = true;
                END.to_owned()
            }
            Heard::Line(line) => {
                if is_reply(&line) {
                    race = monitor.races.remove(&monitor.replies);
                    monitor.replies += 1;
                }
                self.normaliser.line(&line)
            }
        };
        let after = monitor.last_sent.clone();
        self.stream(&name).push(Heading { after, text, race });
        Ok(())
    }

    /// Writes something down that did not come over the wire, in the stream of this monitor.
    fn note(&mut self, text: &str) {
        let on = self.on.clone();
        let after = self.monitor().last_sent.clone();
        self.stream(&on).push(Heading {
            after,
            text: text.to_owned(),
            race: None,
        });
    }

    fn end(&mut self) {
        let ended = self.daemon.wait();
        self.write("stdout", "stdout", &ended.stdout);
        self.write("stderr", "stderr", &ended.stderr);
        self.write("status", "the end", ended.status.as_bytes());
    }

    fn run(&mut self, words: &[String]) {
        let (status, output) = run(words, self.dir);
        let text = format!("status {status}\n{output}");
        self.write("run", &words.join(" "), text.as_bytes());
    }

    /// One more daemon, which is not talked to.
    fn start(&mut self, options: &[String]) {
        let ended = Daemon::start(self.which, self.dir, options, 0).wait();
        let after = shown(format!("start {}", options.join(" ")).as_bytes(), self.dir);
        self.write("start", &after, ended.status.as_bytes());
        self.write("start", &after, &ended.stdout);
        self.write("start", &after, &ended.stderr);
    }

    /// Writes down lines that did not come from a monitor.
    fn write(&mut self, stream: &str, after: &str, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = self.normaliser.line(line);
            self.stream(stream).push(Heading {
                after: after.to_owned(),
                text,
                race: None,
            });
        }
    }
}

/// What was sent, as it is shown: the same for both daemons.
fn shown(bytes: &[u8], dir: &Path) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end().replace(&dir.display().to_string(), "$DIR")
}

/// Whether a line of a monitor is a reply: an object that has no event in it and is no greeting.
fn is_reply(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let event = text.starts_with("{\"timestamp\": ") && text.contains("\"event\": \"");
    !event && !text.starts_with("{\"QMP\": ")
}
