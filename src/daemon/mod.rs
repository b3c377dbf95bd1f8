//! The daemon: the state that commands work on, and the commands.
//!
//! One thread, one context. Commands are plain functions that the dispatcher calls outside of
//! coroutines, one at a time; what they need of the disks they do by polling ([`AioContext::run`]), as
//! QEMU's do.
//!
//! QEMU: storage-daemon/qemu-storage-daemon.c, blockdev.c.

pub mod commands;
pub mod convergence;
pub mod drive_device;
pub mod explain;
pub mod facts;
pub mod hmp;
pub mod objects;
pub mod open;
pub mod owned;
pub mod receipts;
pub mod run_state;

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use blockjob_block::Graph;
use blockjob_block::buf::BufferPool;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::list::JobList;
use blockjob_runtime::AioContext;

use crate::export::Exports;
use crate::qapi::{Dict, QapiEvent, QapiObject};
use facts::Facts;
use objects::Objects;
use owned::Owned;
use receipts::Receipts;
use run_state::RunState;

/// Buffers begin at multiples of this, in bytes: what any disk asks of direct I/O.
const MEMORY_ALIGNMENT: usize = 4096;
/// How many bytes of buffers are kept for the next mirror.
const KEPT_BYTES: usize = 64 << 20;

/// Whom events are told: the monitors, or a test that notes them.
pub trait EventSink {
    /// Takes note of an event at once. Must not call back into the daemon.
    fn emit(&self, name: &'static str, data: Dict);
}

/// The state of a storage daemon.
///
/// QEMU has it in globals: `monitor_bdrv_states` (blockdev.c), `jobs` (job.c), `all_bdrv_states`
/// (block.c).
pub struct Daemon {
    context: AioContext,
    graph: Rc<Graph>,
    jobs: Rc<JobList>,
    pool: Rc<BufferPool>,
    events: RefCell<Rc<dyn EventSink>>,
    /// Nodes and drives that exist because somebody has asked for them.
    pub owned: Owned,
    /// What others use of us.
    pub exports: Exports,
    /// How nodes were opened.
    pub facts: Facts,
    /// Throttle groups and secrets.
    pub objects: Objects,
    /// What has become of jobs that are over.
    pub receipts: Receipts,
    /// Whether guests run, and whether the daemon is to end.
    pub run_state: RunState,
}

/// Nobody hears of events yet.
struct NoSink;

impl EventSink for NoSink {
    fn emit(&self, _name: &'static str, _data: Dict) {}
}

impl Daemon {
    /// A daemon without nodes whose main context is `context`.
    pub fn new(context: &AioContext) -> Rc<Daemon> {
        Rc::new_cyclic(|myself: &Weak<Daemon>| {
            let told = myself.clone();
            let sink = move |event: JobEvent| {
                if let Some(daemon) = told.upgrade() {
                    commands::job_events::tell(&daemon, &event);
                }
            };
            Daemon {
                context: context.clone(),
                graph: Graph::new(context),
                jobs: JobList::new(context, Rc::new(sink)),
                pool: Rc::new(BufferPool::new(MEMORY_ALIGNMENT, KEPT_BYTES)),
                events: RefCell::new(Rc::new(NoSink)),
                owned: Owned::default(),
                exports: Exports::default(),
                facts: Facts::default(),
                objects: Objects::default(),
                receipts: Receipts::default(),
                run_state: RunState::default(),
            }
        })
    }

    /// The main context.
    pub fn context(&self) -> &AioContext {
        &self.context
    }

    /// All nodes.
    pub fn graph(&self) -> &Rc<Graph> {
        &self.graph
    }

    /// All jobs.
    pub fn jobs(&self) -> &Rc<JobList> {
        &self.jobs
    }

    /// The buffers that all jobs share.
    pub fn pool(&self) -> &Rc<BufferPool> {
        &self.pool
    }

    /// Tells events to `sink` from now on.
    pub fn set_event_sink(&self, sink: Rc<dyn EventSink>) {
        *self.events.borrow_mut() = sink;
    }

    /// Tells all clients of something.
    pub fn emit<E: QapiEvent>(&self, event: &E) {
        let mut data = Dict::new();
        QapiObject::put_members(event, &mut data);
        let events = self.events.borrow().clone();
        events.emit(E::NAME, data);
    }
}
