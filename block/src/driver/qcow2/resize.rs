//! Changes of the length.

use std::rc::Rc;

use bytes::Bytes;
use imago::format::PreallocateMode;
use imago::format::drivers::FormatDriverInstance;

use super::file::File;
use super::image::{Image, Kind};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;

/// Sizes are multiples of this, in bytes (QEMU: `BDRV_SECTOR_SIZE` in
/// `include/block/block-common.h`).
pub(super) const SECTOR_BYTES: u64 = 512;

impl Image {
    /// Changes the virtual size. New bytes read as zeroes.
    ///
    /// QEMU: `qcow2_co_truncate` (block/qcow2.c).
    pub(super) async fn resize(
        self: Rc<Self>,
        node: Rc<Node>,
        file: File,
        len: u64,
    ) -> BlockResult<()> {
        if !len.is_multiple_of(SECTOR_BYTES) {
            let text = format!("The new size must be a multiple of {SECTOR_BYTES}");
            return Err(BlockError::new(ErrorKind::Invalid, text));
        }
        self.ready_to_write(&file).await?;
        let _held = self.ranges.exclusive(0..u64::MAX).await;
        let old = self.size();
        if self.version() < 3 && self.server.header.borrow().snapshots > 0 && len != old {
            let text = "Can't resize a v2 image which has snapshots";
            return Err(BlockError::new(ErrorKind::NotSupported, text));
        }
        if len < old {
            let context = "Could not shrink the image";
            let _gate = self.gate.read().await;
            return self
                .alone(&file, async |imago| imago.resize_shrink(len).await, context)
                .await;
        }
        if len > old {
            self.grow(&node, &file, old, len).await?;
        }
        Ok(())
    }

    async fn grow(
        self: &Rc<Self>,
        node: &Rc<Node>,
        file: &File,
        old: u64,
        len: u64,
    ) -> BlockResult<()> {
        self.clear_last_cluster(file, old).await?;
        let context = "Could not grow the image";
        let grow = async |imago: &mut super::image::Imago| {
            imago.resize_grow(len, PreallocateMode::None).await
        };
        {
            let _gate = self.gate.read().await;
            self.alone(file, grow, context).await?;
        }
        // Where nothing is allocated a longer backing node would show.
        let below = match node.backing() {
            Some(backing) => backing.node().len()?.min(len),
            None => old,
        };
        self.hide_below(node, file, old, below).await
    }

    /// What lies behind the end in the last cluster becomes part of the image: it must be zero.
    async fn clear_last_cluster(&self, file: &File, old: u64) -> BlockResult<()> {
        let end = old.next_multiple_of(self.cluster_size());
        if end == old {
            return Ok(());
        }
        let last = self.map(file, old - 1, 1).await?;
        if let Kind::Data { host, owned: true } = last.kind {
            let zeroes = Bytes::from(vec![0; (end - old) as usize]);
            file.write(host + 1, zeroes).await?;
        }
        Ok(())
    }

    async fn hide_below(
        self: &Rc<Self>,
        node: &Rc<Node>,
        file: &File,
        from: u64,
        to: u64,
    ) -> BlockResult<()> {
        if from >= to {
            return Ok(());
        }
        let cluster_size = self.cluster_size();
        let first_whole = from.next_multiple_of(cluster_size).min(to);
        if from < first_whole {
            let zeroes = Bytes::from(vec![0; (first_whole - from) as usize]);
            self.write_held(node, file, from, zeroes).await?;
        }
        if first_whole == to {
            return Ok(());
        }
        if self.version() >= 3 {
            let end = to.next_multiple_of(cluster_size).min(self.size());
            let _gate = self.gate.read().await;
            return self.make_zero(file, first_whole..end).await;
        }
        let mut at = first_whole;
        while at < to {
            let part = (to - at).min(cluster_size);
            let zeroes = Bytes::from(vec![0; part as usize]);
            self.write_held(node, file, at, zeroes).await?;
            at += part;
        }
        Ok(())
    }
}
