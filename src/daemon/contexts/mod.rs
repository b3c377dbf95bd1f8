//! The contexts of a daemon: the main one, and one for each I/O thread.
//!
//! What is connected lives in one context, whole: nodes, their exports, their jobs. Each context has a
//! [`Daemon`] of its own for what lives there, so commands work as if there were no other. In the main
//! context the [router](run) has each command run where that lives which its arguments name, and puts
//! together what several contexts answer.
//!
//! QEMU: iothread.c; there, commands reach into other contexts.

mod common;
mod gather;
mod graphs;
mod groups;
mod home;
pub(super) mod iothread;
mod merge;
mod moves;
mod names;
mod places;
mod route;
mod run;
mod sink;

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::job::Job;
use blockjob_jobs::state::JobStatus;
use blockjob_runtime::{AioHandle, Resident};

pub use common::Common;
pub(in crate::daemon) use gather::{Direction, gather};
pub use home::{Door, Goods};
pub use iothread::{ContextMaker, IoContext};
pub(in crate::daemon) use moves::move_to;
pub use names::{Named, Names};
pub(in crate::daemon) use places::{Party, of_options, place_of, place_of_node};
pub use route::{Merge, Order, Route, route};
pub(crate) use run::homes;
pub use run::{Router, call, run};

use super::{Daemon, commands, receipts};
use crate::qapi::QmpError;

/// The I/O threads, by their ids.
#[derive(Default)]
pub struct Contexts {
    threads: RefCell<Vec<Rc<IoContext>>>,
    maker: RefCell<Option<ContextMaker>>,
}

impl Contexts {
    /// True if there is no context but the main one.
    pub fn is_empty(&self) -> bool {
        self.threads.borrow().is_empty()
    }

    /// The I/O threads, the oldest first.
    pub fn all(&self) -> Vec<Rc<IoContext>> {
        self.threads.borrow().clone()
    }

    /// The I/O thread of that name.
    ///
    /// QEMU: `iothread_by_id` (iothread.c).
    pub fn find(&self, id: &str) -> Option<Rc<IoContext>> {
        let threads = self.threads.borrow();
        threads.iter().find(|thread| thread.id() == id).cloned()
    }

    /// The daemon of another context than the main one.
    pub fn daemon_of(&self, home: &AioHandle) -> Option<Resident<Daemon>> {
        let threads = self.threads.borrow();
        let mut daemons = threads.iter().map(|thread| thread.daemon());
        daemons.find(|daemon| daemon.handle() == home).cloned()
    }
}

/// Keeps the names of jobs up to date.
pub(super) fn note_job(daemon: &Daemon, event: &JobEvent) {
    let JobEvent::StatusChange { id, status } = event else {
        return;
    };
    let mut names = daemon.common().names.lock();
    match status {
        JobStatus::Created => names.add_job(id.as_str(), &daemon.context().handle()),
        JobStatus::Null => names.remove_job(id.as_str()),
        _ => {}
    }
}

/// A job has come from another context, with its nodes.
pub(super) fn job_arrived(daemon: &Rc<Daemon>, job: &Rc<Job>) {
    if let Some(id) = job.id() {
        let home = daemon.context().handle();
        daemon.common().names.lock().move_job(id.as_str(), &home);
    }
    commands::drive_mirror::flush_target_on(daemon, job);
    receipts::keep_on(daemon, job);
}

impl Daemon {
    /// Tells what other contexts have to tell.
    pub(crate) fn tell_events(&self) {
        if self.contexts.is_empty() {
            return;
        }
        while let Some((name, data)) = self.common().take_event() {
            let events = self.events.borrow().clone();
            events.emit(name, data);
        }
    }
}

/// The context of an I/O thread has ended under somebody's hands: its thread has panicked.
fn gone(gone: blockjob_runtime::Gone) -> QmpError {
    QmpError::generic(gone.to_string())
}
