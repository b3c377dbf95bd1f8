//! The NBD server: `nbd-server-start`, `nbd-server-stop`, `nbd-server-add`, `nbd-server-remove`.
//!
//! QEMU: blockdev-nbd.c, block/export/export.c.

use std::rc::Rc;

use super::blockdev::lookup;
use super::export::{refuse_bitmap, remove};
use crate::command;
use crate::daemon::Daemon;
use crate::export::nbd::{
    DEFAULT_HANDSHAKE_MAX_SECS, DEFAULT_MAX_CONNECTIONS, NbdServer, NbdServerOptions,
};
use crate::export::{self, ExportOptions, Exports};
use crate::qapi::types::export::{
    NbdServerAddOptions, NbdServerOptionsBase, NbdServerOptionsLegacy, NbdServerRemove,
};
use crate::qapi::types::sockets::SocketAddress;
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("nbd-server-start", "Starts the NBD server, which has no exports yet.",
        NbdServerOptionsLegacy => (), qmp_nbd_server_start),
    command!("nbd-server-stop", "Ends all NBD exports and the server; clients lose them.",
        () => (), qmp_nbd_server_stop),
    command!("nbd-server-add", "Exports a node over NBD; block-export-add is newer.",
        NbdServerAddOptions => (), qmp_nbd_server_add),
    command!("nbd-server-remove", "Ends an NBD export; block-export-del is newer.",
        NbdServerRemove => (), qmp_nbd_server_remove),
];

fn fail<T>(text: &str) -> QmpResult<T> {
    Err(QmpError::generic(text))
}

/// QEMU: `qmp_nbd_server_start` (blockdev-nbd.c).
fn qmp_nbd_server_start(daemon: &Rc<Daemon>, args: NbdServerOptionsLegacy) -> QmpResult<()> {
    nbd_server_start(daemon, &args.base, &args.addr.flatten())
}

/// Starts the server.
///
/// QEMU: `nbd_server_start` (blockdev-nbd.c).
///
/// # Errors
///
/// In the peer's words.
pub fn nbd_server_start(
    daemon: &Rc<Daemon>,
    options: &NbdServerOptionsBase,
    address: &SocketAddress,
) -> QmpResult<()> {
    if daemon.exports.nbd_server().is_some() {
        return fail("NBD server already running");
    }
    let address = address.resolve()?;
    if let Some(creds) = &options.tls_creds {
        return fail(&format!("No TLS credentials with id '{creds}'"));
    }
    let server = NbdServer::new(
        daemon,
        NbdServerOptions {
            max_connections: options.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS),
            handshake_max_secs: options
                .handshake_max_seconds
                .map_or(DEFAULT_HANDSHAKE_MAX_SECS, u64::from),
        },
    );
    server.listen(&address)?;
    daemon.exports.set_nbd_server(Some(server));
    Ok(())
}

/// QEMU: `qmp_nbd_server_stop` (blockdev-nbd.c).
fn qmp_nbd_server_stop(daemon: &Rc<Daemon>, (): ()) -> QmpResult<()> {
    if daemon.exports.nbd_server().is_none() {
        return fail("NBD server not running");
    }
    Exports::shut_down(daemon);
    Ok(())
}

/// QEMU: `qmp_nbd_server_add` (block/export/export.c).
fn qmp_nbd_server_add(daemon: &Rc<Daemon>, args: NbdServerAddOptions) -> QmpResult<()> {
    let node = lookup(daemon, Some(&args.device), Some(&args.device))?;
    if daemon.common().nbd_server().is_none() {
        return fail("NBD server not running");
    }
    let name = args.name.clone().unwrap_or_else(|| args.device.clone());
    if daemon.common().names.lock().nbd_export(&name).is_some() {
        return fail(&format!("NBD server already has export named '{name}'"));
    }
    if let Some(bitmap) = &args.bitmap {
        refuse_bitmap(bitmap)?;
    }
    // Unlike block-export-add, it makes the best of a node that cannot be written to.
    let writable = args.writable.unwrap_or(false) && !node.is_read_only();
    export::add(
        daemon,
        ExportOptions {
            id: name.clone(),
            node_name: node.name().to_owned(),
            writable,
            writethrough: false,
            name: Some(name),
            description: args.description,
            fixed_iothread: false,
        },
    )
}

/// QEMU: `qmp_nbd_server_remove` (block/export/export.c).
fn qmp_nbd_server_remove(daemon: &Rc<Daemon>, args: NbdServerRemove) -> QmpResult<()> {
    // By its id, as the peer does: for exports of nbd-server-add both are the same.
    remove(daemon, &args.name, args.mode)
}
