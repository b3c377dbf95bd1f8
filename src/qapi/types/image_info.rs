//! What is known of an image.
//!
//! QEMU: `ImageInfo`, `ImageInfoSpecific` (qapi/block-core.json).

use super::blockdev_create::Qcow2CompressionType;
use crate::{qapi_enum, qapi_struct, qapi_union};

qapi_struct! {
    /// A snapshot inside of an image.
    pub struct SnapshotInfo {
        /// Its number.
        "id" id: String,
        /// Its name.
        "name" name: String,
        /// How large the state of the machine is, in bytes.
        "vm-state-size" vm_state_size: i64,
        /// When it was made, in seconds since 1970.
        "date-sec" date_sec: i64,
        /// And nanoseconds.
        "date-nsec" date_nsec: i64,
        /// The machine's own clock then, in seconds.
        "vm-clock-sec" vm_clock_sec: i64,
        /// And nanoseconds.
        "vm-clock-nsec" vm_clock_nsec: i64,
        /// How many instructions were executed, if they are counted.
        "icount" icount: Option<i64>,
    }
}

qapi_enum! {
    /// The state of a bitmap inside of an image.
    pub enum Qcow2BitmapInfoFlags {
        /// It was not saved.
        "in-use" InUse,
        /// It is to be kept up to date whenever the image is written to.
        "auto" Auto,
    }
}

qapi_struct! {
    /// A bitmap inside of an image.
    pub struct Qcow2BitmapInfo {
        /// Its name.
        "name" name: String,
        /// How many bytes a bit stands for.
        "granularity" granularity: u32,
        /// Its state.
        "flags" flags: Vec<Qcow2BitmapInfoFlags>,
    }
}

qapi_struct! {
    /// What is known of a `qcow2` image in particular.
    pub struct ImageInfoSpecificQCow2 {
        /// The version of the format: `0.10` or `1.1`.
        "compat" compat: String,
        /// The file that holds the data, if they are elsewhere.
        "data-file" data_file: Option<String>,
        /// Whether those data can be read as a raw image.
        "data-file-raw" data_file_raw: Option<bool>,
        /// Whether clusters are allocated in parts.
        "extended-l2" extended_l2: Option<bool>,
        /// Whether reference counts are written late.
        "lazy-refcounts" lazy_refcounts: Option<bool>,
        /// Whether the image is known to be damaged.
        "corrupt" corrupt: Option<bool>,
        /// How wide a reference count is, in bits.
        "refcount-bits" refcount_bits: i64,
        /// The bitmaps in it.
        "bitmaps" bitmaps: Option<Vec<Qcow2BitmapInfo>>,
        /// How clusters are compressed.
        "compression-type" compression_type: Qcow2CompressionType,
    }
}

qapi_struct! {
    /// What is known of a file in particular.
    pub struct ImageInfoSpecificFile {
        /// In which pieces the file system allocates, in bytes.
        "extent-size-hint" extent_size_hint: Option<u64>,
    }
}

qapi_enum! {
    /// Of which kinds of images more is known.
    pub enum ImageInfoSpecificKind {
        /// An image in QEMU's own format.
        "qcow2" Qcow2,
        /// A file.
        "file" File,
    }
}

qapi_struct! {
    /// Which kind it is.
    pub struct ImageInfoSpecificBase {
        /// The kind.
        "type" kind: ImageInfoSpecificKind,
    }
}

qapi_struct! {
    /// A `qcow2` image.
    pub struct ImageInfoSpecificQCow2Wrapper {
        /// What is known of it.
        "data" data: ImageInfoSpecificQCow2,
    }
}

qapi_struct! {
    /// A file.
    pub struct ImageInfoSpecificFileWrapper {
        /// What is known of it.
        "data" data: ImageInfoSpecificFile,
    }
}

qapi_union! {
    /// What is known of an image of that kind.
    pub union ImageInfoSpecific as ImageInfoSpecificData {
        base: ImageInfoSpecificBase,
        tag "type" kind: ImageInfoSpecificKind,
        "qcow2" Qcow2 => ImageInfoSpecificQCow2Wrapper,
        "file" File => ImageInfoSpecificFileWrapper,
    }
}

qapi_struct! {
    /// What is known of an image.
    pub struct ImageInfo {
        /// Its name.
        "filename" filename: String,
        /// Its format.
        "format" format: String,
        /// Whether it was not closed as it should have been.
        "dirty-flag" dirty_flag: Option<bool>,
        /// How many bytes it takes.
        "actual-size" actual_size: Option<i64>,
        /// How large the disk is, in bytes.
        "virtual-size" virtual_size: i64,
        /// How large a cluster is, in bytes.
        "cluster-size" cluster_size: Option<i64>,
        /// Whether it is encrypted.
        "encrypted" encrypted: Option<bool>,
        /// Whether it is compressed.
        "compressed" compressed: Option<bool>,
        /// The image behind it, as it names it.
        "backing-filename" backing_filename: Option<String>,
        /// The image behind it, with its path.
        "full-backing-filename" full_backing_filename: Option<String>,
        /// The format of the image behind it.
        "backing-filename-format" backing_filename_format: Option<String>,
        /// The snapshots in it.
        "snapshots" snapshots: Option<Vec<SnapshotInfo>>,
        /// What is known of images of its kind.
        "format-specific" format_specific: Option<ImageInfoSpecific>,
        /// What is known of the image behind it.
        "backing-image" backing_image: Option<Box<ImageInfo>>,
    }
}
