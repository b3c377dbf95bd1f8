//! What the header of an image says, for those who ask about images.

use super::header::{BITMAPS, Header, LAZY_REFCOUNTS, extension, incompatible};

/// What the header of an image says. Sizes are in bytes.
///
/// QEMU: `ImageInfo`, `ImageInfoSpecificQCow2` (qapi/block-core.json).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qcow2Facts {
    /// The length of the disk that the guest sees.
    pub virtual_size: u64,
    /// The unit of allocation.
    pub cluster_size: u64,
    /// 2 or 3.
    pub version: u32,
    /// The name of the backing file, as it stands in the header.
    pub backing_file: Option<String>,
    /// The format of the backing file, as it stands in the header.
    pub backing_format: Option<String>,
    /// The name of the external data file. Always `None` for now: such images are refused.
    pub data_file: Option<String>,
    /// The image was not closed well when it was opened, and its refcounts may be wrong
    /// (`dirty-flag`).
    pub dirty: bool,
    /// Somebody has found the image to be corrupt.
    pub corrupt: bool,
    /// Refcounts may be brought up to date late. This driver never makes use of that.
    pub lazy_refcounts: bool,
    /// The width of a refcount, in bits.
    pub refcount_bits: u32,
    /// How clusters are compressed. Always `zlib` for now: others are refused.
    pub compression_type: &'static str,
    /// Whether clusters are allocated in parts. Always false for now: such images are refused.
    pub extended_l2: bool,
    /// How many internal snapshots there are.
    pub snapshots: u32,
    /// The image has persistent bitmaps, and cannot be written to for that.
    pub has_bitmaps: bool,
}

impl Qcow2Facts {
    /// The compatibility level, as `qemu-img` calls it.
    pub fn compat(&self) -> &'static str {
        if self.version < 3 { "0.10" } else { "1.1" }
    }

    pub(super) fn of(header: &Header) -> Self {
        let text = |bytes: &bytes::Bytes| {
            let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        Qcow2Facts {
            virtual_size: header.size,
            cluster_size: header.cluster_size(),
            version: header.version,
            backing_file: header.backing_file.as_ref().map(text),
            backing_format: header.extension(extension::BACKING_FORMAT).map(text),
            data_file: header.extension(extension::DATA_FILE).map(text),
            dirty: header.incompatible & incompatible::DIRTY != 0,
            corrupt: header.incompatible & incompatible::CORRUPT != 0,
            lazy_refcounts: header.compatible & LAZY_REFCOUNTS != 0,
            refcount_bits: 1 << header.refcount_order,
            compression_type: "zlib",
            extended_l2: header.incompatible & incompatible::EXTENDED_L2 != 0,
            snapshots: header.snapshots,
            has_bitmaps: header.autoclear & BITMAPS != 0
                || header.extension(extension::BITMAPS).is_some(),
        }
    }
}
