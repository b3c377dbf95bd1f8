//! Flushes, and what is known of a range.

use std::rc::Rc;

use imago::format::drivers::FormatDriverInstance;

use super::file::File;
use super::image::{Image, Kind};
use super::server::from_io;
use crate::driver::BlockStatus;
use crate::error::BlockResult;

/// How many mappings one question is worth. Each may be as long as a table, which takes tens of
/// microseconds to look through, and nothing else runs meanwhile.
const MAX_LOOKUPS: usize = 128;

impl Image {
    /// What `change` does, and for an image of version 2 what it did to the tables as well: such an
    /// image has no dirty bit by which others would know, if the program were killed, that the tables in the
    /// file are behind, and QEMU would give clusters out a second time.
    pub(super) async fn settled(
        self: Rc<Self>,
        file: File,
        change: impl Future<Output = BlockResult<()>>,
    ) -> BlockResult<()> {
        let changed = change.await;
        if self.version() < 3 && self.dirty.get() {
            let flushed = self.flush(file).await;
            return changed.and(flushed);
        }
        changed
    }

    /// Writes tables back, and returns when all is safe from a crash.
    ///
    /// A table that points to a cluster must not be there before what was copied into that cluster:
    /// the guest had flushed it long ago.
    ///
    /// QEMU: `qcow2_co_flush_to_os`, `qcow2_write_caches` (block/qcow2.c, block/qcow2-refcount.c).
    pub(super) async fn flush(self: Rc<Self>, file: File) -> BlockResult<()> {
        if self.dirty.get() {
            // Whoever has made mappings finishes, and nobody makes any meanwhile.
            let _gate = self.gate.write().await;
            self.write_tables_back(&file).await?;
        }
        let runs = self.server.ordered_runs();
        file.flush().await?;
        self.server.is_safe_after(runs);
        Ok(())
    }

    /// Takes back what was mapped for data that did not come, and writes tables back, so that a crash finds them
    /// as they are now. The caller has the gate alone.
    ///
    /// # Errors
    ///
    /// If something cannot be written. Then there is still something to write back.
    pub(super) async fn write_tables_back(&self, file: &File) -> BlockResult<()> {
        self.take_back(file).await;
        self.server.copies.make_safe(file).await?;
        let written = self
            .together(async |imago| {
                let written = self.server.serve_ordered(file, imago.flush()).await;
                written.map_err(|error| from_io(&error, "Could not write tables back"))
            })
            .await;
        let written = match written {
            Ok(()) => self.server.pay(file).await,
            error => error,
        };
        let safe = match written {
            // Nobody can spoil it before the mark is gone: for that, one needs the gate.
            Ok(()) if self.server.is_marked() => match file.flush().await {
                Ok(()) => self.server.unmark(file).await,
                error => error,
            },
            written => written,
        };
        // Not before: a flush that began meanwhile must not believe that there is nothing to do.
        if safe.is_ok() {
            self.dirty.set(false);
        }
        safe
    }

    /// What is known of a range.
    ///
    /// QEMU: `qcow2_co_block_status` (block/qcow2.c).
    pub(super) async fn status(
        self: Rc<Self>,
        file: File,
        offset: u64,
        bytes: u64,
    ) -> BlockResult<BlockStatus> {
        let status = |kind| match kind {
            Kind::Data { .. } | Kind::Compressed => BlockStatus::data(0),
            Kind::Zero => BlockStatus::zero(0),
            Kind::Unallocated => BlockStatus::unallocated(0),
        };
        let end = offset + bytes;
        let first = self.map(&file, offset, bytes).await?;
        let known = status(first.kind);
        let mut at = first.end();
        for _ in 1..MAX_LOOKUPS {
            if at >= end {
                break;
            }
            let run = self.map(&file, at, end - at).await?;
            if status(run.kind) != known {
                break;
            }
            at = run.end();
        }
        Ok(BlockStatus {
            bytes: at - offset,
            ..known
        })
    }
}
