//! Options of `qcow2`.
//!
//! QEMU: `BlockdevOptionsQcow2` (qapi/block-core.json).

use super::{BlockdevRef, BlockdevRefOrNull};
use crate::{qapi_alternate, qapi_enum, qapi_struct, qapi_union};

qapi_enum! {
    /// Which parts of an image are guarded from being written over by mistake.
    pub enum Qcow2OverlapCheckMode {
        /// None.
        "none" None,
        /// Those whose place does not change.
        "constant" Constant,
        /// Those that are in memory.
        "cached" Cached,
        /// All.
        "all" All,
    }
}

qapi_struct! {
    /// The same, part by part.
    pub struct Qcow2OverlapCheckFlags {
        /// What holds for parts that are left out.
        "template" template: Option<Qcow2OverlapCheckMode>,
        /// The header.
        "main-header" main_header: Option<bool>,
        /// The table of the first level that is in use.
        "active-l1" active_l1: Option<bool>,
        /// The tables of the second level that are in use.
        "active-l2" active_l2: Option<bool>,
        /// The table of the blocks of reference counts.
        "refcount-table" refcount_table: Option<bool>,
        /// The blocks of reference counts.
        "refcount-block" refcount_block: Option<bool>,
        /// The table of snapshots.
        "snapshot-table" snapshot_table: Option<bool>,
        /// Tables of the first level of snapshots.
        "inactive-l1" inactive_l1: Option<bool>,
        /// Tables of the second level of snapshots.
        "inactive-l2" inactive_l2: Option<bool>,
        /// The directory of bitmaps.
        "bitmap-directory" bitmap_directory: Option<bool>,
    }
}

qapi_alternate! {
    /// Which parts of an image are guarded.
    pub enum Qcow2OverlapChecks {
        /// Part by part.
        object Flags(Qcow2OverlapCheckFlags),
        /// In one word.
        string Mode(Qcow2OverlapCheckMode),
    }
}

qapi_enum! {
    /// How an image is encrypted.
    pub enum BlockdevQcow2EncryptionFormat {
        /// In the old way.
        "aes" Aes,
        /// With LUKS.
        "luks" Luks,
    }
}

qapi_struct! {
    /// What all ways to encrypt have.
    pub struct BlockdevQcow2EncryptionBase {
        /// How it is encrypted.
        "format" format: BlockdevQcow2EncryptionFormat,
    }
}

qapi_struct! {
    /// The key of an image that is encrypted in the old way.
    pub struct QCryptoBlockOptionsQCow {
        /// The object that holds it.
        "key-secret" key_secret: Option<String>,
    }
}

qapi_struct! {
    /// The key of an image that is encrypted with LUKS.
    pub struct QCryptoBlockOptionsLUKS {
        /// The object that holds it.
        "key-secret" key_secret: Option<String>,
    }
}

qapi_union! {
    /// How an image is encrypted. It is refused: no driver of ours decrypts.
    pub union BlockdevQcow2Encryption as BlockdevQcow2EncryptionKind {
        base: BlockdevQcow2EncryptionBase,
        tag "format" format: BlockdevQcow2EncryptionFormat,
        "aes" Aes => QCryptoBlockOptionsQCow,
        "luks" Luks => QCryptoBlockOptionsLUKS,
    }
}

qapi_struct! {
    /// What `qcow2` takes.
    pub struct BlockdevOptionsQcow2 {
        /// The node below.
        "file" file: BlockdevRef,
        /// The image behind this one; what the image itself says if it is left out.
        "backing" backing: Option<BlockdevRefOrNull>,
        /// Whether reference counts are written late.
        "lazy-refcounts" lazy_refcounts: Option<bool>,
        /// Whether a guest's discards go down to the file.
        "pass-discard-request" pass_discard_request: Option<bool>,
        /// Whether clusters that a snapshot has given up are discarded.
        "pass-discard-snapshot" pass_discard_snapshot: Option<bool>,
        /// Whether clusters that were given up otherwise are discarded.
        "pass-discard-other" pass_discard_other: Option<bool>,
        /// Whether a discarded cluster keeps its place in the file.
        "discard-no-unref" discard_no_unref: Option<bool>,
        /// Which parts of the image are guarded.
        "overlap-check" overlap_check: Option<Qcow2OverlapChecks>,
        /// How large both caches of tables are, in bytes.
        "cache-size" cache_size: Option<i64>,
        /// How large the cache of tables of the second level is, in bytes.
        "l2-cache-size" l2_cache_size: Option<i64>,
        /// How large an entry of it is, in bytes.
        "l2-cache-entry-size" l2_cache_entry_size: Option<i64>,
        /// How large the cache of reference counts is, in bytes.
        "refcount-cache-size" refcount_cache_size: Option<i64>,
        /// After how many seconds unused tables leave the caches.
        "cache-clean-interval" cache_clean_interval: Option<i64>,
        /// How it is encrypted.
        "encrypt" encrypt: Option<BlockdevQcow2Encryption>,
        /// The node that holds the data if the image has it elsewhere.
        "data-file" data_file: Option<BlockdevRef>,
    }
}
