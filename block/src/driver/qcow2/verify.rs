//! A look at the refcounts of the tables themselves, before an image is written to.
//!
//! Whoever allocates believes the refcounts. If those say that the header or a table is free, the next
//! cluster that is given out lies on top of it. QEMU looks at each write for that
//! (`qcow2_pre_write_overlap_check` in `block/qcow2-refcount.c`); here it is asked once, and an image
//! that fails is not written to at all.

use bytes::Bytes;

use super::file::File;
use super::header::Header;
use crate::error::{BlockError, BlockResult, ErrorKind};

/// Refcounts, a block at a time.
struct Refcounts<'a> {
    file: &'a File,
    header: &'a Header,
    block: Option<(u64, Bytes)>,
}

impl Refcounts<'_> {
    /// Whether a cluster of the file is in use.
    async fn is_used(&mut self, cluster: u64) -> BlockResult<bool> {
        let order = self.header.refcount_order;
        let cluster_size = self.header.cluster_size();
        let per_block = (cluster_size * 8) >> order;
        let (index, within) = (cluster / per_block, cluster % per_block);
        if self.block.as_ref().is_none_or(|(at, _)| *at != index) {
            let block = self.read_block(index).await?;
            self.block = Some((index, block));
        }
        let block = self.block.as_ref().map_or(&[][..], |(_, block)| block);
        if block.is_empty() {
            return Ok(false);
        }
        let bit = (within << order) as usize;
        if order >= 3 {
            let bytes = 1 << (order - 3);
            return Ok(block[bit / 8..bit / 8 + bytes]
                .iter()
                .any(|byte| *byte != 0));
        }
        let mask = (1_u8 << (1 << order)) - 1;
        Ok(block[bit / 8] >> (bit % 8) & mask != 0)
    }

    /// The refcount block of that number; no bytes if there is none.
    async fn read_block(&self, index: u64) -> BlockResult<Bytes> {
        let header = self.header;
        let cluster_size = header.cluster_size();
        if index >= u64::from(header.refcount_table_clusters) * cluster_size / 8 {
            return Ok(Bytes::new());
        }
        let at = header.refcount_table_offset + index * 8;
        let entry = self.file.read_bytes(at, 8).await?;
        let entry: [u8; 8] = entry[..].try_into().expect("eight bytes were asked for");
        let offset = u64::from_be_bytes(entry);
        if offset == 0 || !offset.is_multiple_of(cluster_size) || i64::try_from(offset).is_err() {
            return Ok(Bytes::new());
        }
        self.file.read_bytes(offset, cluster_size as usize).await
    }
}

/// Fails if the header, the L1 table or the refcount table lie in clusters that seem to be free.
pub(super) async fn check_refcounts(file: &File, header: &Header) -> BlockResult<()> {
    let cluster_size = header.cluster_size();
    let tables = [
        (0, 1),
        (
            header.l1_table_offset,
            (u64::from(header.l1_entries) * 8).div_ceil(cluster_size),
        ),
        (
            header.refcount_table_offset,
            u64::from(header.refcount_table_clusters),
        ),
    ];
    let mut refcounts = Refcounts {
        file,
        header,
        block: None,
    };
    for (offset, clusters) in tables {
        for cluster in offset / cluster_size..offset / cluster_size + clusters {
            if !refcounts.is_used(cluster).await? {
                let text = "qcow2: Image is corrupt: a table is marked as free; cannot be opened \
                            read/write";
                return Err(BlockError::new(ErrorKind::PermissionDenied, text)
                    .with_hint("Repair it with 'qemu-img check -r all'"));
            }
        }
    }
    Ok(())
}
