//! What the target is above in the end.
//!
//! A target that was made for the job, or whose own backing file was not opened with it, has nothing
//! below it while the job copies. When it is complete it gets what belongs there: for `sync=top` what
//! the source is above, for `sync=none` the source itself, or the file that its own header names.
//!
//! QEMU: `BlockMirrorBackingMode` (include/block/block_int-common.h), `mirror_exit_common`
//! (block/mirror.c).

use std::fmt;
use std::rc::Rc;

use blockjob_block::{BlockResult, Node};

use super::options::MirrorSync;
use super::state::MirrorJob;
use crate::driver::JobResult;
use crate::error::JobError;

/// `EPERM` as Linux numbers it.
pub(super) const EPERM: i32 = 1;
/// `EINVAL` as Linux numbers it.
const EINVAL: i32 = 22;

/// What the target is above once it is complete.
///
/// QEMU: `BlockMirrorBackingMode` (include/block/block_int-common.h).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MirrorBackingMode {
    /// What it was above all the time (`blockdev-mirror`).
    #[default]
    Leave,
    /// What the source is above, or for `sync=none` the source itself (`drive-mirror` onto an image
    /// that it has made); nothing for `sync=full`.
    SourceChain,
    /// The backing file that its header names, opened only then (`drive-mirror` with
    /// `mode=existing`).
    OpenChain(OpenBacking),
}

/// Opens the backing file of a node and puts it below. Called in M17, in the main context and outside
/// of coroutines, while the node is drained.
///
/// QEMU: `bdrv_open_backing_file` (block.c).
#[derive(Clone)]
pub struct OpenBacking(Rc<OpenFn>);

type OpenFn = dyn Fn(&Rc<Node>) -> BlockResult<()>;

impl OpenBacking {
    /// `open` is given the target, past its filters, which has no backing node yet. A target whose
    /// header names none stays without one, which is no error.
    pub fn new(open: impl Fn(&Rc<Node>) -> BlockResult<()> + 'static) -> Self {
        OpenBacking(Rc::new(open))
    }
}

impl fmt::Debug for OpenBacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenBacking")
    }
}

/// Two are the same if they are copies of one.
impl PartialEq for OpenBacking {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for OpenBacking {}

impl MirrorJob {
    /// Puts below the target what belongs there, which nobody can read through yet.
    ///
    /// QEMU: `mirror_exit_common` (block/mirror.c), which goes on without it when that fails.
    pub(super) fn attach_backing(&self) -> JobResult {
        // The peer's watchers are told the number alone, and its log the rest.
        let number = match &self.options.backing_mode {
            MirrorBackingMode::OpenChain(_) => EINVAL,
            MirrorBackingMode::Leave | MirrorBackingMode::SourceChain => EPERM,
        };
        self.try_to_attach().map_err(|error| {
            tracing::error!(target: "blockjob::mirror", %error, "the target gets no backing node");
            JobError::Io { errno: number }
        })
    }

    fn try_to_attach(&self) -> BlockResult<()> {
        let target = self.target_node().skip_filters();
        match &self.options.backing_mode {
            MirrorBackingMode::Leave => Ok(()),
            MirrorBackingMode::SourceChain => {
                let backing = match self.options.sync {
                    MirrorSync::None => Some(self.source_node()),
                    _ => self.base(),
                };
                let before = target.backing().map(|edge| edge.node());
                if before.as_ref().map(Rc::as_ptr) == backing.as_ref().map(Rc::as_ptr) {
                    return Ok(());
                }
                let graph = target.graph().expect("the graph outlives jobs");
                graph.set_backing(&target, backing.as_ref())
            }
            MirrorBackingMode::OpenChain(open) => match target.backing() {
                // Somebody has opened it meanwhile.
                Some(_) => Ok(()),
                None => (open.0)(&target),
            },
        }
    }
}

/// The node below `node` in the chain of images, past filters: what it reads from what it does not
/// hold itself.
///
/// QEMU: `bdrv_backing_chain_next` (block.c).
pub(super) fn backing_chain_next(node: &Node) -> Option<Rc<Node>> {
    let backing = node.skip_filters().backing()?;
    Some(backing.node().skip_filters())
}
