//! An I/O thread as the main context has it: the object `iothread`.
//!
//! QEMU: iothread.c.

use std::io;
use std::rc::Rc;

use blockjob_block::error::errno_text;
use blockjob_runtime::sync::Arc;
use blockjob_runtime::{AioContext, AioHandle, IoThread, Resident};

use super::home::Door;
use super::sink::ToMain;
use super::{gone, groups};
use crate::daemon::Daemon;
use crate::qapi::types::qom::IothreadProperties;
use crate::qapi::{QmpError, QmpResult};

/// Makes the context of a thread of that name, in that thread. It fails if there are no descriptors left.
pub type ContextMaker = Arc<dyn Fn(&str) -> io::Result<AioContext> + Send + Sync>;

/// An I/O thread, and the daemon in it.
pub struct IoContext {
    id: String,
    thread: IoThread,
    daemon: Resident<Daemon>,
    door: Resident<Door>,
}

impl IoContext {
    /// By what name users know it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its context.
    pub fn handle(&self) -> &AioHandle {
        self.thread.handle()
    }

    /// The daemon that lives there.
    pub fn daemon(&self) -> &Resident<Daemon> {
        &self.daemon
    }

    pub(super) fn door(&self) -> &Resident<Door> {
        &self.door
    }
}

/// Checks the properties, as far as they can be wrong. What they say of polling and of the pool of
/// threads is taken and does nothing: the loop of a context looks after that itself.
///
/// QEMU: `iothread_set_poll_param` (iothread.c), `event_loop_base_set_param` (event-loop-base.c).
pub(in crate::daemon) fn check(properties: &IothreadProperties) -> QmpResult<()> {
    let all = [
        ("aio-max-batch", properties.aio_max_batch),
        ("thread-pool-min", properties.thread_pool_min),
        ("thread-pool-max", properties.thread_pool_max),
        ("poll-max-ns", properties.poll_max_ns),
        ("poll-grow", properties.poll_grow),
        ("poll-shrink", properties.poll_shrink),
    ];
    for (name, value) in all {
        if value.is_some_and(|value| value < 0) {
            return Err(QmpError::generic(format!(
                "{name} value must be in range [0, {}]",
                i64::MAX
            )));
        }
    }
    let (min, max) = (properties.thread_pool_min, properties.thread_pool_max);
    let max = max.unwrap_or(DEFAULT_POOL_MAX);
    if min.unwrap_or(0) > max || max == 0 {
        let text = "bad thread-pool-min/thread-pool-max values";
        return Err(QmpError::generic(text));
    }
    Ok(())
}

/// How many threads there are at most to wait for disks in, if nobody says.
///
/// QEMU: `THREAD_POOL_MAX_THREADS_DEFAULT` (include/block/thread-pool.h).
const DEFAULT_POOL_MAX: i64 = 64;

impl Daemon {
    /// Has the contexts of I/O threads made by `maker` from now on.
    pub fn set_context_maker(&self, maker: ContextMaker) {
        self.contexts.maker.replace(Some(maker));
    }

    /// Starts a thread, and a daemon without nodes in it. Called in the main context, outside of
    /// coroutines.
    ///
    /// QEMU: `iothread_init` (iothread.c), `aio_context_new` (util/async.c).
    ///
    /// # Errors
    ///
    /// The process may not open more descriptors, or the machine has no room for another thread.
    pub(in crate::daemon) fn add_iothread(self: &Rc<Self>, id: &str) -> QmpResult<()> {
        let name = id.to_owned();
        let maker = self.contexts.maker.borrow().clone();
        let thread = IoThread::try_with_context(id, move || match maker {
            Some(make) => make(&name),
            None => AioContext::builder().name(name).try_build(),
        });
        let thread = thread.map_err(|error| {
            let why = errno_text(error.raw_os_error().unwrap_or(0));
            QmpError::generic(format!("Failed to initialize event notifier: {why}"))
        })?;
        self.open_door();
        let common = self.common().clone();
        let begin = move |ctx: &AioContext| {
            let daemon = Daemon::with_common(ctx, &common);
            daemon.set_event_sink(Rc::new(ToMain(common)));
            let door = ctx.settle(Rc::new(Door(Rc::downgrade(&daemon))));
            (ctx.settle(daemon), door)
        };
        let begun = self.context().call(thread.handle(), "iothread", begin);
        let (daemon, door) = begun.map_err(gone)?;
        self.common().add_door(door.clone());
        let io = Rc::new(IoContext {
            id: id.to_owned(),
            daemon,
            door,
            thread,
        });
        self.contexts.threads.borrow_mut().push(io);
        Ok(())
    }

    /// Ends a thread in which nothing lives; throttle groups without members come home. Called in the main
    /// context, outside of coroutines.
    ///
    /// QEMU: `iothread_instance_finalize` (iothread.c), which lets nodes be without a thread.
    pub(in crate::daemon) fn remove_iothread(&self, io: &Rc<IoContext>) -> QmpResult<()> {
        let groups_if_empty = |daemon: &Rc<Daemon>| {
            let is_empty = daemon.graph().nodes().is_empty()
                && daemon.jobs().is_empty()
                && daemon.exports.all().is_empty();
            is_empty.then(|| groups::all(daemon))
        };
        let left = self
            .context()
            .call_resident(io.daemon(), "iothread", groups_if_empty)
            .map_err(gone)?;
        let Some(left) = left else {
            let id = io.id();
            let text = format!("object '{id}' is in use, can not be deleted");
            return Err(QmpError::generic(text));
        };
        for (name, limits) in left {
            let home = self.graph().throttle_groups();
            home.create(self.context(), &name, &limits)?;
        }
        self.tell_events();
        self.common().remove_door(io.door());
        let mut threads = self.contexts.threads.borrow_mut();
        threads.retain(|other| !Rc::ptr_eq(other, io));
        Ok(())
    }

    /// Ends all threads, after everything in them has been given up. Called in the main context,
    /// outside of coroutines.
    pub fn end_iothreads(&self) {
        // What they have said last is told as long as they are known.
        let threads = self.contexts.all();
        for io in &threads {
            let give_up = |daemon: &Rc<Daemon>| daemon.owned.clear();
            // One whose thread has panicked has nothing to give up any more.
            let _given_up = self
                .context()
                .call_resident(io.daemon(), "iothread", give_up);
        }
        self.tell_events();
        for io in &threads {
            self.common().remove_door(io.door());
        }
        self.contexts.threads.borrow_mut().clear();
    }
}
