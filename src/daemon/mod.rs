//! The daemon: the state that commands work on, and the commands.
//!
//! Commands are plain functions that the dispatcher calls outside of coroutines, one at a time; what
//! they need of the disks they do by polling ([`AioContext::run`]), as QEMU's do.
//!
//! A [`Daemon`] is the state of one context. Each I/O thread has one of its own, and the one in the main
//! context knows of them ([`contexts`]): it has a command run where that lives which it is about.
//!
//! QEMU: storage-daemon/qemu-storage-daemon.c, blockdev.c.

pub mod commands;
pub mod contexts;
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
use blockjob_runtime::sync::Arc;

use crate::export::Exports;
use crate::qapi::{Dict, QapiEvent, QapiObject};
use contexts::{Common, Contexts};
use facts::Facts;
use objects::Objects;
use owned::Owned;
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

/// The state of a storage daemon in one of its contexts.
///
/// QEMU has it in globals: `monitor_bdrv_states` (blockdev.c), `jobs` (job.c), `all_bdrv_states`
/// (block.c).
pub struct Daemon {
    context: AioContext,
    graph: Rc<Graph>,
    jobs: Rc<JobList>,
    pool: Rc<BufferPool>,
    events: RefCell<Rc<dyn EventSink>>,
    common: Arc<Common>,
    /// The I/O threads; the main context's daemon has them.
    pub contexts: Contexts,
    /// Nodes and drives that exist because somebody has asked for them.
    pub owned: Owned,
    /// What others use of us.
    pub exports: Exports,
    /// How nodes were opened.
    pub facts: Facts,
    /// Throttle groups and secrets.
    pub objects: Objects,
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
        Self::with_common(context, &Common::new(context))
    }

    /// The part of a daemon that lives in `context`.
    fn with_common(context: &AioContext, common: &Arc<Common>) -> Rc<Daemon> {
        Rc::new_cyclic(|myself: &Weak<Daemon>| {
            let told = myself.clone();
            let sink = move |event: JobEvent| {
                if let Some(daemon) = told.upgrade() {
                    contexts::note_job(&daemon, &event);
                    commands::job_events::tell(&daemon, &event);
                }
            };
            let sink = Rc::new(sink);
            let jobs = match context.handle() == *common.main() {
                true => JobList::new(context, sink),
                false => JobList::with_main_loop(context, sink, Rc::new(common.main().clone())),
            };
            jobs.share_ages(common.job_ages());
            let arriving = myself.clone();
            jobs.on_arrival(move |job| {
                if let Some(daemon) = arriving.upgrade() {
                    contexts::job_arrived(&daemon, job);
                }
            });
            let names = common.clone();
            jobs.set_taken_elsewhere(move |id| names.names.lock().job(id).is_some());
            Daemon {
                context: context.clone(),
                graph: Graph::with_directory(context, common.directory()),
                jobs,
                pool: Rc::new(BufferPool::new(MEMORY_ALIGNMENT, KEPT_BYTES)),
                events: RefCell::new(Rc::new(NoSink)),
                common: common.clone(),
                contexts: Contexts::default(),
                owned: Owned::default(),
                exports: Exports::new(common),
                facts: Facts::default(),
                objects: Objects::default(),
                run_state: RunState::default(),
            }
        })
    }

    /// The context in which all of this lives.
    pub fn context(&self) -> &AioContext {
        &self.context
    }

    /// What it has in common with the other contexts.
    pub fn common(&self) -> &Arc<Common> {
        &self.common
    }

    /// True in the main context.
    pub fn is_main(&self) -> bool {
        self.context.handle() == *self.common.main()
    }

    /// All nodes of this context.
    pub fn graph(&self) -> &Rc<Graph> {
        &self.graph
    }

    /// All jobs of this context.
    pub fn jobs(&self) -> &Rc<JobList> {
        &self.jobs
    }

    /// The buffers that all jobs of this context share.
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
        // What others have said before is told before.
        self.tell_events();
        let events = self.events.borrow().clone();
        events.emit(E::NAME, data);
    }
}
