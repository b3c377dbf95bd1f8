//! Scripts as data: the images to make, the options of the daemon, and what is sent to it.
//!
//! A script is a text of sections. `#` begins a line of comment, blank lines separate.
//!
//! ```text
//! [mask]       members whose values timing decides: offset busy
//! [rules]      what more is not compared, by the names in `races`: forget-drains
//! [images]     commands, one a line, before the daemon starts: qemu-img create -f raw a 1M
//! [servers]    a file and a command, one of each a line: the command starts a server, returns when that
//!              listens, and has put its process id into the file; it is killed at the end
//! [options]    options of the daemon, any number on a line; '...' keeps blanks together
//! [steps]      what is done, below
//! [after]      commands when the daemon has ended; what they print is compared
//! ```
//!
//! | step | what |
//! |---|---|
//! | `> NAME {...}` | sends the command with these arguments, waits for the reply |
//! | `> {...}` | sends this line, waits for the reply |
//! | `+ ...` | sends as `>` does, and does not wait |
//! | `raw "..."` | sends these bytes, with the escapes of JSON and `\xNN` |
//! | `reply` | waits for one more reply |
//! | `event NAME` | waits for such an event since the last thing sent or waited for |
//! | `until JOB STATUS` | waits for this change of a job's status, as `event` does |
//! | `race NAME` | the next reply may stand elsewhere among its events, see `races` |
//! | `open NAME [PATH]` | one more monitor, negotiated by nobody; at PATH, else one that the options do not name |
//! | `on NAME` | the steps that follow are for this monitor; the first one is `main` |
//! | `close` | closes the connection of this monitor |
//! | `hangup` | waits until the daemon has closed the connection of this monitor |
//! | `run COMMAND` | a command beside the daemon; what it prints is compared |
//! | `start OPTIONS` | one more daemon that has these options alone, and is to end by itself |
//! | `end` | nothing more is asked: waits until the daemon ends by itself |
//!
//! Without `end`, the last steps are those of [`FINALE`]. `$DIR` is the folder of the script. Lines
//! between `for` and `do` are rows; the lines between `do` and `done` are repeated for each of them, with
//! `@1`, `@2` for its columns, which ` | ` separates, and which may name those before them.

/// What every script ends with: the state that it leaves, and the end of the daemon.
const FINALE: [&str; 6] = [
    "> query-jobs",
    "> query-block-jobs",
    "> query-named-block-nodes {'flat': true}",
    "> x-debug-query-block-graph",
    "> quit",
    "end",
];

/// One script.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) mask: Vec<String>,
    pub(crate) rules: Vec<String>,
    pub(crate) images: Vec<Vec<String>>,
    pub(crate) servers: Vec<Vec<String>>,
    pub(crate) options: Vec<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) after: Vec<Vec<String>>,
}

/// One step.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    Send { bytes: Vec<u8>, wait: bool },
    Raw(Vec<u8>),
    Reply,
    Event(String),
    Until { job: String, status: String },
    Race(String),
    Open { name: String, path: Option<String> },
    On(String),
    Close,
    Hangup,
    Run(Vec<String>),
    Start(Vec<String>),
    End,
}

impl Script {
    /// Reads a script; `dir` stands where the text has `$DIR`.
    ///
    /// # Panics
    ///
    /// With the line, if it is none of the above.
    pub(crate) fn parse(text: &str, dir: &str) -> Script {
        let mut script = Script::default();
        let mut section = String::new();
        for line in expand(text) {
            let line = line.replace("$DIR", dir);
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name.to_owned();
                continue;
            }
            match section.as_str() {
                "mask" => script.mask.extend(words(&line)),
                "rules" => script.rules.extend(words(&line)),
                "images" => script.images.push(words(&line)),
                "servers" => script.servers.push(words(&line)),
                "options" => script.options.extend(words(&line)),
                "steps" => script.steps.push(step(&line)),
                "after" => script.after.push(words(&line)),
                other => panic!("there is no section '{other}': {line}"),
            }
        }
        if !script.steps.contains(&Step::End) {
            script.steps.push(Step::On("main".to_owned()));
            script.steps.extend(FINALE.into_iter().map(step));
        }
        script
    }
}

