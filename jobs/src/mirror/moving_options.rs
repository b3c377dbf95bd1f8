//! What a mirror was asked to do, on its way to another context.

use blockjob_runtime::sync::Arc;

use super::backing::{MirrorBackingMode, OpenAnywhere, OpenBacking};
use super::options::{MirrorOptions, MirrorSync, MirrorTuning};
use crate::driver::MirrorCopyMode;
use crate::error_policy::OnError;

/// What the target is above in the end.
enum PackedBacking {
    Leave,
    SourceChain,
    OpenChain(Arc<OpenAnywhere>),
}

/// [`MirrorOptions`], field by field: they know a callback, and that not of each can leave its context.
pub(super) struct PackedOptions {
    job_id: Option<String>,
    sync: MirrorSync,
    copy_mode: MirrorCopyMode,
    guest_latency_ns: Option<u64>,
    granularity: u64,
    buf_size: u64,
    speed: u64,
    on_source_error: OnError,
    on_target_error: OnError,
    unmap: bool,
    replaces: Option<String>,
    filter_node_name: Option<String>,
    backing: PackedBacking,
    zero_target: bool,
    target_was_there: bool,
    verify: bool,
    auto_finalize: bool,
    auto_dismiss: bool,
    tuning: MirrorTuning,
}

impl MirrorOptions {
    /// Whether a mirror that was asked to do this can leave its context.
    pub(super) fn can_move(&self) -> bool {
        match &self.backing_mode {
            MirrorBackingMode::OpenChain(open) => open.as_anywhere().is_some(),
            MirrorBackingMode::Leave | MirrorBackingMode::SourceChain => true,
        }
    }
}

impl PackedOptions {
    pub(super) fn of(options: &MirrorOptions) -> PackedOptions {
        let options = options.clone();
        let backing = match &options.backing_mode {
            MirrorBackingMode::Leave => PackedBacking::Leave,
            MirrorBackingMode::SourceChain => PackedBacking::SourceChain,
            MirrorBackingMode::OpenChain(open) => {
                PackedBacking::OpenChain(open.as_anywhere().expect("it has said that it can move"))
            }
        };
        PackedOptions {
            job_id: options.job_id,
            sync: options.sync,
            copy_mode: options.copy_mode,
            guest_latency_ns: options.guest_latency_ns,
            granularity: options.granularity,
            buf_size: options.buf_size,
            speed: options.speed,
            on_source_error: options.on_source_error,
            on_target_error: options.on_target_error,
            unmap: options.unmap,
            replaces: options.replaces,
            filter_node_name: options.filter_node_name,
            backing,
            zero_target: options.zero_target,
            target_was_there: options.target_was_there,
            verify: options.verify,
            auto_finalize: options.auto_finalize,
            auto_dismiss: options.auto_dismiss,
            tuning: options.tuning,
        }
    }

    pub(super) fn granularity(&self) -> u64 {
        self.granularity
    }

    pub(super) fn unpack(self) -> MirrorOptions {
        let backing_mode = match self.backing {
            PackedBacking::Leave => MirrorBackingMode::Leave,
            PackedBacking::SourceChain => MirrorBackingMode::SourceChain,
            PackedBacking::OpenChain(open) => {
                MirrorBackingMode::OpenChain(OpenBacking::of_anywhere(open))
            }
        };
        // No default fills in what would be missing: a new option has to be named above as well.
        MirrorOptions {
            job_id: self.job_id,
            sync: self.sync,
            copy_mode: self.copy_mode,
            guest_latency_ns: self.guest_latency_ns,
            granularity: self.granularity,
            buf_size: self.buf_size,
            speed: self.speed,
            on_source_error: self.on_source_error,
            on_target_error: self.on_target_error,
            unmap: self.unmap,
            replaces: self.replaces,
            filter_node_name: self.filter_node_name,
            backing_mode,
            zero_target: self.zero_target,
            target_was_there: self.target_was_there,
            verify: self.verify,
            auto_finalize: self.auto_finalize,
            auto_dismiss: self.auto_dismiss,
            tuning: self.tuning,
        }
    }
}
