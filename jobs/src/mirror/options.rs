//! What a mirror is asked to do, and which of it makes no sense.
//!
//! QEMU: `blockdev_mirror_common` (blockdev.c), `mirror_start_job` (block/mirror.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::dirty_bitmap::MAX_LEN_BYTES;
use blockjob_block::op_blocker::BlockOp;

use super::backing::{MirrorBackingMode, backing_chain_next};
use super::exit::can_replace;
use crate::driver::MirrorCopyMode;
use crate::error::JobError;
use crate::error_policy::OnError;
use crate::rate_limit::SLICE_TIME_NS;

/// Copies in flight at a time, at most. QEMU: `MAX_IN_FLIGHT` (block/mirror.c).
pub const MAX_IN_FLIGHT: usize = 16;
/// The longest single copy, unless the buffer is very large. QEMU: `MAX_IO_BYTES` (block/mirror.c).
pub const MAX_IO_BYTES: u64 = 1 << 20;
/// How much may be in flight, unless it is said. QEMU: `DEFAULT_MIRROR_BUF_SIZE` (block/mirror.c).
pub const DEFAULT_MIRROR_BUF_SIZE: u64 = MAX_IN_FLIGHT as u64 * MAX_IO_BYTES;
/// The smallest granularity.
pub const MIN_GRANULARITY: u64 = 512;
/// The largest granularity.
pub const MAX_GRANULARITY: u64 = 64 << 20;

/// Which parts of the disk are copied.
///
/// QEMU: `MirrorSyncMode` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MirrorSync {
    /// All of it.
    #[default]
    Full,
    /// What is allocated in the topmost image.
    Top,
    /// Only what is written from now on.
    None,
    /// What a bitmap says: refused, as by QEMU's mirrors.
    Incremental,
    /// What a bitmap says, under another name: refused as well.
    Bitmap,
}

impl MirrorSync {
    /// As commands spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            MirrorSync::Full => "full",
            MirrorSync::Top => "top",
            MirrorSync::None => "none",
            MirrorSync::Incremental => "incremental",
            MirrorSync::Bitmap => "bitmap",
        }
    }
}

/// What QEMU has as constants: for those who measure what they do. Whoever mirrors a disk leaves it
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirrorTuning {
    /// How long the job may run before it comes past a pause point with a moment for others, and how
    /// long it rests when there is nothing to do, in nanoseconds. QEMU:
    /// `BLOCK_JOB_SLICE_TIME` (include/block/blockjob_int.h).
    pub slice_time_ns: u64,
    /// Copies in flight at a time, at most; at least 1.
    pub max_in_flight: usize,
    /// The longest single copy, in bytes, unless a sixteenth of the buffer is more; at least 512.
    pub max_io_bytes: u64,
}

impl Default for MirrorTuning {
    /// QEMU's constants.
    fn default() -> Self {
        MirrorTuning {
            slice_time_ns: SLICE_TIME_NS,
            max_in_flight: MAX_IN_FLIGHT,
            max_io_bytes: MAX_IO_BYTES,
        }
    }
}

/// The arguments of a mirror. Build one with [`MirrorOptions::new`] and set what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorOptions {
    /// The job's name; without one, that of the backend which uses the source.
    pub job_id: Option<String>,
    /// Which parts are copied.
    pub sync: MirrorSync,
    /// How a guest's writes get to the target, to begin with: [`JobChange::Mirror`] changes it.
    ///
    /// [`JobChange::Mirror`]: crate::driver::JobChange::Mirror
    pub copy_mode: MirrorCopyMode,
    /// What the mirror may cost the guest, in nanoseconds a request; `None` for whatever it takes. An
    /// active write never waits longer than that for the target, and copies in the background are
    /// held back so that the guest's requests take no longer than that more, as a mean. The budget wins:
    /// with one the mirror need not become READY.
    pub guest_latency_ns: Option<u64>,
    /// The unit in which writes are tracked, in bytes, a power of two from 512 to 64 MiB; 0 for
    /// one that suits the target.
    pub granularity: u64,
    /// How much may be in flight, in bytes; 0 for the default. Above `i64::MAX` it is taken for the
    /// negative number that it would be there, and refused.
    pub buf_size: u64,
    /// Bytes per second, at most; 0 for no limit. Above `i64::MAX` it is taken for the negative number
    /// that it would be there, and refused.
    pub speed: u64,
    /// What an error on the source does.
    pub on_source_error: OnError,
    /// What an error on the target does.
    pub on_target_error: OnError,
    /// Whether zeroes on the source may be holes on the target.
    pub unmap: bool,
    /// The node that the target replaces in the end, if it is not the source.
    pub replaces: Option<String>,
    /// The name of the filter on top of the source; without one it has a name that no user could
    /// give, and is implicit.
    pub filter_node_name: Option<String>,
    /// What the target is above in the end.
    pub backing_mode: MirrorBackingMode,
    /// The target may hold anything, so that zeroes must be written too (`zero_target`). False for
    /// a target that is known to read as zeroes.
    pub zero_target: bool,
    /// The target was there before and is not zeroed, so that what the source knows to be zero must be
    /// written to it: a copy of the top alone, of a source that turns out to have nothing below.
    pub target_was_there: bool,
    /// Whether both sides are read back and compared at the end, while the guest waits
    /// ([`verify`](super::verify)).
    pub verify: bool,
    /// Whether the job finalizes by itself.
    pub auto_finalize: bool,
    /// Whether the job vanishes by itself.
    pub auto_dismiss: bool,
    /// What nobody but a student of schedules changes.
    pub tuning: MirrorTuning,
}

