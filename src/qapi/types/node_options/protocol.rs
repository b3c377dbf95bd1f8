//! Options of drivers at the bottom.
//!
//! QEMU: `BlockdevOptionsFile`, `BlockdevOptionsNull` (qapi/block-core.json).

use crate::{qapi_enum, qapi_struct};

qapi_enum! {
    /// Yes, no, or as seems best.
    pub enum OnOffAuto {
        /// As seems best.
        "auto" Auto,
        /// Yes.
        "on" On,
        /// No.
        "off" Off,
    }
}

qapi_enum! {
    /// How requests to a file are made.
    pub enum BlockdevAioOptions {
        /// By threads.
        "threads" Threads,
        /// By the kernel's older interface.
        "native" Native,
        /// By the kernel's newer interface.
        "io_uring" IoUring,
    }
}

qapi_struct! {
    /// What `file` and `host_device` take.
    pub struct BlockdevOptionsFile {
        /// The file.
        "filename" filename: String,
        /// Who manages persistent reservations.
        "pr-manager" pr_manager: Option<String>,
        /// Whether others are kept from using the file; `auto` if it is left out.
        "locking" locking: Option<OnOffAuto>,
        /// How requests are made; `threads` if it is left out.
        "aio" aio: Option<BlockdevAioOptions>,
        /// How many requests are handed to the kernel at a time.
        "aio-max-batch" aio_max_batch: Option<i64>,
        /// Whether the page cache is emptied before another machine uses the file.
        "drop-cache" drop_cache: Option<bool>,
        /// Whether it is checked that it was emptied.
        "x-check-cache-dropped" x_check_cache_dropped: Option<bool>,
    }
}

qapi_struct! {
    /// What `null-co` and `null-aio` take.
    pub struct BlockdevOptionsNull {
        /// How large the disk is, in bytes; 1 GiB if it is left out.
        "size" size: Option<i64>,
        /// How long a request takes, in nanoseconds; 0 if it is left out.
        "latency-ns" latency_ns: Option<u64>,
        /// Whether reads give zeroes; if not, they leave the buffer as it is.
        "read-zeroes" read_zeroes: Option<bool>,
    }
}
