//! `block-export-add`, `block-export-del`, `query-block-exports`.
//!
//! QEMU: block/export/export.c.

use std::rc::Rc;

use blockjob_runtime::AioHandle;

use crate::command;
use crate::daemon::open::warn;
use crate::daemon::{Daemon, contexts};
use crate::export::{self, ExportOptions, Exports};
use crate::qapi::types::export::{
    BlockDirtyBitmapOrStr, BlockExportDel, BlockExportInfo, BlockExportOptions,
    BlockExportOptionsKind, BlockExportOptionsNbd, BlockExportRemoveMode,
};
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("block-export-add", "Has somebody outside use a node.",
        BlockExportOptions => (), qmp_block_export_add),
    command!("block-export-del", "Ends an export. It is gone when BLOCK_EXPORT_DELETED says so.",
        BlockExportDel => (), qmp_block_export_del),
    command!("query-block-exports", "Says what is exported.",
        () => Vec<BlockExportInfo>, qmp_query_block_exports),
];

fn fail<T>(text: String) -> QmpResult<T> {
    Err(QmpError::generic(text))
}

/// QEMU: `nbd_export_create` (nbd/server.c).
pub(super) fn refuse_bitmap(name: &str) -> QmpResult<()> {
    fail(format!("Bitmap '{name}' is not found"))
}

/// QEMU: `qmp_block_export_add` (block/export/export.c).
fn qmp_block_export_add(daemon: &Rc<Daemon>, args: BlockExportOptions) -> QmpResult<()> {
    let base = args.base;
    let BlockExportOptionsKind::Nbd(nbd) = args.u else {
        unreachable!("there is one kind of export");
    };
    let options = ExportOptions {
        id: base.id,
        node_name: base.node_name,
        writable: base.writable.unwrap_or(false),
        writethrough: base.writethrough.unwrap_or(false),
        name: nbd.name.clone(),
        description: nbd.description.clone(),
        fixed_iothread: base.fixed_iothread.unwrap_or(false),
    };
    let name = options.node_name.clone();
    let before = home_of(daemon, &name);
    if let Some(id) = &base.iothread {
        go_to_iothread(daemon, id, &options)?;
    }
    let home = home_of(daemon, &name);
    let added = contexts::call(daemon, &home, move |daemon| {
        let node = export::check(daemon, &options)?;
        refuse_options(&nbd)?;
        drop(node);
        export::add(daemon, options)
    });
    let added = added.flatten();
    if added.is_err()
        && let Err(error) = contexts::move_to(daemon, &name, &before)
    {
        let why = error.desc;
        warn(&format!("'{name}' could not go back to its thread: {why}"));
    }
    added
}

/// Where a node lives; the main context if there is none of that name.
fn home_of(daemon: &Daemon, name: &str) -> AioHandle {
    let home = contexts::place_of_node(daemon, name);
    home.unwrap_or_else(|| daemon.context().handle())
}

/// Has the node of an export that is to be, and all that is connected with it, live in a thread.
///
/// QEMU: `blk_exp_add` (block/export/export.c).
fn go_to_iothread(daemon: &Rc<Daemon>, id: &str, options: &ExportOptions) -> QmpResult<()> {
    let name = options.node_name.clone();
    let home = home_of(daemon, &name);
    let wanted = options.clone();
    let check = move |daemon: &Rc<Daemon>| export::check(daemon, &wanted).map(drop);
    contexts::call(daemon, &home, check)??;
    let Some(io) = daemon.contexts.find(id) else {
        return fail(format!("iothread \"{id}\" not found"));
    };
    match contexts::move_to(daemon, &name, io.handle()) {
        Err(error) if options.fixed_iothread => Err(error),
        // As with the peer: who does not insist is served where the node is.
        _ => Ok(()),
    }
}

/// What NBD exports of the peer do and ours do not.
fn refuse_options(nbd: &BlockExportOptionsNbd) -> QmpResult<()> {
    if nbd.allocation_depth == Some(true) {
        return fail("Option 'allocation-depth' is not supported".to_owned());
    }
    match nbd.bitmaps.as_deref().unwrap_or_default() {
        [] => Ok(()),
        [BlockDirtyBitmapOrStr::Local(name), ..] => refuse_bitmap(name),
        [BlockDirtyBitmapOrStr::External(bitmap), ..] => {
            fail(format!("Dirty bitmap '{}' not found", bitmap.name))
        }
    }
}

/// QEMU: `qmp_block_export_del` (block/export/export.c).
fn qmp_block_export_del(daemon: &Rc<Daemon>, args: BlockExportDel) -> QmpResult<()> {
    remove(daemon, &args.id, args.mode)
}

pub(super) fn remove(
    daemon: &Rc<Daemon>,
    id: &str,
    mode: Option<BlockExportRemoveMode>,
) -> QmpResult<()> {
    let Some(export) = daemon.exports.find(id) else {
        return fail(format!("Export '{id}' is not found"));
    };
    if export.is_shutting_down() {
        return fail(format!("Export '{id}' is already shutting down"));
    }
    let is_safe = mode != Some(BlockExportRemoveMode::Hard);
    if is_safe && export.clients() > 0 {
        let error = QmpError::generic(format!("export '{id}' still in use"));
        return Err(error.with_hint("Use mode='hard' to force client disconnect"));
    }
    Exports::request_shutdown(daemon, &export);
    Ok(())
}

/// QEMU: `qmp_query_block_exports` (block/export/export.c).
fn qmp_query_block_exports(daemon: &Rc<Daemon>, (): ()) -> QmpResult<Vec<BlockExportInfo>> {
    let exports = daemon.exports.all();
    let info = |export: &Rc<export::BlockExport>| BlockExportInfo {
        id: export.id().to_owned(),
        export_type: export.export_type(),
        node_name: export
            .node()
            .map_or_else(String::new, |node| node.name().to_owned()),
        shutting_down: export.is_shutting_down(),
    };
    Ok(exports.iter().map(info).collect())
}
