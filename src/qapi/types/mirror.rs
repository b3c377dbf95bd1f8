//! Mirrors.
//!
//! QEMU: qapi/block-core.json.

use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::error_policy::OnError;

use crate::{qapi_enum, qapi_struct};

qapi_enum!(impl OnError as "BlockdevOnError", "What a failed request leads to.", {
    "report" Report,
    "ignore" Ignore,
    "enospc" Enospc,
    "stop" Stop,
    "auto" Auto,
});

qapi_enum! {
    /// Which parts of a disk are copied.
    pub enum MirrorSyncMode {
        /// What is allocated in the topmost image.
        "top" Top,
        /// All of it.
        "full" Full,
        /// Only what is written from now on.
        "none" None,
        /// What a bitmap says, which is changed; not for mirrors.
        "incremental" Incremental,
        /// What a bitmap says; not for mirrors.
        "bitmap" Bitmap,
    }
}

qapi_enum!(impl MirrorCopyMode as "MirrorCopyMode", "When writes of the guest reach the target: after the guest was answered, before, or after it \
    for as long as that can win.", {
    "background" Background,
    "write-blocking" WriteBlocking,
    "auto" Auto,
});

qapi_enum! {
    /// Where the image of a target comes from.
    pub enum NewImageMode {
        /// It is there already.
        "existing" Existing,
        /// It is made, and names its backing file by its whole path.
        "absolute-paths" AbsolutePaths,
    }
}

qapi_struct! {
    /// The arguments of `drive-mirror`.
    pub struct DriveMirror {
        /// The job; without it, the name of the drive.
        "job-id" job_id: Option<String>,
        /// The drive, or the node, whose writes are mirrored.
        "device" device: String,
        /// The file of the target.
        "target" target: String,
        /// The format of the target; without it that of the source, or what an existing one looks like.
        "format" format: Option<String>,
        /// The name of the target's node.
        "node-name" node_name: Option<String>,
        /// The node that the target replaces in the end, if it is not the source.
        "replaces" replaces: Option<String>,
        /// Which parts are copied.
        "sync" sync: MirrorSyncMode,
        /// Where the target's image comes from. The default is `absolute-paths`.
        "mode" mode: Option<NewImageMode>,
        /// The limit in bytes per second; 0 for none, which is the default.
        "speed" speed: Option<i64>,
        /// The unit in which writes are tracked, in bytes, a power of 2 from 512 to 64M. The default
        /// suits the target.
        "granularity" granularity: Option<u32>,
        /// How much may be in flight, in bytes.
        "buf-size" buf_size: Option<i64>,
        /// What an error on the source leads to. The default is `report`.
        "on-source-error" on_source_error: Option<OnError>,
        /// What an error on the target leads to. The default is `report`.
        "on-target-error" on_target_error: Option<OnError>,
        /// Whether zeroes of the source may be holes of the target. The default is yes.
        "unmap" unmap: Option<bool>,
        /// When writes of the guest reach the target. The default is `background`.
        "copy-mode" copy_mode: Option<MirrorCopyMode>,
        /// What the mirror may cost the guest, in microseconds a request; without it, whatever it takes. It
        /// goes before READY.
        "x-guest-latency-us" x_guest_latency_us: Option<u64>,
        /// Whether the job finalizes by itself. The default is yes.
        "auto-finalize" auto_finalize: Option<bool>,
        /// Whether the job vanishes by itself. The default is yes.
        "auto-dismiss" auto_dismiss: Option<bool>,
        /// Whether both sides are read back and compared at the end, while the guest waits. The default
        /// is no.
        "x-verify" x_verify: Option<bool>,
    }
}

qapi_struct! {
    /// The arguments of `blockdev-mirror`.
    pub struct BlockdevMirror {
        /// The job; without it, the name of the drive.
        "job-id" job_id: Option<String>,
        /// The drive, or the node, whose writes are mirrored.
        "device" device: String,
        /// The node of the target.
        "target" target: String,
        /// The node that the target replaces in the end, if it is not the source.
        "replaces" replaces: Option<String>,
        /// Which parts are copied.
        "sync" sync: MirrorSyncMode,
        /// The limit in bytes per second; 0 for none, which is the default.
        "speed" speed: Option<i64>,
        /// The unit in which writes are tracked, in bytes, a power of 2 from 512 to 64M. The default
        /// suits the target.
        "granularity" granularity: Option<u32>,
        /// How much may be in flight, in bytes.
        "buf-size" buf_size: Option<i64>,
        /// What an error on the source leads to. The default is `report`.
        "on-source-error" on_source_error: Option<OnError>,
        /// What an error on the target leads to. The default is `report`.
        "on-target-error" on_target_error: Option<OnError>,
        /// The name of the filter on top of the source.
        "filter-node-name" filter_node_name: Option<String>,
        /// When writes of the guest reach the target. The default is `background`.
        "copy-mode" copy_mode: Option<MirrorCopyMode>,
        /// What the mirror may cost the guest, in microseconds a request; without it, whatever it takes. It
        /// goes before READY.
        "x-guest-latency-us" x_guest_latency_us: Option<u64>,
        /// Whether the job finalizes by itself. The default is yes.
        "auto-finalize" auto_finalize: Option<bool>,
        /// Whether the job vanishes by itself. The default is yes.
        "auto-dismiss" auto_dismiss: Option<bool>,
        /// Whether both sides are read back and compared at the end, while the guest waits. The default
        /// is no.
        "x-verify" x_verify: Option<bool>,
    }
}
