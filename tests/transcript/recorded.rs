//! The recorded replies of an emulator, in `replies.txt`: each case asked of ours, which has a drive with
//! a name as the recorded machine had.

use std::path::Path;
use std::process::Command;

use crate::daemon::Which;
use crate::play::{Transcript, play};

/// The images that the recorded machine had: format, name, size.
const IMAGES: [[&str; 3]; 4] = [
    ["qcow2", "a.qcow2", "1M"],
    ["qcow2", "big.qcow2", "2M"],
    ["qcow2", "q1.qcow2", "1M"],
    ["raw", "r.raw", "1M"],
];

/// What it was told.
const OPTIONS: &str = "
[options]
--drive id=drive0,if=none,file=$DIR/a.qcow2,format=qcow2,node-name=top
--blockdev driver=qcow2,node-name=big,file.driver=file,file.filename=$DIR/big.qcow2
--drive id=drive1,if=none,media=cdrom
--blockdev driver=raw,node-name=ron,read-only=on,file.driver=file,file.filename=$DIR/r.raw,file.read-only=on
[steps]
";

/// Makes the images that every case gets a copy of.
pub(crate) fn make_images(dir: &Path) {
    for [format, name, size] in IMAGES {
        let mut command = Command::new("qemu-img");
        command.args(["create", "-q", "-f", format, name, size]);
        run(command.current_dir(dir));
    }
    // It was full, for its mirror had all of it to copy.
    let mut command = Command::new("qemu-io");
    command.args(["-f", "raw", "-c", "write -q -P 1 0 1M", "r.raw"]);
    run(command.current_dir(dir));
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{command:?} failed"
    );
}

/// One case.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    skip: bool,
    /// The steps up to the line that is judged.
    steps: Vec<String>,
    /// The job that the case starts, if it does.
    starts: Option<String>,
    unnegotiated: bool,
    /// What is due, in order: the reply, events, the replies to what is asked afterwards.
    due: Vec<String>,
    /// What is asked afterwards.
    asked: Vec<String>,
}

/// Reads the cases.
///
/// # Panics
///
/// With the line, if it has another form.
pub(crate) fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let (word, rest) = line.split_once(' ').expect("a line has a word and more");
        if word == "case" {
            cases.push(Case {
                name: rest.to_owned(),
                unnegotiated: rest.starts_with("before-cap") || rest.starts_with("capabilities:"),
                ..Case::default()
            });
            continue;
        }
        let case = cases.last_mut().expect("a case begins with its name");
        match word {
            "skip" => case.skip = true,
            "pre" | "sent" => case.steps.push(format!("> {rest}")),
            "until" => case.steps.push(format!("until drive0 {rest}")),
            "raw" => case
                .steps
                .extend([format!("raw {rest}"), "reply".to_owned()]),
            "reply" => case.due.push(rest.to_owned()),
            "event" => case.event(rest),
            "jobs" => case.ask("query-block-jobs", rest),
            "next" => case.ask("query-jobs", rest),
            "today" => *case.due.last_mut().expect("something was due") = rest.to_owned(),
            "because" => {}
            _ => panic!("not a line of a case: {line}"),
        }
    }
    cases
}

impl Case {
    fn event(&mut self, event: &str) {
        let id = event.split("\"status\": \"ready\", \"id\": \"").nth(1);
        if let Some((id, _)) = id.and_then(|rest| rest.split_once('"')) {
            self.starts = Some(id.to_owned());
        }
        self.due.push(event.trim_start_matches('{').to_owned());
    }

    fn ask(&mut self, command: &str, due: &str) {
        self.asked.push(format!("> {command}"));
        self.due.push(due.to_owned());
    }

    fn script(&self, images: &Path) -> String {
        let mut script = "[images]\n".to_owned();
        for [_, name, _] in IMAGES {
            script.push_str(&format!("cp {}/{name} {name}\n", images.display()));
        }
        script.push_str(OPTIONS);
        if self.unnegotiated {
            script.push_str("open early\n");
        }
        for (index, step) in self.steps.iter().enumerate() {
            if index + 1 == self.steps.len() && self.starts.is_some() {
                script.push_str("race ready-and-return\n");
            }
            script.push_str(&format!("{step}\n"));
        }
        if let Some(job) = &self.starts {
            script.push_str(&format!("until {job} ready\n"));
        }
        for step in &self.asked {
            script.push_str(&format!("{step}\n"));
        }
        script.push_str("on main\n> quit\nend\n");
        script
    }

    /// What is wrong with ours in this case, asked in `dir`, with `images` from [`make_images`].
    pub(crate) fn judge(&self, dir: &Path, images: &Path) -> Option<String> {
        if self.skip {
            return None;
        }
        let transcript = play(&self.script(images), Which::Ours, dir);
        let said = self.said(&transcript);
        let due: Vec<String> = self.due.iter().map(|line| format!("{line}\\r")).collect();
        if contains_in_order(&said, &due) {
            return None;
        }
        Some(format!(
            "{}\n  due:\n    {}\n  said:\n    {}",
            self.name,
            due.join("\n    "),
            said.join("\n    ")
        ))
    }

    /// What came after all that stood before the judged line.
    fn said(&self, transcript: &Transcript) -> Vec<String> {
        let stream = if self.unnegotiated { "early" } else { "main" };
        let lines = transcript.streams.get(stream).cloned().unwrap_or_default();
        let settled = crate::races::settle(&lines);
        let greeting = 1 + usize::from(!self.unnegotiated);
        // Of the steps before the judged one, each `>` has brought one reply.
        let replies = self
            .steps
            .iter()
            .filter(|step| step.starts_with('>'))
            .count();
        let judged = usize::from(self.steps.iter().any(|step| step.starts_with('>')));
        let mut before = replies.saturating_sub(judged);
        let rest = settled
            .into_iter()
            .skip(greeting)
            .map(|heading| heading.text);
        rest.skip_while(|text| {
            let skipped = before > 0;
            if !text.starts_with("{\"timestamp\"") {
                before = before.saturating_sub(1);
            }
            skipped
        })
        .collect()
    }
}

/// Whether `said` begins with what is due: the replies among each other, and the events among each other.
/// The recording does not say how they lay to each other. An event is due from its name on.
fn contains_in_order(said: &[String], due: &[String]) -> bool {
    let is_event = |line: &&String| line.starts_with("{\"timestamp\"");
    let is_due_event = |line: &&String| line.starts_with("\"event\"");
    let mut replies = said.iter().filter(|line| !is_event(line));
    let mut events = said.iter().filter(is_event);
    let due_replies = due.iter().filter(|line| !is_due_event(line));
    let mut due_events = due.iter().filter(is_due_event);
    due_replies.map(Some).all(|due| replies.next() == due)
        && due_events.all(|due| {
            let event = events.next();
            event.is_some_and(|event| event.ends_with(due.as_str()))
        })
}

#[test]
fn a_reply_that_differs_is_told() {
    let lines = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    let event = "{\"timestamp\": 1, \"event\": \"A\"}";
    let said = lines(&["x", event, "y"]);
    assert!(contains_in_order(
        &said,
        &lines(&["x", "\"event\": \"A\"}", "y"])
    ));
    assert!(contains_in_order(&said, &lines(&["x", "y"])));
    assert!(contains_in_order(
        &said,
        &lines(&["x", "y", "\"event\": \"A\"}"])
    ));
    assert!(!contains_in_order(&said, &lines(&["y"])));
    assert!(!contains_in_order(
        &said,
        &lines(&["x", "\"event\": \"B\"}"])
    ));
    assert!(!contains_in_order(&said, &lines(&["x", "y", "z"])));
}
