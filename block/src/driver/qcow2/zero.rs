//! Zeroes and discards.
//!
//! Mappings change in whole clusters. What a write of zeroes covers only in part is written as literal
//! zeroes, like any other data, under the lock of its range: so it takes nothing from a write to the
//! rest of the cluster, which `imago` left to itself would do.

use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;

use super::file::File;
use super::image::{Image, Kind, Unmapped};
use crate::driver::ZeroFlags;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;

impl Image {
    /// Makes a range read as zeroes.
    ///
    /// QEMU: `qcow2_co_pwrite_zeroes` (block/qcow2.c).
    pub(super) async fn write_zeroes(
        self: Rc<Self>,
        node: Rc<Node>,
        file: File,
        range: Range<u64>,
        flags: ZeroFlags,
    ) -> BlockResult<()> {
        let range = self.check(range.start, range.end - range.start)?;
        if self.version() < 3 && node.backing().is_some() {
            // There is no mapping that would hide the backing node.
            return Err(not_supported());
        }
        self.ready_to_write(&file).await?;
        let whole = self.whole_clusters(&range);
        let parts = if whole.is_empty() {
            self.cluster_parts(&range)
        } else {
            vec![range.start..whole.start, whole.end..range.end]
        };
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            self.zero_part(&node, &file, part, flags).await?;
        }
        if whole.is_empty() {
            return Ok(());
        }
        let _held = self.ranges.exclusive(self.clusters(whole.clone())).await;
        let _gate = self.gate.read().await;
        self.zero_whole(&file, whole, flags.may_unmap).await
    }

    /// The whole clusters in a range. The last one of the image may be shorter.
    fn whole_clusters(&self, range: &Range<u64>) -> Range<u64> {
        let cluster_size = self.cluster_size();
        let start = range.start.next_multiple_of(cluster_size);
        let end = if range.end == self.size() {
            range.end
        } else {
            range.end & !(cluster_size - 1)
        };
        start..end.max(start)
    }

    /// A range that holds no whole cluster, cut where a cluster begins.
    fn cluster_parts(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let border = range.start.next_multiple_of(self.cluster_size());
        if border < range.end {
            vec![range.start..border, border..range.end]
        } else {
            vec![range.clone()]
        }
    }

    /// Zeroes whole clusters that the caller has for himself.
    async fn zero_whole(&self, file: &File, range: Range<u64>, unmap: bool) -> BlockResult<()> {
        if self.version() < 3 {
            return self.unmap(file, range, Unmapped::Backing).await;
        }
        if unmap {
            return self.unmap(file, range, Unmapped::Zero).await;
        }
        self.make_zero(file, range).await
    }

    /// Zeroes a part of one cluster.
    async fn zero_part(
        self: &Rc<Self>,
        node: &Rc<Node>,
        file: &File,
        part: Range<u64>,
        flags: ZeroFlags,
    ) -> BlockResult<()> {
        let clusters = self.clusters(part.clone());
        let _held = self.ranges.exclusive(clusters.clone()).await;
        let run = self.map(file, part.start, 1).await?;
        if run.kind == Kind::Zero {
            return Ok(());
        }
        let clusters = clusters.start..clusters.end.min(self.size());
        if run.kind == Kind::Unallocated && self.is_zero_below(node, clusters.clone()).await? {
            let _gate = self.gate.read().await;
            return self.zero_whole(file, clusters, flags.may_unmap).await;
        }
        if flags.no_fallback {
            return Err(not_supported());
        }
        let zeroes = Bytes::from(vec![0; (part.end - part.start) as usize]);
        self.write_held(node, file, part.start, zeroes).await
    }

    /// True if the guest reads zeroes where nothing is allocated.
    ///
    /// QEMU: `is_zero` (block/qcow2.c).
    pub(super) async fn is_zero_below(&self, node: &Node, range: Range<u64>) -> BlockResult<bool> {
        let Some(backing) = node.backing() else {
            return Ok(true);
        };
        let below = backing.node();
        let mut at = range.start;
        while at < range.end {
            let status = below.block_status_above(None, at, range.end - at).await?;
            if !status.zero {
                return Ok(false);
            }
            at += status.bytes;
        }
        Ok(true)
    }

    /// Gives whole clusters up. They read as zeroes then; in version 2 nothing is done if the
    /// backing node would show instead.
    ///
    /// QEMU: `qcow2_co_pdiscard`, `discard_in_l2_slice` (block/qcow2.c, block/qcow2-cluster.c).
    pub(super) async fn discard(
        self: Rc<Self>,
        node: Rc<Node>,
        file: File,
        range: Range<u64>,
    ) -> BlockResult<()> {
        let range = self.check(range.start, range.end - range.start)?;
        let backed = node.backing().is_some();
        if self.version() < 3 && backed {
            return Err(not_supported());
        }
        let whole = self.whole_clusters(&range);
        if whole.is_empty() {
            return Ok(());
        }
        self.ready_to_write(&file).await?;
        let _held = self.ranges.exclusive(self.clusters(whole.clone())).await;
        let _gate = self.gate.read().await;
        for run in self.runs(&file, whole).await? {
            let nothing_to_give = match run.kind {
                Kind::Unallocated => !backed,
                // It may keep a cluster of the file, which cannot be seen from here.
                Kind::Zero | Kind::Data { .. } | Kind::Compressed => false,
            };
            if !nothing_to_give {
                self.zero_whole(&file, run.offset..run.end(), true).await?;
            }
        }
        Ok(())
    }
}

fn not_supported() -> BlockError {
    BlockError::new(
        ErrorKind::NotSupported,
        "The image has no mapping that reads as zeroes",
    )
}
