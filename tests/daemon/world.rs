//! A daemon with a folder of images, and what it has said.

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use blockjob::daemon::{Daemon, EventSink, commands, open};
use blockjob::qapi::json::{from_json, to_json};
use blockjob::qapi::{Dict, Value};
use blockjob::runtime::{AioContext, CurrentGuard};
use tempfile::TempDir;

/// What the daemon has said, in order: events short, replies as `return`.
#[derive(Default)]
struct Log {
    lines: RefCell<Vec<String>>,
    /// The events whole, as `NAME {...}`.
    events: RefCell<Vec<String>>,
}

impl EventSink for Log {
    fn emit(&self, name: &'static str, data: Dict) {
        let short = match (name, data.get("status").and_then(Value::as_str)) {
            ("JOB_STATUS_CHANGE", Some(status)) => status.to_owned(),
            _ => name.to_owned(),
        };
        self.lines.borrow_mut().push(short);
        let whole = format!("{name} {}", to_json(&Value::Dict(data)));
        self.events.borrow_mut().push(whole);
    }
}

/// A daemon, and a folder that `$DIR` stands for in all texts.
pub(crate) struct World {
    pub(crate) daemon: Rc<Daemon>,
    pub(crate) ctx: AioContext,
    folder: TempDir,
    log: Rc<Log>,
    _current: CurrentGuard,
}

impl World {
    pub(crate) fn new() -> World {
        let ctx = AioContext::new();
        let current = ctx.make_current();
        let daemon = Daemon::new(&ctx);
        let log = Rc::<Log>::default();
        daemon.set_event_sink(log.clone());
        World {
            daemon,
            ctx,
            folder: tempfile::tempdir().expect("a temporary folder"),
            log,
            _current: current,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder's name for `$DIR`.
    fn expand(&self, text: &str) -> String {
        text.replace("$DIR", self.folder.path().to_str().expect("it is text"))
    }

    /// And back, with `'` for `"`, which reads better in a test.
    fn fold(&self, text: &str) -> String {
        let dir = self.folder.path().to_str().expect("it is text");
        text.replace(dir, "$DIR").replace('"', "'")
    }

    /// Makes a raw file with data in its first half.
    pub(crate) fn raw(&self, name: &str, len: u64) {
        let file = File::create(self.path(name)).expect("the file can be made");
        file.set_len(len).expect("the file can be as long as that");
        let data = vec![0x11; usize::try_from(len / 2).expect("it fits")];
        file.write_all_at(&data, 0).expect("it can be written");
    }

    /// Runs a tool on images, and returns what it prints.
    pub(crate) fn tool(&self, line: &str) -> String {
        let mut words = line.split(' ').map(|word| self.expand(word));
        let program = words.next().expect("a program");
        let output = Command::new(&program).args(words).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(
            output.status.success(),
            "{line}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Has `qemu-io` do something to a qcow2 image.
    pub(crate) fn io(&self, name: &str, what: &str) {
        let output = Command::new("qemu-io")
            .args(["-f", "qcow2", "-c", what])
            .arg(self.path(name))
            .output();
        let output = output.expect("qemu-io is there");
        assert!(output.status.success(), "{what}: {output:?}");
    }

    /// Makes a node as `--blockdev` does.
    pub(crate) fn blockdev(&self, text: &str) {
        let options = open::parse_blockdev(&self.expand(text)).expect("the test writes options");
        open::blockdev_add(&self.daemon, &options).expect("the node can be made");
    }

    /// Runs a command, and returns what it answers: `{'return': ...}` or `{'error': ...}`.
    pub(crate) fn run(&self, name: &str, args: &str) -> String {
        let args = from_json(&self.expand(args)).expect("the test writes JSON");
        let Value::Dict(args) = args else {
            panic!("arguments are an object");
        };
        let command = commands::find(name).unwrap_or_else(|| panic!("there is no {name}"));
        let mut reply = Dict::new();
        match (command.marshal)(&self.daemon, args) {
            Ok(value) => {
                self.log.lines.borrow_mut().push("return".to_owned());
                reply.put("return", value);
            }
            Err(error) => {
                self.log.lines.borrow_mut().push("error".to_owned());
                let mut inner = Dict::new();
                inner.put("class", error.class.as_str());
                inner.put("desc", error.desc);
                reply.put("error", inner);
            }
        }
        self.fold(&to_json(&Value::Dict(reply)))
    }

    /// Runs a command that is to succeed, and returns what it returns.
    pub(crate) fn ok(&self, name: &str, args: &str) -> String {
        let reply = self.run(name, args);
        let inner = reply
            .strip_prefix("{'return': ")
            .and_then(|reply| reply.strip_suffix('}'));
        inner
            .unwrap_or_else(|| panic!("{name} {args}: {reply}"))
            .to_owned()
    }

    /// Runs a command that is to be refused, and returns the text.
    pub(crate) fn refused(&self, name: &str, args: &str) -> String {
        let reply = self.run(name, args);
        let inner = reply
            .strip_prefix("{'error': {'class': 'GenericError', 'desc': '")
            .and_then(|reply| reply.strip_suffix("'}}"));
        inner
            .unwrap_or_else(|| panic!("{name} {args}: {reply}"))
            .to_owned()
    }

    /// Polls until the daemon has said `line`, after what [`said`](Self::said) has taken.
    pub(crate) fn until(&self, line: &str) {
        let log = self.log.clone();
        self.ctx
            .poll_while(|| !log.lines.borrow().iter().any(|said| said == line));
    }

    /// What the daemon has said since the last time: each line once, with commas between.
    pub(crate) fn said(&self) -> String {
        self.log.lines.take().join(", ")
    }

    /// The events since the last time, whole.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.log.events.take();
        events.iter().map(|event| self.fold(event)).collect()
    }

    /// The status of a job, or nothing if it is gone.
    pub(crate) fn status(&self, job: &str) -> String {
        let job = self.daemon.jobs().get(job);
        job.map_or_else(String::new, |job| job.status().to_string())
    }

    /// The names of the files in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let mut names: Vec<_> = entries
            .map(|entry| {
                let entry = entry.expect("the folder can be read");
                entry.file_name().into_string().expect("it is text")
            })
            .collect();
        names.sort();
        names
    }

    /// The names of the nodes, the newest first; those of nodes without one as `#`.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let mut nodes = self.daemon.graph().nodes();
        nodes.sort_by_key(|node| std::cmp::Reverse(node.number()));
        let names = nodes.iter().map(|node| match node.name().starts_with('#') {
            true => format!("#{}", node.driver().format_name()),
            false => node.name().to_owned(),
        });
        names.collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.daemon.jobs().cancel_sync_all();
        self.daemon.owned.clear();
    }
}
