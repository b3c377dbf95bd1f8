//! Changes of the length, on purpose or by a write past the end.

use super::check_range;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;
use crate::request::RequestKind;

impl Node {
    /// Changes the length to `len` bytes. New bytes read as zeroes, if the driver can promise it.
    ///
    /// QEMU: `bdrv_co_truncate` (block/io.c).
    pub async fn co_truncate(&self, len: u64) -> BlockResult<()> {
        check_range(len, 0)?;
        let align = self.limits().request_alignment;
        if !len.is_multiple_of(align) {
            return Err(BlockError::new(
                ErrorKind::Invalid,
                format!("the length {len} is not a multiple of {align}"),
            ));
        }
        let old = self.len()?;
        // Everything past the smaller of the two ends is changed.
        let from = old.min(len);
        let request = self.begin_request(RequestKind::Truncate, from, old.max(len) - from);
        if old != len {
            request.set_serialising(1);
            request.wait_serialising().await;
        }
        self.driver().truncate(self, len).await?;
        self.resized_to(self.len()?);
        self.write_finish(&request, None, from, old.max(len) - from);
        Ok(())
    }

    /// A write has reached past the end that was known. Formats let their file grow so.
    pub(super) fn note_growth(&self) {
        if let Ok(len) = self.len()
            && len > self.io.known_len.get()
        {
            self.resized_to(len);
        }
    }

    /// The node is so long now. Its bitmaps follow, and its users hear of it if that is news.
    ///
    /// QEMU: `bdrv_parent_cb_resize`, `bdrv_dirty_bitmap_truncate` (block/io.c,
    /// block/dirty-bitmap.c).
    pub(crate) fn resized_to(&self, len: u64) {
        self.truncate_bitmaps(len);
        if self.io.known_len.replace(len) == len {
            return;
        }
        for edge in self.parents() {
            if let Some(parent) = edge.parent() {
                parent.resized(&edge);
            }
        }
    }
}
