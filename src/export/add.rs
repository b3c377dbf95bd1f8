//! How an export comes to be.
//!
//! QEMU: `blk_exp_add` (block/export/export.c), `nbd_export_create` (nbd/server.c).

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::graph::name_wellformed;
use blockjob_block::nbd::proto::MAX_STRING;
use blockjob_block::{BlockBackend, Node, Perm, PermPair};

use super::nbd::{NbdExport, NbdExportOptions};
use super::{BlockExport, Kind};
use crate::daemon::Daemon;
use crate::qapi::{QmpError, QmpResult};

/// What is to be exported, and how.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Its name among the exports.
    pub id: String,
    /// The node.
    pub node_name: String,
    /// Whether clients may write.
    pub writable: bool,
    /// Whether each write is safe from a crash when it is answered.
    pub writethrough: bool,
    /// By what name clients ask for it; that of the node if it is left out.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Whether the node must stay in the context in which it is.
    pub fixed_iothread: bool,
}

fn fail<T>(text: impl Into<String>) -> QmpResult<T> {
    Err(QmpError::generic(text))
}

/// Refuses what is wrong whatever the kind of export. Called where the node lives.
///
/// QEMU: the first half of `blk_exp_add` (block/export/export.c).
///
/// # Errors
///
/// In the peer's words, and in its order.
pub fn check(daemon: &Daemon, options: &ExportOptions) -> QmpResult<Rc<Node>> {
    if !name_wellformed(&options.id) {
        return fail("Invalid block export id");
    }
    if daemon.common().names.lock().export(&options.id).is_some() {
        return fail(format!(
            "Block export id '{}' is already in use",
            options.id
        ));
    }
    let node_name = &options.node_name;
    let Some(node) = daemon.graph().find_node(node_name) else {
        return fail(format!("Cannot find device='' nor node-name='{node_name}'"));
    };
    if options.writable && node.is_read_only() {
        return fail("Cannot export read-only node as writable");
    }
    Ok(node)
}

/// Makes an NBD export. Called where the node lives.
///
/// # Errors
///
/// In the peer's words, and in its order.
pub fn add(daemon: &Rc<Daemon>, options: ExportOptions) -> QmpResult<()> {
    let node = check(daemon, &options)?;
    let used = match options.writable {
        true => Perm::CONSISTENT_READ | Perm::WRITE,
        false => Perm::CONSISTENT_READ,
    };
    // Clients were told a length, and nothing tells them of another one.
    let perms = PermPair::new(used, Perm::ALL.without(Perm::RESIZE));
    let blk = BlockBackend::new(daemon.graph(), "", perms)?;
    blk.insert(&node)?;
    let nbd = create_nbd(daemon, &options, blk.clone());
    let nbd = match nbd {
        Ok(nbd) => nbd,
        Err(error) => {
            blk.remove();
            return Err(error);
        }
    };
    let export = BlockExport {
        id: options.id,
        kind: Kind::Nbd(nbd),
        shutting_down: Cell::new(false),
    };
    daemon.exports.push(daemon, Rc::new(export));
    Ok(())
}

/// QEMU: `nbd_export_create` (nbd/server.c).
fn create_nbd(
    daemon: &Rc<Daemon>,
    options: &ExportOptions,
    blk: Rc<BlockBackend>,
) -> QmpResult<Rc<NbdExport>> {
    let Some(server) = daemon.common().nbd_server() else {
        return fail("NBD server not running");
    };
    let name = options.name.as_ref().unwrap_or(&options.node_name);
    if name.len() > MAX_STRING as usize {
        return fail(format!("export name '{name}' too long"));
    }
    if let Some(description) = &options.description
        && description.len() > MAX_STRING as usize
    {
        return fail(format!("description '{description}' too long"));
    }
    if daemon.common().names.lock().nbd_export(name).is_some() {
        return fail(format!("NBD server already has export named '{name}'"));
    }
    if let Err(error) = blk.len() {
        return Err(QmpError::from(error).prepend("Failed to determine the NBD export's length: "));
    }
    let options = NbdExportOptions {
        id: options.id.clone(),
        name: name.clone(),
        description: options.description.clone(),
        writable: options.writable,
        writethrough: options.writethrough,
        multi_conn: server.max_connections != 1,
        fixed_iothread: options.fixed_iothread,
    };
    Ok(NbdExport::new(daemon, blk, options))
}
