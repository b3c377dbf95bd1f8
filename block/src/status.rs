//! What is known of a range, of one node and over its backing chain.
//!
//! QEMU: `bdrv_co_block_status` and relatives (block/io.c).

use std::rc::Rc;

use crate::driver::BlockStatus;
use crate::error::BlockResult;
use crate::node::Node;

impl Node {
    /// What is known of a range, of this node alone. A filter says "not allocated": the answer is
    /// below it. Past the end of the node everything is zero.
    ///
    /// QEMU: `bdrv_co_do_block_status` (block/io.c).
    pub async fn block_status(&self, offset: u64, bytes: u64) -> BlockResult<BlockStatus> {
        let len = self.len()?;
        if offset >= len || bytes == 0 {
            return Ok(BlockStatus::zero(bytes));
        }
        let in_flight = self.begin_internal();
        let bytes = bytes.min(len - offset);
        // The driver is asked in its own units, and the answer cut back to what was asked.
        let align = self.limits().request_alignment;
        let start = offset & !(align - 1);
        let end = (offset + bytes).next_multiple_of(align);
        let mut status = self.driver().block_status(self, start, end - start).await?;
        drop(in_flight);
        assert!(
            start + status.bytes > offset && status.bytes <= end - start,
            "'{}' knows {} of the {} bytes at {start}, and was asked about {offset}",
            self.name(),
            status.bytes,
            end - start
        );
        status.bytes = (start + status.bytes - offset).min(bytes);
        Ok(status)
    }

    /// What is known of a range, of this node and the chain below it down to `base`, which is not
    /// asked. Without a base, what no node of the chain holds is zero.
    ///
    /// Filters on top of the base are not asked either: they hold nothing, but if the base is
    /// shorter than what is above it, they are, too, and would seem to hold zeroes there. QEMU's
    /// callers see to that themselves, with `bdrv_find_overlay`.
    ///
    /// QEMU: `bdrv_co_block_status_above` (block/io.c).
    pub async fn block_status_above(
        &self,
        base: Option<&Node>,
        offset: u64,
        bytes: u64,
    ) -> BlockResult<BlockStatus> {
        let mut bytes = bytes;
        let mut node = self.rc();
        let base = base.map(Node::skip_filters);
        loop {
            if base
                .as_ref()
                .is_some_and(|base| Rc::ptr_eq(base, &node.skip_filters()))
            {
                return Ok(BlockStatus::unallocated(bytes));
            }
            let len = node.len()?;
            if offset >= len {
                // An overlay shows zeroes where its shorter backing node has ended.
                return Ok(BlockStatus::zero(bytes));
            }
            let status = node.block_status(offset, bytes).await?;
            bytes = status.bytes;
            if status.allocated {
                return Ok(status);
            }
            match node.filter_or_cow() {
                Some(below) => node = below,
                // Nobody holds it.
                None => {
                    return Ok(BlockStatus {
                        allocated: false,
                        zero: true,
                        data: false,
                        bytes,
                    });
                }
            }
        }
    }

    /// Whether a range is held by this node or one between it and `base`, which is not asked, and
    /// for how many bytes that holds.
    ///
    /// QEMU: `bdrv_is_allocated_above` (block/io.c).
    pub async fn is_allocated_above(
        &self,
        base: Option<&Node>,
        offset: u64,
        bytes: u64,
    ) -> BlockResult<(bool, u64)> {
        let status = self.block_status_above(base, offset, bytes).await?;
        Ok((status.allocated, status.bytes))
    }
}
