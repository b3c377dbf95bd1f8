//! `block-export-add`, `block-export-del`, `query-block-exports`.
//!
//! QEMU: block/export/export.c.

use std::rc::Rc;

use crate::command;
use crate::daemon::Daemon;
use crate::export::{self, ExportOptions, Exports};
use crate::qapi::types::export::{
    BlockDirtyBitmapOrStr, BlockExportDel, BlockExportInfo, BlockExportOptions,
    BlockExportOptionsKind, BlockExportRemoveMode,
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
    if let Some(iothread) = &base.iothread {
        return fail(format!("iothread \"{iothread}\" not found"));
    }
    if base.fixed_iothread == Some(true) {
        return fail("Option 'fixed-iothread' is not supported: there are no I/O threads".into());
    }
    if nbd.allocation_depth == Some(true) {
        return fail("Option 'allocation-depth' is not supported".to_owned());
    }
    match nbd.bitmaps.as_deref().unwrap_or_default() {
        [] => {}
        [BlockDirtyBitmapOrStr::Local(name), ..] => refuse_bitmap(name)?,
        [BlockDirtyBitmapOrStr::External(bitmap), ..] => {
            return fail(format!("Dirty bitmap '{}' not found", bitmap.name));
        }
    }
    export::add(
        daemon,
        ExportOptions {
            id: base.id,
            node_name: base.node_name,
            writable: base.writable.unwrap_or(false),
            writethrough: base.writethrough.unwrap_or(false),
            name: nbd.name,
            description: nbd.description,
        },
    )
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
