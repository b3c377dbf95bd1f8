//! Zeroes and discards: requests without data.

use bytes::Bytes;

use super::{Padded, check_range, limit};
use crate::bitmap::NodeBitmap;
use crate::driver::ZeroFlags;
use crate::error::{BlockResult, ErrorKind};
use crate::marks;
use crate::node::Node;
use crate::request::RequestKind;

/// What literal zeroes are written from, where the driver has no better way.
static ZEROES: [u8; ZERO_CHUNK] = [0; ZERO_CHUNK];
const ZERO_CHUNK: usize = 1 << 20;

/// That many zeroes, for which memory is needed only if a driver's alignment is enormous.
fn zeroes(bytes: u64) -> Bytes {
    match ZEROES.get(..bytes as usize) {
        Some(zeroes) => Bytes::from_static(zeroes),
        None => Bytes::from(vec![0; bytes as usize]),
    }
}

impl Node {
    /// Makes a range read as zeroes.
    ///
    /// QEMU: `bdrv_co_pwrite_zeroes` (block/io.c).
    pub async fn co_write_zeroes(
        &self,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> BlockResult<()> {
        self.co_write_zeroes_unseen_by(None, offset, bytes, flags)
            .await
    }

    /// As [`co_write_zeroes`](Self::co_write_zeroes), but `keeper` takes no note of it: whoever keeps
    /// that bitmap knows of the write.
    pub async fn co_write_zeroes_unseen_by(
        &self,
        keeper: Option<&NodeBitmap>,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> BlockResult<()> {
        check_range(offset, bytes)?;
        self.check_not_departed()?;
        if bytes == 0 {
            return Ok(());
        }
        let flags = ZeroFlags {
            may_unmap: flags.may_unmap && self.settings().unmap,
            ..flags
        };
        let align = self.limits().request_alignment;
        let request = self.begin_request(RequestKind::Write, offset, bytes);
        if !(offset | (offset + bytes)).is_multiple_of(align) {
            self.context().mark(&marks::PADDED_ZERO);
            request.set_serialising(align);
        }
        request.wait_serialising().await;
        let result = self.zero_padded(offset, bytes, align, flags).await;
        self.write_finish(&request, keeper, offset, bytes);
        result
    }

    /// Zeroes the ends that are not aligned by read-modify-write, and the middle as a whole.
    ///
    /// QEMU: `bdrv_co_do_zero_pwritev` (block/io.c).
    async fn zero_padded(
        &self,
        offset: u64,
        bytes: u64,
        align: u64,
        flags: ZeroFlags,
    ) -> BlockResult<()> {
        let end = offset + bytes;
        let middle = offset.next_multiple_of(align);
        let tail = end & !(align - 1);
        if middle > tail {
            // Both ends are in one block.
            return self.zero_part(offset, end, align).await;
        }
        if offset < middle {
            self.zero_part(offset, middle, align).await?;
        }
        if middle < tail {
            self.zero_aligned(middle, tail - middle, flags).await?;
        }
        if tail < end {
            self.zero_part(tail, end, align).await?;
        }
        Ok(())
    }

    async fn zero_part(&self, start: u64, end: u64, align: u64) -> BlockResult<()> {
        let padded = Padded::new(start, end - start, align);
        let wide = self.pad(&padded, start, &zeroes(end - start)).await?;
        self.write_padded(&padded, end, wide).await
    }

    /// QEMU: `bdrv_co_do_pwrite_zeroes` (block/io.c).
    async fn zero_aligned(
        &self,
        mut offset: u64,
        mut bytes: u64,
        flags: ZeroFlags,
    ) -> BlockResult<()> {
        let limits = self.limits();
        let max = limit(limits.max_write_zeroes, limits.request_alignment);
        while bytes > 0 {
            let part = bytes.min(max);
            match self.driver().write_zeroes(self, offset, part, flags).await {
                Err(error) if error.kind() == ErrorKind::NotSupported && !flags.no_fallback => {
                    self.zero_literally(offset, part).await?;
                }
                result => result?,
            }
            offset += part;
            bytes -= part;
        }
        Ok(())
    }

    async fn zero_literally(&self, mut offset: u64, mut bytes: u64) -> BlockResult<()> {
        // Both are powers of two, so the chunks are aligned.
        let chunk = self.limits().request_alignment.max(ZERO_CHUNK as u64);
        while bytes > 0 {
            let part = bytes.min(chunk);
            self.write_split(offset, zeroes(part)).await?;
            offset += part;
            bytes -= part;
        }
        Ok(())
    }

    /// Gives a range up: what it reads as afterwards is for the driver to say. Ends that are not
    /// aligned stay as they are; a driver that cannot discard is no error. Does nothing at a node that
    /// does not unmap.
    ///
    /// QEMU: `bdrv_co_pdiscard` (block/io.c).
    pub async fn co_discard(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        self.co_discard_unseen_by(None, offset, bytes).await
    }

    /// As [`co_discard`](Self::co_discard), but `keeper` takes no note of it: whoever keeps that bitmap
    /// knows of the discard.
    pub async fn co_discard_unseen_by(
        &self,
        keeper: Option<&NodeBitmap>,
        offset: u64,
        bytes: u64,
    ) -> BlockResult<()> {
        check_range(offset, bytes)?;
        self.check_not_departed()?;
        let limits = self.limits();
        let start = offset.next_multiple_of(limits.request_alignment);
        let end = (offset + bytes) & !(limits.request_alignment - 1);
        if bytes == 0 || start >= end || !self.settings().unmap {
            return Ok(());
        }
        let request = self.begin_request(RequestKind::Discard, offset, bytes);
        request.wait_serialising().await;
        let max = limit(limits.max_discard, limits.request_alignment);
        let mut at = start;
        let mut result = Ok(());
        while at < end && result.is_ok() {
            let part = (end - at).min(max);
            result = match self.driver().discard(self, at, part).await {
                Err(error) if error.kind() == ErrorKind::NotSupported => Ok(()),
                result => result,
            };
            at += part;
        }
        self.write_finish(&request, keeper, offset, bytes);
        result
    }
}
