//! Refcounts made anew, for an image that is marked: whoever wrote to it before did not get to say
//! that all is well.
//!
//! What is in use is what can be reached: the header, the tables, and the clusters that they point to.
//! The refcounts are made to say just that. Clusters that nobody reaches are free again.
//!
//! Images with internal snapshots are left to `qemu-img`, as are those in which a cluster of data is
//! reached twice: they have more wrong with them than a refcount.
//!
//! QEMU: `qcow2_check_refcounts`, `rebuild_refcount_structure` (block/qcow2-refcount.c).

use bytes::{Bytes, BytesMut};

use super::file::File;
use super::header::{Header, incompatible};
use crate::error::{BlockError, BlockResult, ErrorKind};

/// The longest file that is looked through, in clusters: two bytes of memory each.
const MAX_CLUSTERS: u64 = 1 << 28;
/// Where in an entry of a table the offset is.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;

fn beyond_us(what: &str) -> BlockError {
    let text = format!("qcow2: Image is dirty, and {what}; cannot be opened read/write");
    BlockError::new(ErrorKind::PermissionDenied, text)
        .with_hint("Repair it with 'qemu-img check -r all'")
}

/// How often each cluster of the file is reached.
struct Reached<'a> {
    file: &'a File,
    header: &'a Header,
    counts: Vec<u16>,
    /// The offsets of the refcount blocks; 0 where there is none.
    blocks: Vec<u64>,
}

impl<'a> Reached<'a> {
    fn new(file: &'a File, header: &'a Header) -> BlockResult<Self> {
        let clusters = file.node().len()?.div_ceil(header.cluster_size());
        if clusters > MAX_CLUSTERS {
            return Err(beyond_us("too large to be repaired here"));
        }
        Ok(Reached {
            file,
            header,
            counts: vec![0; clusters as usize],
            blocks: Vec::new(),
        })
    }

    /// Counts the clusters of a range of the file.
    fn count(&mut self, offset: u64, bytes: u64) -> BlockResult<()> {
        let cluster_size = self.header.cluster_size();
        let end = offset
            .checked_add(bytes)
            .filter(|end| i64::try_from(*end).is_ok())
            .ok_or_else(|| beyond_us("a table points nowhere"))?;
        let last = end.div_ceil(cluster_size);
        if last > MAX_CLUSTERS {
            return Err(beyond_us("a table points nowhere"));
        }
        // What was given out and never written may lie behind the end of the file.
        if last as usize > self.counts.len() {
            self.counts.resize(last as usize, 0);
        }
        for cluster in offset / cluster_size..last {
            let count = &mut self.counts[cluster as usize];
            *count = count.saturating_add(1);
        }
        Ok(())
    }

    /// Counts a cluster that belongs to one table or to one cluster of the guest alone.
    fn count_owned(&mut self, offset: u64) -> BlockResult<()> {
        let cluster_size = self.header.cluster_size();
        if !offset.is_multiple_of(cluster_size) {
            return Err(beyond_us("a table points to half a cluster"));
        }
        self.count(offset, cluster_size)?;
        if self.counts[(offset / cluster_size) as usize] > 1 {
            return Err(beyond_us("two tables point to one cluster"));
        }
        Ok(())
    }

    async fn table(&self, offset: u64, bytes: u64) -> BlockResult<Vec<u64>> {
        let bytes = self.file.read_bytes(offset, bytes as usize).await?;
        let words = bytes.chunks_exact(8);
        Ok(words
            .map(|word| u64::from_be_bytes(word.try_into().expect("eight bytes")))
            .collect())
    }

    async fn count_all(&mut self) -> BlockResult<()> {
        let cluster_size = self.header.cluster_size();
        let table_bytes = u64::from(self.header.refcount_table_clusters) * cluster_size;
        self.count_owned(0)?;
        for at in (0..table_bytes).step_by(cluster_size as usize) {
            self.count_owned(self.header.refcount_table_offset + at)?;
        }
        self.blocks = self
            .table(self.header.refcount_table_offset, table_bytes)
            .await?;
        for offset in self
            .blocks
            .clone()
            .into_iter()
            .filter(|offset| *offset != 0)
        {
            self.count_owned(offset)?;
        }
        let l1_bytes = u64::from(self.header.l1_entries) * 8;
        for at in (0..l1_bytes).step_by(cluster_size as usize) {
            self.count_owned(self.header.l1_table_offset + at)?;
        }
        for entry in self.table(self.header.l1_table_offset, l1_bytes).await? {
            let offset = entry & OFFSET_MASK;
            if offset != 0 {
                self.count_owned(offset)?;
                self.count_l2(offset).await?;
            }
        }
        Ok(())
    }

