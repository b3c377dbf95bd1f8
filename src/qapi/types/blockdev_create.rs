//! New images: `blockdev-create`.
//!
//! QEMU: qapi/block-core.json.

use super::node_options::{BlockdevDriver, BlockdevRef};
use crate::qapi::Size;
use crate::{qapi_enum, qapi_struct, qapi_union};

qapi_enum! {
    /// What of a new image is there from the beginning.
    pub enum PreallocMode {
        /// Nothing.
        "off" Off,
        /// The tables.
        "metadata" Metadata,
        /// All, without being written.
        "falloc" Falloc,
        /// All, written.
        "full" Full,
    }
}

qapi_struct! {
    /// What a new file takes.
    pub struct BlockdevCreateOptionsFile {
        /// The file. If it is there, it is written over.
        "filename" filename: String,
        /// How large the disk is, in bytes.
        "size" size: Size,
        /// What is there from the beginning; `off` if it is left out.
        "preallocation" preallocation: Option<PreallocMode>,
        /// Whether the file system writes in place.
        "nocow" nocow: Option<bool>,
        /// In which pieces the file system allocates, in bytes; 0 for its own choice.
        "extent-size-hint" extent_size_hint: Option<Size>,
    }
}

qapi_enum! {
    /// Versions of the format.
    pub enum BlockdevQcow2Version {
        /// `compat=0.10`.
        "v2" V2,
        /// `compat=1.1`.
        "v3" V3,
    }
}

qapi_enum! {
    /// How clusters are compressed.
    pub enum Qcow2CompressionType {
        /// With zlib.
        "zlib" Zlib,
        /// With zstd.
        "zstd" Zstd,
    }
}

qapi_struct! {
    /// What a new `qcow2` image takes.
    pub struct BlockdevCreateOptionsQcow2 {
        /// The node that the image is made in.
        "file" file: BlockdevRef,
        /// The node that holds the data, if they are to be elsewhere.
        "data-file" data_file: Option<BlockdevRef>,
        /// Whether those data can be read as a raw image.
        "data-file-raw" data_file_raw: Option<bool>,
        /// Whether clusters are allocated in parts.
        "extended-l2" extended_l2: Option<bool>,
        /// How large the disk is, in bytes.
        "size" size: Size,
        /// The version of the format; `v3` if it is left out.
        "version" version: Option<BlockdevQcow2Version>,
        /// The image behind it.
        "backing-file" backing_file: Option<String>,
        /// The format of that.
        "backing-fmt" backing_fmt: Option<BlockdevDriver>,
        /// How large a cluster is, in bytes; 64 KiB if it is left out.
        "cluster-size" cluster_size: Option<Size>,
        /// What is there from the beginning; `off` if it is left out.
        "preallocation" preallocation: Option<PreallocMode>,
        /// Whether reference counts are written late.
        "lazy-refcounts" lazy_refcounts: Option<bool>,
        /// How wide a reference count is, in bits; 16 if it is left out.
        "refcount-bits" refcount_bits: Option<i64>,
        /// How clusters are compressed; `zlib` if it is left out.
        "compression-type" compression_type: Option<Qcow2CompressionType>,
    }
}

qapi_struct! {
    /// What all new images take.
    pub struct BlockdevCreateOptionsBase {
        /// The format.
        "driver" driver: BlockdevDriver,
    }
}

qapi_union! {
    /// How an image is made.
    pub union BlockdevCreateOptions as BlockdevCreateOptionsKind {
        base: BlockdevCreateOptionsBase,
        tag "driver" driver: BlockdevDriver,
        "file" File => BlockdevCreateOptionsFile,
        "qcow2" Qcow2 => BlockdevCreateOptionsQcow2,
    }
}

qapi_struct! {
    /// The arguments of `blockdev-create`.
    pub struct BlockdevCreate {
        /// The job that makes the image.
        "job-id" job_id: String,
        /// How it is made.
        "options" options: BlockdevCreateOptions,
    }
}
