//! What the contexts of a daemon have in common, behind locks that are held for moments: names,
//! receipts, and what is on its way to the main context.
//!
//! QEMU has it in globals, each with a rule of its own about who may touch it.

use std::collections::VecDeque;
use std::rc::Rc;

use blockjob_block::directory::Directory;
use blockjob_runtime::sync::atomic::AtomicU64;
use blockjob_runtime::sync::{Arc, Mutex};
use blockjob_runtime::{AioContext, AioHandle, Resident};

use super::home::Door;
use super::names::Names;
use crate::daemon::Daemon;
use crate::daemon::receipts::Receipts;
use crate::export::nbd::NbdServerOptions;
use crate::qapi::Dict;

/// An event that is yet to be told.
type Told = (&'static str, Dict);

/// What all contexts of a daemon share.
pub struct Common {
    main: AioHandle,
    /// Nodes and drives, wherever they are.
    directory: Arc<Directory>,
    /// Jobs and exports, wherever they are.
    pub names: Mutex<Names>,
    /// By which all jobs are numbered.
    job_ages: Arc<AtomicU64>,
    /// What has become of jobs that are over.
    pub receipts: Receipts,
    /// How the NBD server was started, while there is one.
    nbd_server: Mutex<Option<NbdServerOptions>>,
    /// What other contexts have to tell, in the order in which they have said it.
    events: Mutex<VecDeque<Told>>,
    /// The daemons of all contexts, as others know them. That of main is there from when somebody first
    /// has to be known to others.
    doors: Mutex<Vec<Resident<Door>>>,
}

impl Common {
    /// Of a daemon whose main context is `main`.
    pub(in crate::daemon) fn new(main: &AioContext) -> Arc<Common> {
        Arc::new(Common {
            main: main.handle(),
            directory: Directory::new(),
            names: Mutex::default(),
            job_ages: Arc::default(),
            receipts: Receipts::default(),
            nbd_server: Mutex::default(),
            events: Mutex::default(),
            doors: Mutex::default(),
        })
    }

    /// The main context.
    pub fn main(&self) -> &AioHandle {
        &self.main
    }

    /// Nodes and drives, wherever they are.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// By which the jobs of all contexts are numbered.
    pub(in crate::daemon) fn job_ages(&self) -> &Arc<AtomicU64> {
        &self.job_ages
    }

    /// How the NBD server was started, if there is one.
    pub fn nbd_server(&self) -> Option<NbdServerOptions> {
        *self.nbd_server.lock()
    }

    pub(crate) fn set_nbd_server(&self, options: Option<NbdServerOptions>) {
        *self.nbd_server.lock() = options;
    }

    pub(super) fn add_door(&self, door: Resident<Door>) {
        self.doors.lock().push(door);
    }

    /// The context has ended.
    pub(super) fn remove_door(&self, door: &Resident<Door>) {
        self.doors.lock().retain(|other| other != door);
    }

    /// The daemon of the current context, if it is known to others.
    pub(in crate::daemon) fn daemon_here(&self) -> Option<Rc<Daemon>> {
        let doors = self.doors.lock();
        let here = doors.iter().find_map(Resident::get);
        drop(doors);
        here?.daemon()
    }

    /// An event of another context than the main one.
    pub(super) fn send_event(&self, name: &'static str, data: Dict) {
        let mut events = self.events.lock();
        events.push_back((name, data));
        let is_first = events.len() == 1;
        drop(events);
        // Whoever takes the first one takes all that have come until then.
        if is_first {
            self.post_to_main("events of other contexts", |daemon| daemon.tell_events());
        }
    }

    /// Has `work` done in the main context, if the daemon is still there.
    pub(crate) fn post_to_main(
        &self,
        name: &'static str,
        work: impl FnOnce(&Rc<Daemon>) + Send + 'static,
    ) {
        let Some(door) = self.door() else {
            return;
        };
        door.post(name, |door: &Rc<Door>| {
            if let Some(daemon) = door.daemon() {
                work(&daemon);
            }
        });
    }

    /// The daemon of a context, as others know it, once it is known to them.
    pub(super) fn door_of(&self, home: &AioHandle) -> Option<Resident<Door>> {
        let doors = self.doors.lock();
        doors.iter().find(|door| door.handle() == home).cloned()
    }

    /// That of the main context.
    pub(super) fn door(&self) -> Option<Resident<Door>> {
        self.door_of(&self.main)
    }

    /// The next event of another context.
    pub(super) fn take_event(&self) -> Option<Told> {
        self.events.lock().pop_front()
    }
}