impl MirrorOptions {
    /// All defaults: a full copy onto a target of which nothing is known.
    pub fn new() -> Self {
        MirrorOptions {
            job_id: None,
            sync: MirrorSync::Full,
            copy_mode: MirrorCopyMode::Background,
            guest_latency_ns: None,
            granularity: 0,
            buf_size: 0,
            speed: 0,
            on_source_error: OnError::Report,
            on_target_error: OnError::Report,
            unmap: true,
            replaces: None,
            filter_node_name: None,
            backing_mode: MirrorBackingMode::Leave,
            zero_target: true,
            target_was_there: false,
            verify: false,
            auto_finalize: true,
            auto_dismiss: true,
            tuning: MirrorTuning::default(),
        }
    }

    /// What a command looks at before it speaks of a job at all, in QEMU's order. Fills in what follows
    /// from the nodes.
    ///
    /// QEMU: `blockdev_mirror_common` (blockdev.c).
    ///
    /// # Errors
    ///
    /// An option that makes no sense, an operation that somebody blocks, a node that cannot be replaced.
    pub fn check_common(&self, source: &Node, target: &Node) -> Result<MirrorOptions, JobError> {
        let mut options = self.clone();
        if options.granularity != 0 {
            if !(MIN_GRANULARITY..=MAX_GRANULARITY).contains(&options.granularity) {
                return invalid("Parameter 'granularity' expects a value in range [512B, 64MB]");
            }
            if !options.granularity.is_power_of_two() {
                return invalid("Parameter 'granularity' expects a power of 2");
            }
        }
        if options.tuning.max_in_flight == 0 {
            return invalid("Parameter 'max_in_flight' expects a value of at least 1");
        }
        if options.tuning.max_io_bytes < MIN_GRANULARITY {
            return invalid("Parameter 'max_io_bytes' expects a value of at least 512");
        }
        source.check_op(BlockOp::MirrorSource)?;
        target.check_op(BlockOp::MirrorTarget)?;
        if options.sync == MirrorSync::Top && backing_chain_next(source).is_none() {
            options.sync = MirrorSync::Full;
        }
        if options.replaces.is_none() {
            // Filters that users do not know of stay where they are.
            let visible = source.skip_implicit_filters();
            if !std::ptr::eq(&raw const *visible, source) {
                options.replaces = Some(visible.name().to_owned());
            }
        }
        if let Some(name) = &options.replaces {
            check_to_replace(source, name)?;
        }
        Ok(options)
    }

    /// Fills in the defaults, and refuses what makes no sense, in QEMU's order.
    ///
    /// QEMU: `blockdev_mirror_common` (blockdev.c), `mirror_start_job` (block/mirror.c).
    pub(super) fn check(&self, source: &Node, target: &Node) -> Result<MirrorOptions, JobError> {
        let mut options = self.check_common(source, target)?;
        if let MirrorSync::Incremental | MirrorSync::Bitmap = options.sync {
            return invalid(&format!(
                "Sync mode '{}' not supported",
                options.sync.as_str()
            ));
        }
        if options.granularity == 0 {
            options.granularity = default_granularity(target);
        }
        if i64::try_from(options.buf_size).is_err() {
            return invalid("Invalid parameter 'buf-size'");
        }
        if Rc::ptr_eq(&source.skip_filters(), &target.skip_filters()) {
            return invalid("Can't mirror node into itself");
        }
        if options.buf_size == 0 {
            options.buf_size = DEFAULT_MIRROR_BUF_SIZE;
        }
        // No disk is longer, and the sums that follow cannot overflow.
        options.buf_size = options.buf_size.min(MAX_LEN_BYTES / 2);
        options.buf_size = options.buf_size.next_multiple_of(options.granularity);
        Ok(options)
    }
}

fn invalid<T>(text: &str) -> Result<T, JobError> {
    Err(JobError::Invalid {
        text: text.to_owned(),
    })
}

/// QEMU: `check_to_replace_node` (block.c), and the sizes in `blockdev_mirror_common` (blockdev.c).
fn check_to_replace(source: &Node, name: &str) -> Result<(), JobError> {
    let graph = source.graph().expect("the graph outlives its nodes");
    let Some(node) = graph.find_node(name) else {
        return invalid(&format!("Failed to find node with node-name='{name}'"));
    };
    node.check_op(BlockOp::Replace)?;
    if !can_replace(&source.rc(), &node) {
        return invalid(&format!(
            "Cannot replace '{name}' by a node mirrored from '{}', because it cannot be guaranteed \
             that doing so would not lead to an abrupt change of visible data",
            source.name()
        ));
    }
    if source.len()? != node.len()? {
        return invalid("cannot replace image with a mirror image of different size");
    }
    Ok(())
}

impl Default for MirrorOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// QEMU: `bdrv_get_default_bitmap_granularity` (block/dirty-bitmap.c).
fn default_granularity(target: &Node) -> u64 {
    match target.limits().cluster_size {
        0 => 65536,
        cluster_size => cluster_size.clamp(4096, 65536),
    }
}