/// The lines without comments and blanks, with their loops unrolled.
fn expand(text: &str) -> Vec<String> {
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut out = Vec::new();
    while let Some(line) = lines.next() {
        if line != "for" {
            out.push(line.to_owned());
            continue;
        }
        let rows: Vec<&str> = lines.by_ref().take_while(|line| *line != "do").collect();
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "done").collect();
        assert!(!rows.is_empty() && !body.is_empty(), "a loop of nothing");
        for row in rows {
            out.extend(body.iter().map(|line| fill(line, row)));
        }
    }
    out
}

/// A line of a loop for one row.
fn fill(line: &str, row: &str) -> String {
    let mut filled = line.to_owned();
    let columns: Vec<&str> = row.split(" | ").map(str::trim).collect();
    // The last first: they may name those before them.
    for (index, column) in columns.iter().enumerate().rev() {
        filled = filled.replace(&format!("@{}", index + 1), column);
    }
    filled
}

/// The words of a line, as a shell that knows single quotes alone.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for char in line.chars() {
        match char {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    assert!(!quoted, "a quote is open: {line}");
    words.extend(word);
    words
}

fn step(line: &str) -> Step {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    let owned = || rest.to_owned();
    match verb {
        ">" | "+" => Step::Send {
            bytes: request(rest),
            wait: verb == ">",
        },
        "raw" => Step::Raw(bytes(rest)),
        "reply" => Step::Reply,
        "event" => Step::Event(owned()),
        "until" => {
            let (job, status) = rest.split_once(' ').expect("until JOB STATUS");
            Step::Until {
                job: job.to_owned(),
                status: status.to_owned(),
            }
        }
        "race" => Step::Race(owned()),
        "open" => {
            let mut words = words(rest).into_iter();
            Step::Open {
                name: words.next().expect("open NAME [PATH]"),
                path: words.next(),
            }
        }
        "on" => Step::On(owned()),
        "close" => Step::Close,
        "hangup" => Step::Hangup,
        "run" => Step::Run(words(rest)),
        "start" => Step::Start(words(rest)),
        "end" => Step::End,
        _ => panic!("there is no such step: {line}"),
    }
}

/// The line of a command: as it stands, or from a name and its arguments.
fn request(text: &str) -> Vec<u8> {
    let line = match text.split_once(' ') {
        _ if text.starts_with('{') => text.to_owned(),
        Some((name, arguments)) => {
            format!("{{'execute': '{name}', 'arguments': {arguments}}}")
        }
        None => format!("{{'execute': '{text}'}}"),
    };
    format!("{line}\n").into_bytes()
}

/// The bytes of a text in quotes, with the escapes that JSON has, and `\xNN` for a byte.
fn bytes(quoted: &str) -> Vec<u8> {
    let inner = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or_else(|| panic!("raw needs quotes: {quoted}"));
    let mut out = Vec::new();
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.extend(char.to_string().bytes());
            continue;
        }
        match chars.next().expect("something is escaped") {
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'x' => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).expect("two digits of a byte"));
            }
            other => out.extend(other.to_string().bytes()),
        }
    }
    out
}

#[test]
fn sections_loops_and_words_are_read() {
    let text = "# why\n[images]\nqemu-img create 'a b' 1M\n[options]\nfor\nx | 1\ny | 2\ndo\n--o @1=@2,$DIR\ndone\n[steps]\nend\n";
    let script = Script::parse(text, "/d");
    assert_eq!(script.images, [["qemu-img", "create", "a b", "1M"]]);
    assert_eq!(script.options, ["--o", "x=1,/d", "--o", "y=2,/d"]);
    assert_eq!(script.steps, [Step::End]);
}

#[test]
fn a_script_without_an_end_asks_for_the_final_state() {
    let script = Script::parse("[steps]\n> job-pause {'id': 'j'}\n", "/d");
    let expected = b"{'execute': 'job-pause', 'arguments': {'id': 'j'}}\n".to_vec();
    assert_eq!(
        script.steps[0],
        Step::Send {
            bytes: expected,
            wait: true
        }
    );
    assert_eq!(script.steps.last(), Some(&Step::End));
}

#[test]
fn raw_bytes_have_escapes() {
    assert_eq!(bytes(r#""a\n\xff\"\\""#), b"a\n\xff\"\\");
}
