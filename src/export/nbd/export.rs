//! One export: a node under a name, and the sessions with its clients.
//!
//! QEMU: `NBDExport`, `nbd_export_create` (nbd/server.c).

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_block::backend::DeviceOps;
use blockjob_block::buf::BufferPool;
use blockjob_block::moving::{PackedDevice, Packer};
use blockjob_block::nbd::proto::{DEFAULT_PREFERRED_BLOCK, MAX_PAYLOAD, flag};
use blockjob_block::nbd::server::Exported;
use blockjob_block::{BlockBackend, BlockResult};
use blockjob_runtime::AioContext;

use super::session::Session;
use crate::daemon::Daemon;

/// What makes an export.
#[derive(Debug, Clone)]
pub struct NbdExportOptions {
    /// Its name among the exports.
    pub id: String,
    /// By what name clients ask for it; at most 4096 bytes.
    pub name: String,
    /// For people; at most 4096 bytes.
    pub description: Option<String>,
    /// Whether clients may write.
    pub writable: bool,
    /// Whether each write is safe from a crash when it is answered.
    pub writethrough: bool,
    /// Whether more than one connection may come to be.
    pub multi_conn: bool,
    /// Whether the node must stay in the context in which it is.
    pub fixed_iothread: bool,
}

/// An export with its clients.
pub struct NbdExport {
    context: AioContext,
    pool: Rc<BufferPool>,
    pub(super) daemon: Weak<Daemon>,
    blk: Rc<BlockBackend>,
    pub(super) options: NbdExportOptions,
    flags: u16,
    pub(super) sessions: RefCell<Vec<Rc<Session>>>,
    /// Requests of all sessions that are under way.
    in_flight: Cell<usize>,
    /// Inside of a drained section: no request begins.
    quiesced: Cell<bool>,
    /// Clients are not let in any more.
    closed: Cell<bool>,
    /// Told when the last session has ended.
    idle: RefCell<Option<Box<dyn Fn()>>>,
}

impl NbdExport {
    /// Exports what `blk` has. The backend is to be used by nobody else.
    pub(crate) fn new(
        daemon: &Rc<Daemon>,
        blk: Rc<BlockBackend>,
        options: NbdExportOptions,
    ) -> Rc<Self> {
        let flags = flag::HAS_FLAGS | flag::SEND_FLUSH | flag::SEND_FUA | flag::SEND_CACHE;
        let flags = flags
            | match options.writable {
                // Nobody changes anything, so all connections see the same.
                false => flag::READ_ONLY | flag::CAN_MULTI_CONN,
                true => flag::SEND_TRIM | flag::SEND_WRITE_ZEROES | flag::SEND_FAST_ZERO,
            };
        // All connections go through one backend, and a flush of it covers them all.
        let flags = match options.multi_conn {
            true => flags | flag::CAN_MULTI_CONN,
            false => flags,
        };
        // Requests wait in the sockets while the node is drained: those that have begun must end.
        blk.set_queue_requests(false);
        let export = Rc::new(NbdExport {
            context: daemon.context().clone(),
            pool: daemon.pool().clone(),
            daemon: Rc::downgrade(daemon),
            blk,
            options,
            flags,
            sessions: RefCell::default(),
            in_flight: Cell::new(0),
            quiesced: Cell::new(false),
            closed: Cell::new(false),
            idle: RefCell::new(None),
        });
        export.blk.set_device_ops(Some(export.clone()));
        export
    }

    /// By what name clients ask for it.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// How many clients use it.
    pub fn clients(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// Requests of all clients that are under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    pub(super) fn description(&self) -> Option<String> {
        self.options.description.clone()
    }

    pub(super) fn context(&self) -> &AioContext {
        &self.context
    }

    pub(super) fn pool(&self) -> &BufferPool {
        &self.pool
    }

    pub(crate) fn blk(&self) -> &Rc<BlockBackend> {
        &self.blk
    }

    pub(super) fn flags(&self) -> u16 {
        self.flags
    }

    /// The length in bytes, as it is now; 0 if it cannot be had.
    pub(super) fn size(&self) -> u64 {
        self.blk.len().unwrap_or(0)
    }

    pub(super) fn is_writethrough(&self) -> bool {
        self.options.writethrough
    }

    pub(super) fn is_quiesced(&self) -> bool {
        self.quiesced.get()
    }

    /// What clients are told of it.
    pub(crate) fn told(&self) -> Exported {
        let limits = self.blk.node().map(|node| node.limits());
        let smallest = limits.map_or(1, |limits| limits.request_alignment);
        let smallest = u32::try_from(smallest).unwrap_or(1);
        let largest = match limits.map_or(0, |limits| limits.max_transfer) {
            0 => MAX_PAYLOAD,
            most => u32::try_from(most).unwrap_or(MAX_PAYLOAD).min(MAX_PAYLOAD),
        };
        Exported {
            name: self.options.name.clone(),
            description: self.options.description.clone(),
            size: self.size(),
            flags: self.flags,
            block_sizes: [smallest, smallest.max(DEFAULT_PREFERRED_BLOCK), largest],
        }
    }

    /// True if clients may still come.
    pub(super) fn is_open(&self) -> bool {
        !self.closed.get()
    }

    pub(super) fn add(&self, session: &Rc<Session>) {
        self.sessions.borrow_mut().push(session.clone());
    }

    pub(super) fn remove(&self, session: &Rc<Session>) {
        self.sessions
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, session));
        if self.clients() == 0
            && let Some(idle) = &*self.idle.borrow()
        {
            idle();
        }
    }

    pub(super) fn begin_request(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    pub(super) fn end_request(&self) {
        self.in_flight.set(self.in_flight.get() - 1);
        if self.in_flight.get() == 0 && self.quiesced.get() {
            self.blk.drain_kick();
        }
    }

    /// Lets no client in any more, hangs up on those that there are, and calls `idle` when the last
    /// one's requests have ended; if there is none, it is not called.
    ///
    /// QEMU: `nbd_export_request_shutdown` (nbd/server.c).
    pub(crate) fn close(&self, idle: impl Fn() + 'static) {
        self.closed.set(true);
        self.idle.replace(Some(Box::new(idle)));
        let sessions = self.sessions.borrow().clone();
        for session in sessions {
            session.connection.close();
        }
    }

    /// Gives the node up, after [`close`](Self::close) and all sessions. Polls.
    pub(crate) fn release(&self) {
        self.idle.replace(None);
        self.blk.set_device_ops(None);
        self.blk.remove();
    }
}

/// QEMU: `nbd_block_ops` (nbd/server.c).
impl DeviceOps for NbdExport {
    /// QEMU: `nbd_drained_begin` (nbd/server.c).
    fn drained_begin(&self) {
        self.quiesced.set(true);
    }

    /// QEMU: `nbd_drained_poll` (nbd/server.c).
    fn drained_poll(&self) -> bool {
        self.in_flight.get() > 0
    }

    fn can_move(&self) -> BlockResult<()> {
        self.check_move()
    }

    fn pack(&self, _packer: &Packer<'_>) -> Box<dyn PackedDevice> {
        self.pack_up()
    }

    /// QEMU: `nbd_drained_end` (nbd/server.c).
    fn drained_end(&self) {
        self.quiesced.set(false);
        for session in &*self.sessions.borrow() {
            session.go_on();
        }
    }
}
