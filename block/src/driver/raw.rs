//! The driver `raw`: the bytes of its `file` child as they are, or a window onto them. Also without a
//! window it is a format and no filter, as in QEMU: whoever walks down a chain of images stops at it.
//!
//! QEMU: block/raw-format.c.

use std::any::Any;
use std::rc::Rc;

use blockjob_runtime::{CoMutex, CoMutexGuard};
use bytes::{Bytes, BytesMut};
use nix::libc;

use super::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use crate::child::{Child, ChildRole};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::moving::PackedDriver;
use crate::node::Node;
use crate::perm::{Perm, PermPair, filter_perms};
use crate::probe::{PROBE_BYTES, probe};

/// Fixed windows end at a multiple of this, in bytes (QEMU: `BDRV_SECTOR_SIZE` in
/// `include/block/block-common.h`).
const SECTOR_BYTES: u64 = 512;

/// The options of a `raw` node. Without any it is a plain pass-through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RawOptions {
    /// Where in the file the node begins, in bytes.
    pub offset: u64,
    /// The length of the node in bytes; without it, up to the end of the file.
    pub size: Option<u64>,
}

/// The driver `raw`. The node has one child, `file`, with the role [`RawDriver::child_role`].
pub struct RawDriver {
    options: RawOptions,
    /// Nobody has said that the disk is raw. Whoever changes its beginning holds the lock while he
    /// looks what will be there, and until it is.
    probed: Option<CoMutex>,
}

impl RawDriver {
    /// Shows a window of a file that is `file_bytes` long.
    ///
    /// QEMU: `raw_apply_options` (block/raw-format.c).
    ///
    /// # Errors
    ///
    /// `Invalid`, with the words of QEMU, if the window does not lie in the file, or its size is
    /// no multiple of 512.
    pub fn new(options: RawOptions, file_bytes: u64) -> BlockResult<RawDriver> {
        let RawOptions { offset, size } = options;
        let refuse = |text: String| Err(BlockError::new(ErrorKind::Invalid, text));
        if file_bytes < offset {
            return refuse(format!(
                "Offset ({offset}) cannot be greater than size of the containing file ({file_bytes})"
            ));
        }
        if let Some(size) = size {
            if file_bytes - offset < size {
                return refuse(format!(
                    "The sum of offset ({offset}) and size ({size}) has to be smaller or equal to \
                     the  actual size of the containing file ({file_bytes})"
                ));
            }
            if !size.is_multiple_of(SECTOR_BYTES) {
                return refuse(format!("Specified size is not multiple of {SECTOR_BYTES}"));
            }
        }
        Ok(RawDriver {
            options,
            probed: None,
        })
    }

    /// The same driver for a disk that was only guessed to be raw: whoever writes to its beginning
    /// so that it would be guessed to be something else is refused, with `EPERM`.
    ///
    /// QEMU: `probed` of `BlockDriverState` (include/block/block_int-common.h).
    #[must_use]
    pub fn probed(self) -> RawDriver {
        RawDriver {
            probed: Some(CoMutex::new()),
            ..self
        }
    }

    /// True if the disk was only guessed to be raw.
    pub fn is_probed(&self) -> bool {
        self.probed.is_some()
    }

    /// What `file` is to a node with these options: filtered if all of it is shown, else data.
    pub fn child_role(options: RawOptions) -> ChildRole {
        if options == RawOptions::default() {
            ChildRole::Filtered
        } else {
            ChildRole::Data
        }
    }

    fn file(&self, node: &Node) -> Rc<Child> {
        node.child("file")
            .expect("a raw node is made with its file and keeps it")
    }

    /// Where in the file a request lies.
    ///
    /// QEMU: `raw_adjust_offset` (block/raw-format.c).
    fn adjust(&self, offset: u64, bytes: u64, is_write: bool) -> BlockResult<u64> {
        if let Some(size) = self.options.size
            && (offset > size || bytes > size - offset)
        {
            // Nothing else in the file belongs to this node.
            let kind = if is_write {
                ErrorKind::NoSpace
            } else {
                ErrorKind::Invalid
            };
            return Err(BlockError::new(
                kind,
                format!("Request of {bytes} bytes at offset {offset} ends behind the size, {size}"),
            ));
        }
        offset
            .checked_add(self.options.offset)
            .filter(|shifted| i64::try_from(*shifted).is_ok())
            .ok_or_else(|| {
                BlockError::new(
                    ErrorKind::Invalid,
                    format!("Offset {offset} lies behind what a file can be long"),
                )
            })
    }
}

