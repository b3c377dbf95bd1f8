//! What a user may choose for a node, whatever its driver is.
//!
//! QEMU: `open_flags`, `detect_zeroes` of `BlockDriverState` (include/block/block_int-common.h).

use crate::driver::ZeroFlags;
use crate::node::Node;

/// Whether writes of zeroes that come as data are found out.
///
/// QEMU: `BlockdevDetectZeroesOptions` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZeroDetection {
    /// Data is data.
    #[default]
    Off,
    /// Zeroes are written as zeroes.
    On,
    /// Zeroes are written as zeroes, and their space is given up.
    Unmap,
}

/// What a user may choose for a node. The default is a node that does what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeSettings {
    /// Discards reach the driver, and zeroes may be written by giving space up (QEMU:
    /// `BDRV_O_UNMAP` in include/block/block-common.h).
    pub unmap: bool,
    /// Flushes do not reach the driver (QEMU: `BDRV_O_NO_FLUSH` in include/block/block-common.h).
    pub no_flush: bool,
    /// What is done with data that is all zeroes.
    pub detect_zeroes: ZeroDetection,
    /// Its parents mind nothing that others do with it (QEMU: `force_share` of `BlockDriverState` in
    /// include/block/block_int-common.h).
    pub force_share: bool,
}

impl Default for NodeSettings {
    fn default() -> Self {
        NodeSettings {
            unmap: true,
            no_flush: false,
            detect_zeroes: ZeroDetection::Off,
            force_share: false,
        }
    }
}

impl Node {
    /// What a user has chosen for it.
    pub fn settings(&self) -> NodeSettings {
        self.settings.get()
    }

    /// Has it do what a user has chosen, from the next request on.
    pub fn set_settings(&self, settings: NodeSettings) {
        self.settings.set(settings);
    }

    /// How `data` is to be written if it is to be written as zeroes.
    ///
    /// QEMU: `bdrv_aligned_pwritev` (block/io.c).
    pub(crate) fn detect_zeroes(&self, data: &[u8]) -> Option<ZeroFlags> {
        let detect = self.settings.get().detect_zeroes;
        if detect == ZeroDetection::Off || !is_zero(data) {
            return None;
        }
        Some(ZeroFlags {
            may_unmap: detect == ZeroDetection::Unmap,
            no_fallback: false,
        })
    }
}

/// True if all bytes are zero.
///
/// QEMU: `buffer_is_zero` (util/bufferiszero.c).
fn is_zero(data: &[u8]) -> bool {
    // Most data shows at its ends what it is.
    let ends = [data.first(), data.last()];
    if ends.into_iter().flatten().any(|byte| *byte != 0) {
        return false;
    }
    let words = data.chunks_exact(32);
    let rest = words.remainder();
    rest.iter().all(|byte| *byte == 0) && words.into_iter().all(|word| word == [0; 32])
}
