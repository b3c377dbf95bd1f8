//! Which format an image has whose user does not say.
//!
//! QEMU: `find_image_format`, `bdrv_probe_all` (block.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::qcow2;
use bytes::BytesMut;

use super::format::Format;
use crate::daemon::Daemon;
use crate::qapi::{QmpError, QmpResult};

/// How much of an image is looked at, in bytes.
///
/// QEMU: `BLOCK_PROBE_BUF_SIZE` (include/block/block_int-common.h).
const PROBE_BYTES: u64 = 512;

/// Guesses the format of what `file` holds.
///
/// # Errors
///
/// It cannot be read.
pub(super) fn probe(
    daemon: &Rc<Daemon>,
    file: &Rc<Node>,
    _filename: Option<&str>,
) -> QmpResult<Format> {
    let bytes = file.len()?.min(PROBE_BYTES);
    let node = file.clone();
    let (head, result) = daemon.context().run("probe", async move {
        node.co_read(0, BytesMut::zeroed(bytes as usize)).await
    });
    result.map_err(|error| {
        let why = blockjob_block::error::errno_text(error.errno());
        QmpError::generic(format!(
            "Could not read image for determining its format: {why}"
        ))
    })?;
    Ok(if qcow2::probe(&head) > 0 {
        Format::Qcow2
    } else {
        Format::Raw
    })
}
