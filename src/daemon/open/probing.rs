//! Which format an image has whose user does not say.
//!
//! QEMU: `find_image_format`, `bdrv_probe_all` (block.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::probe::{self, PROBE_BYTES};
use bytes::BytesMut;

use super::format::Format;
use crate::daemon::Daemon;
use crate::qapi::{QmpError, QmpResult};

/// Guesses the format of what `file` holds.
///
/// # Errors
///
/// It cannot be read, or it is an image that nothing here can open.
pub(super) fn probe(
    daemon: &Rc<Daemon>,
    file: &Rc<Node>,
    filename: Option<&str>,
) -> QmpResult<Format> {
    let bytes = file.len()?.min(PROBE_BYTES as u64);
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
    let guess = probe::probe(&head, filename);
    match (guess.refusal(), Format::find(guess.format)) {
        (None, Some(format)) => Ok(format),
        (Some(error), _) => Err(error.into()),
        (None, None) => Err(QmpError::generic(format!(
            "Unknown driver '{}'",
            guess.format
        ))),
    }
}
