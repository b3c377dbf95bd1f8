//! Writes.
//!
//! A write into clusters that the image has for itself goes straight to the file. Else it makes
//! mappings first, and has the clusters for itself until its data is there: nobody sees what the
//! clusters of the file held before. If the data cannot be written, the mappings are taken back.

use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;

use super::file::File;
use super::image::{Image, Kind, Run};
use super::read::PARALLEL;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;
use crate::oneshot;

/// Bytes for a place in the file.
pub(super) struct Piece {
    pub(super) host: u64,
    pub(super) data: Bytes,
}

/// Clusters that were mapped, and what they were before.
pub(super) struct Made {
    pub(super) range: Range<u64>,
    pub(super) before: Kind,
}

impl Image {
    /// Writes `data` at `offset`.
    ///
    /// QEMU: `qcow2_co_pwritev_part` (block/qcow2.c).
    pub(super) async fn write(
        self: Rc<Self>,
        node: Rc<Node>,
        file: File,
        offset: u64,
        data: Bytes,
    ) -> BlockResult<()> {
        let range = self.check(offset, data.len() as u64)?;
        self.ready_to_write(&file).await?;
        {
            let _held = self.ranges.shared(range.clone()).await;
            let runs = self.runs(&file, range.clone()).await?;
            if runs.iter().all(is_owned) {
                return self.write_owned(&file, &runs, offset, &data).await;
            }
        }
        let clusters = self.clusters(range);
        let _held = self.ranges.exclusive(clusters).await;
        self.write_held(&node, &file, offset, data).await
    }

    /// The range of a request, if it lies in the image.
    pub(super) fn check(&self, offset: u64, bytes: u64) -> BlockResult<Range<u64>> {
        let size = self.size();
        match offset.checked_add(bytes) {
            Some(end) if end <= size => Ok(offset..end),
            _ => Err(BlockError::new(
                ErrorKind::OutOfRange,
                format!(
                    "Request of {bytes} bytes at offset {offset} ends behind the image, at {size}"
                ),
            )),
        }
    }

    async fn write_owned(
        &self,
        file: &File,
        runs: &[Run],
        offset: u64,
        data: &Bytes,
    ) -> BlockResult<()> {
        let mut pieces = Vec::with_capacity(runs.len());
        for run in runs {
            if let Kind::Data { host, .. } = run.kind {
                let at = (run.offset - offset) as usize;
                pieces.push(Piece {
                    host,
                    data: data.slice(at..at + run.bytes as usize),
                });
            }
        }
        self.write_pieces(file, pieces).await
    }

    /// Writes to clusters that the caller has for himself.
    pub(super) async fn write_held(
        self: &Rc<Self>,
        node: &Rc<Node>,
        file: &File,
        offset: u64,
        data: Bytes,
    ) -> BlockResult<()> {
        let gate = self.gate.read().await;
        let range = offset..offset + data.len() as u64;
        let runs = self.runs(file, range).await?;
        let mut pieces = Vec::new();
        let mut made = Vec::new();
        let result = self
            .write_runs(node, file, &runs, (offset, &data), &mut pieces, &mut made)
            .await;
        let result = match result {
            Ok(()) => self.write_pieces(file, pieces).await,
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.given_up.borrow_mut().append(&mut made);
            drop(gate);
            // A table in the file may have the mappings by now. Until it is there without them, nobody may be
            // given their clusters, nor may a write be between its mapping and its data.
            let _alone = self.gate.write().await;
            if !self.given_up.borrow().is_empty() {
                // The request fails in any case. What could not be written the next flush writes.
                let _ = self.write_tables_back(file).await;
            }
        }
        result
    }

    pub(super) async fn write_pieces(
        &self,
        file: &File,
        mut pieces: Vec<Piece>,
    ) -> BlockResult<()> {
        for piece in &pieces {
            self.check_place(piece.host, piece.data.len() as u64)?;
        }
        if pieces.len() == 1
            && let Some(Piece { host, data }) = pieces.pop()
        {
            return file.write(host, data).await;
        }
        let mut result = Ok(());
        let mut waiting = std::collections::VecDeque::new();
        for Piece { host, data } in pieces {
            if waiting.len() == PARALLEL {
                wait_for(waiting.pop_front(), &mut result).await;
            }
            let (sender, receiver) = oneshot::channel();
            let end = file.clone();
            file.start("qcow2_write", async move {
                sender.send(end.write(host, data).await);
            });
            waiting.push_back(receiver);
        }
        while !waiting.is_empty() {
            wait_for(waiting.pop_front(), &mut result).await;
        }
        result
    }

    /// Refuses to write over the header or a table: then the image is broken, and would be lost.
    ///
    /// QEMU: `qcow2_pre_write_overlap_check` (block/qcow2-refcount.c).
    pub(super) fn check_place(&self, host: u64, bytes: u64) -> BlockResult<()> {
        let header = self.server.header.borrow();
        let tables = [
            (0, header.cluster_size()),
            (header.l1_table_offset, u64::from(header.l1_entries) * 8),
            (
                header.refcount_table_offset,
                u64::from(header.refcount_table_clusters) * header.cluster_size(),
            ),
        ];
        for (start, len) in tables {
            if host < start + len && start < host + bytes {
                let text = "Preventing invalid write on metadata: the image is corrupt";
                return Err(BlockError::new(ErrorKind::Io, text));
            }
        }
        Ok(())
    }

    /// The data of writes did not get there: what was mapped for them is taken away again. The caller
    /// has the gate alone.
    pub(super) async fn take_back(&self, file: &File) {
        self.server.copies.are_taken_back();
        let next = || self.given_up.borrow_mut().pop();
        while let Some(Made { range, before }) = next() {
            // The request fails in any case, and of two errors the first one is the cause.
            let _ = if before == Kind::Zero {
                self.make_zero(file, range).await
            } else {
                self.forget(file, range).await
            };
        }
    }
}

fn is_owned(run: &Run) -> bool {
    matches!(run.kind, Kind::Data { owned: true, .. })
}

async fn wait_for(
    receiver: Option<oneshot::Receiver<BlockResult<()>>>,
    result: &mut BlockResult<()>,
) {
    if let Some(receiver) = receiver {
        let written = receiver.await;
        if result.is_ok() {
            *result = written;
        }
    }
}