    async fn count_l2(&mut self, offset: u64) -> BlockResult<()> {
        for entry in self.table(offset, self.header.cluster_size()).await? {
            if entry & COMPRESSED != 0 {
                // Several may share a cluster.
                let offset_bits = 62 - (self.header.cluster_bits - 8);
                let start = entry & ((1 << offset_bits) - 1);
                let sectors = ((entry & (COMPRESSED - 1)) >> offset_bits) + 1;
                self.count(start, sectors * 512 - (start & 511))?;
            } else if entry & OFFSET_MASK != 0 {
                self.count_owned(entry & OFFSET_MASK)?;
            }
        }
        Ok(())
    }

    fn per_block(&self) -> u64 {
        (self.header.cluster_size() * 8) >> self.header.refcount_order
    }

    /// Sees to it that each cluster in use has a place for its refcount: where a block is missing, one
    /// is put behind the end of the file.
    fn add_blocks(&mut self) -> BlockResult<bool> {
        let mut added = false;
        let mut index = 0;
        while index < (self.counts.len() as u64).div_ceil(self.per_block()) as usize {
            let from = index * self.per_block() as usize;
            let to = (from + self.per_block() as usize).min(self.counts.len());
            let is_used = self.counts[from..to].iter().any(|count| *count != 0);
            if is_used {
                let end = self.counts.len() as u64 * self.header.cluster_size();
                let Some(block) = self.blocks.get_mut(index) else {
                    return Err(beyond_us("its refcount table is too small"));
                };
                if *block == 0 {
                    *block = end;
                    added = true;
                    self.count_owned(end)?;
                }
            }
            index += 1;
        }
        Ok(added)
    }

    /// A refcount block as it should be.
    fn block(&self, index: usize) -> BlockResult<Bytes> {
        let mut block = BytesMut::zeroed(self.header.cluster_size() as usize);
        let order = self.header.refcount_order;
        let bits = 1_usize << order;
        let from = index * self.per_block() as usize;
        let counts = self
            .counts
            .iter()
            .skip(from)
            .take(self.per_block() as usize);
        for (within, count) in counts.enumerate() {
            let count = u64::from(*count);
            if bits < 16 && count >> bits != 0 {
                return Err(beyond_us("a refcount is too large"));
            }
            let at = within * bits;
            if bits < 8 {
                block[at / 8] |= (count as u8) << (at % 8);
            } else {
                let bytes = &count.to_be_bytes()[8 - bits / 8..];
                block[at / 8..at / 8 + bits / 8].copy_from_slice(bytes);
            }
        }
        Ok(block.freeze())
    }
}

/// Makes the refcounts of a marked image anew, and has them reach the disk. The mark stays.
pub(super) async fn repair(file: &File, header: &Header) -> BlockResult<()> {
    debug_assert!(header.incompatible & incompatible::DIRTY != 0);
    if header.snapshots > 0 {
        return Err(beyond_us("has snapshots"));
    }
    let mut reached = Reached::new(file, header)?;
    reached.count_all().await?;
    let added = reached.add_blocks()?;
    for (index, offset) in reached.blocks.iter().enumerate() {
        if *offset != 0 {
            file.write(*offset, reached.block(index)?).await?;
        }
    }
    if added {
        // A block must be there before the table that points to it.
        file.flush().await?;
        let mut table = BytesMut::with_capacity(reached.blocks.len() * 8);
        for offset in &reached.blocks {
            table.extend_from_slice(&offset.to_be_bytes());
        }
        file.write(header.refcount_table_offset, table.freeze())
            .await?;
    }
    file.flush().await
}