impl RawDriver {
    /// Before a change of `bytes` from `offset` on, to `data` or else to zeroes: fails if the disk
    /// would look like another format then. The value must be kept until the change is made.
    ///
    /// QEMU: `raw_co_pwritev` (block/raw-format.c), which has the node pad requests to whole sectors
    /// for this.
    async fn guard(
        &self,
        node: &Node,
        offset: u64,
        bytes: u64,
        data: Option<&[u8]>,
    ) -> BlockResult<Option<CoMutexGuard<'_>>> {
        let Some(beginning) = &self.probed else {
            return Ok(None);
        };
        if offset >= PROBE_BYTES as u64 || bytes == 0 {
            return Ok(None);
        }
        let guard = beginning.lock().await;
        let mut head = BytesMut::zeroed(PROBE_BYTES);
        let from = offset as usize;
        let changed = bytes.min((PROBE_BYTES - from) as u64) as usize;
        if changed < PROBE_BYTES {
            let shown = self.length(node)?.min(PROBE_BYTES as u64);
            let behind = head.split_off(shown as usize);
            let start = self.adjust(0, shown, false)?;
            let result;
            (head, result) = self.file(node).read(start, head).await;
            result?;
            head.unsplit(behind);
        }
        match data {
            Some(data) => head[from..from + changed].copy_from_slice(&data[..changed]),
            None => head[from..from + changed].fill(0),
        }
        let format = probe(&head, None).format;
        if format == self.format_name() {
            return Ok(Some(guard));
        }
        let text = format!(
            "Node '{}' was probed as raw, and may not become '{format}'",
            node.name()
        );
        let error = BlockError::new(ErrorKind::PermissionDenied, text);
        Err(error.with_errno(libc::EPERM))
    }
}

impl Driver for RawDriver {
    fn format_name(&self) -> &'static str {
        "raw"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, node: &Node) -> Limits {
        // The child pads what is not aligned for it: it knows best where its end is.
        Limits {
            request_alignment: 1,
            ..self.file(node).node().limits()
        }
    }

    fn length(&self, node: &Node) -> BlockResult<u64> {
        match self.options.size {
            Some(size) => Ok(size),
            // The file may have become shorter since.
            None => Ok(self
                .file(node)
                .node()
                .len()?
                .saturating_sub(self.options.offset)),
        }
    }

    fn has_zero_init(&self, node: &Node) -> bool {
        self.file(node).node().has_zero_init()
    }

    /// Unlike image formats it keeps nothing of its own in the file: it does there only what is
    /// done with itself, and minds nothing but that the window loses its end.
    ///
    /// QEMU: `raw_child_perm` (block/raw-format.c).
    fn child_perms(&self, role: ChildRole, parents: PermPair, _read_only: bool) -> PermPair {
        if role == ChildRole::Filtered {
            return filter_perms(parents);
        }
        PermPair {
            used: parents.used,
            shared: parents.shared.without(Perm::RESIZE),
        }
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            match self.adjust(offset, buf.len() as u64, false) {
                Ok(offset) => self.file(node).read(offset, buf).await,
                Err(error) => (buf, Err(error)),
            }
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let bytes = data.len() as u64;
            let at = self.adjust(offset, bytes, true)?;
            let _beginning = self.guard(node, offset, bytes, Some(&data)).await?;
            self.file(node).write(at, data).await
        })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let at = self.adjust(offset, bytes, true)?;
            let _beginning = self.guard(node, offset, bytes, None).await?;
            self.file(node).write_zeroes(at, bytes, flags).await
        })
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let at = self.adjust(offset, bytes, true)?;
            // What is discarded may be zero then.
            let _beginning = self.guard(node, offset, bytes, None).await?;
            self.file(node).discard(at, bytes).await
        })
    }

    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            // Here the chain ends, so what is below the file's node answers with it.
            let offset = self.adjust(offset, bytes, false)?;
            let file = self.file(node).node();
            let status = file.block_status_above(None, offset, bytes).await?;
            Ok(BlockStatus {
                allocated: true,
                ..status
            })
        })
    }

    /// QEMU: `raw_co_truncate` (block/raw-format.c).
    fn truncate<'a>(&'a self, node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            if self.options.size.is_some() {
                return Err(BlockError::new(
                    ErrorKind::NotSupported,
                    "Cannot resize fixed-size raw disks",
                ));
            }
            let len = len
                .checked_add(self.options.offset)
                .filter(|len| i64::try_from(*len).is_ok())
                .ok_or_else(|| {
                    BlockError::new(
                        ErrorKind::Invalid,
                        "Disk size too large for the chosen offset",
                    )
                })?;
            self.file(node).truncate(len).await
        })
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        Box::new(PackedRaw {
            options: self.options,
            probed: self.is_probed(),
        })
    }
}

/// Nobody holds the lock while the node is drained.
struct PackedRaw {
    options: RawOptions,
    probed: bool,
}

impl PackedDriver for PackedRaw {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(RawDriver {
            options: self.options,
            probed: self.probed.then(CoMutex::new),
        })
    }
}
