//! What each option makes.
//!
//! QEMU: `process_options` (storage-daemon/qemu-storage-daemon.c).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use blockjob::daemon::contexts::{self, Router};
use blockjob::daemon::{Daemon, commands, open};
use blockjob::monitor::{Chardev, ChardevBackend, MonitorMode, MonitorOptions, Monitors};
use blockjob::qapi::opts::Opts;
use blockjob::qapi::types::export::{BlockExportOptions, NbdServerOptions};
use blockjob::qapi::types::node_options::BlockdevOptions;
use blockjob::qapi::types::qom::ObjectOptions;
use blockjob::qapi::{Dict, Qapi, QapiObject, QmpError, QmpResult, keyval};

use super::args::Step;
use super::chardev;
use crate::failure::Failure;
use crate::say;

/// The monitors and where they are reached.
pub(super) struct Doors {
    monitors: Rc<Monitors>,
    /// By their ids; none for one that a monitor has taken.
    chardevs: RefCell<BTreeMap<String, Option<Chardev>>>,
    /// The daemon goes to the background, and takes neither input nor output along.
    daemonize: bool,
    stdio_taken: Cell<bool>,
}

impl Doors {
    /// None yet. What happens in the daemon is told to those that come. What they ask for waits until the
    /// daemon is [ready](Self::listen).
    pub(super) fn new(daemon: &Rc<Daemon>, daemonize: bool) -> Self {
        let monitors = Monitors::new(daemon.context());
        daemon.set_event_sink(monitors.clone());
        Doors {
            monitors,
            chardevs: RefCell::default(),
            daemonize,
            stdio_taken: Cell::new(false),
        }
    }

    /// All options are done: commands are executed from now on.
    pub(super) fn listen(&self, daemon: &Rc<Daemon>) {
        self.monitors.set_dispatch(Router::new(daemon));
    }

    /// No command begins any more: the daemon is being taken down, and what they are about goes away.
    pub(super) fn rest(&self) {
        self.monitors.rest();
    }

    /// Says what is still to be said, and closes them.
    pub(super) fn close(self) {
        self.monitors.close_all();
    }

    fn add_chardev(&self, daemon: &Daemon, text: &str) -> QmpResult<()> {
        let options = chardev::parse(text)?;
        if self.chardevs.borrow().contains_key(&options.id) {
            return Err(QmpError::generic(format!(
                "attempt to add duplicate property '{}' to object (type 'container')",
                options.id
            )));
        }
        if matches!(options.backend, ChardevBackend::Stdio { .. }) {
            if self.daemonize {
                return Err(QmpError::generic("cannot use stdio with -daemonize"));
            }
            if self.stdio_taken.replace(true) {
                let what = "cannot use stdio by multiple character devices";
                return Err(QmpError::generic(what));
            }
        }
        let chardev = Chardev::open(daemon.context(), &options)?;
        self.chardevs.borrow_mut().insert(options.id, Some(chardev));
        Ok(())
    }

    fn add_monitor(&self, text: &str) -> QmpResult<()> {
        let mut opts = Opts::parse(text, Some("chardev"))?;
        let Some(id) = opts.take("chardev") else {
            return Err(QmpError::generic("Parameter 'chardev' is missing"));
        };
        let mode = opts.take("mode").unwrap_or_else(|| "control".to_owned());
        let Some(mode) = MonitorMode::from_name(&mode) else {
            return Err(QmpError::generic(format!(
                "Parameter 'mode' does not accept value '{mode}'"
            )));
        };
        let pretty = opts.take_bool("pretty")?;
        // A name that the peer has for monitors, and that nothing here asks for.
        opts.take("id");
        if let Some((name, _)) = opts.iter().next() {
            return Err(QmpError::generic(format!(
                "Parameter '{name}' is unexpected"
            )));
        }
        if pretty.is_some() && mode == MonitorMode::Readline {
            return Err(QmpError::generic(
                "'pretty' is not compatible with HMP monitors",
            ));
        }
        let mut chardevs = self.chardevs.borrow_mut();
        let Some(chardev) = chardevs.get_mut(&id) else {
            return Err(QmpError::generic(format!("chardev \"{id}\" not found")));
        };
        let Some(chardev) = chardev.take() else {
            return Err(QmpError::generic(format!(
                "chardev '{id}' is already in use"
            )));
        };
        let pretty = pretty.unwrap_or(false);
        self.monitors.add(chardev, &MonitorOptions { mode, pretty });
        Ok(())
    }
}

/// Does one option. What is wrong with it is told with the option.
pub(super) fn apply(daemon: &Rc<Daemon>, doors: &Doors, step: &Step) -> Result<(), Failure> {
    let text = &step.text;
    let done = match step.option {
        "object" => add_object(daemon, text),
        "chardev" => doors.add_chardev(daemon, text),
        "monitor" => doors.add_monitor(text),
        "blockdev" => add_blockdev(daemon, text),
        "nbd_server" => add_nbd_server(daemon, text),
        "export" => add_export(daemon, text),
        "drive" => open::drive_new(daemon, text).map(|_drive| ()),
        other => unreachable!("nobody has said what --{other} means"),
    };
    done.map_err(|error| {
        let failure = Failure::failed(format!(
            "--{} {text}: {}",
            step.option.replace('_', "-"),
            error.desc
        ));
        match error.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    })
}

/// QEMU: `user_creatable_parse_str` (qom/object_interfaces.c).
fn add_object(daemon: &Rc<Daemon>, text: &str) -> QmpResult<()> {
    if text == "help" {
        say::out("List of user creatable objects:\n  iothread\n  secret\n  throttle-group");
        daemon.run_state.request_exit();
        return Ok(());
    }
    daemon.add_object(&keyval::parse_input(
        text,
        Some("qom-type"),
        ObjectOptions::visit,
    )?)
}

/// QEMU: `nbd_server_start_options` (blockdev-nbd.c).
fn add_nbd_server(daemon: &Rc<Daemon>, text: &str) -> QmpResult<()> {
    let options = keyval::parse_input(text, None, NbdServerOptions::visit)?;
    commands::nbd::nbd_server_start(daemon, &options.base, &options.addr)
}

/// The option is the command `block-export-add` in another dress.
fn add_export(daemon: &Rc<Daemon>, text: &str) -> QmpResult<()> {
    let options = keyval::parse_input(text, Some("type"), BlockExportOptions::visit)?;
    let mut args = Dict::new();
    options.put_members(&mut args);
    let command = commands::find("block-export-add").expect("the daemon has the command");
    contexts::run(daemon, command, args).map(|_nothing| ())
}

/// The option is the command `blockdev-add` in another dress.
fn add_blockdev(daemon: &Rc<Daemon>, text: &str) -> QmpResult<()> {
    let options = keyval::parse_input(text, Some("driver"), BlockdevOptions::visit)?;
    let mut args = Dict::new();
    options.put_members(&mut args);
    let command = commands::find("blockdev-add").expect("the daemon has the command");
    contexts::run(daemon, command, args).map(|_nothing| ())
}
