//! An export goes to another context with its node, and takes its clients along.
//!
//! It happens in a drained section, so no request is under way. What was read and has not begun, and
//! replies that have not gone, travel with each client's socket: clients notice nothing.
//!
//! QEMU: `blk_aio_attached`, `blk_aio_detach` (nbd/server.c).

use std::rc::Rc;

use blockjob_block::BlockBackend;
use blockjob_block::error::{BlockError, BlockResult, ErrorKind};
use blockjob_block::moving::{Arrival, PackedDevice};

use super::client::PackedClient;
use super::export::{NbdExport, NbdExportOptions};
use crate::daemon::Daemon;
use crate::export::Exports;

fn refuse<T>(text: impl Into<String>) -> BlockResult<T> {
    Err(BlockError::new(ErrorKind::InUse, text.into()))
}

/// An export on its way.
struct PackedNbdExport {
    options: NbdExportOptions,
    clients: Vec<PackedClient>,
}

impl NbdExport {
    /// Whether it may live in another context from now on.
    ///
    /// QEMU: `blk_set_allow_aio_context_change` (block/block-backend.c), as `blk_exp_add`
    /// (block/export/export.c) calls it.
    pub(super) fn check_move(&self) -> BlockResult<()> {
        if self.options.fixed_iothread {
            return refuse("Cannot change iothread of active block backend");
        }
        let id = &self.options.id;
        if !self.is_open() {
            return refuse(format!("Export '{id}' is shutting down"));
        }
        let sessions = self.sessions.borrow();
        if !sessions.iter().all(|session| session.connection.can_move()) {
            return refuse(format!(
                "A client of export '{id}' cannot change its context"
            ));
        }
        Ok(())
    }

    /// Takes it off the list, and its clients out of their sessions, which come to their ends.
    pub(super) fn pack_up(&self) -> Box<dyn PackedDevice> {
        if let Some(daemon) = self.daemon.upgrade() {
            daemon.exports.leave(&self.options.id);
        }
        let sessions = self.sessions.take();
        let clients = sessions.iter().filter_map(|session| {
            let standing = || session.take_standing();
            PackedClient::take(&session.connection, standing)
        });
        Box::new(PackedNbdExport {
            options: self.options.clone(),
            clients: clients.collect(),
        })
    }
}

impl PackedDevice for PackedNbdExport {
    fn unpack(self: Box<Self>, backend: &Rc<BlockBackend>, arrival: &Arrival<'_>) {
        let daemon = arrival.place().find::<Daemon>();
        let daemon = daemon.expect("exports move among the contexts of a daemon");
        let PackedNbdExport { options, clients } = *self;
        let id = options.id.clone();
        let nbd = NbdExport::new(&daemon, backend.clone(), options);
        for client in clients {
            client.unpack(&nbd);
        }
        Exports::arrive(&daemon, id, nbd);
    }
}
