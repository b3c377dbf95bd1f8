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
use blockjob_runtime::sync::Arc;

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

/// Opens the backing file of a node and puts it below. Called in M17, in the node's context and outside
/// of coroutines, while the node is drained.
///
/// QEMU: `bdrv_open_backing_file` (block.c).
#[derive(Clone)]
pub struct OpenBacking(Opener);

#[derive(Clone)]
enum Opener {
    /// In the context in which it was made.
    Here(Rc<OpenHere>),
    Anywhere(Arc<OpenAnywhere>),
}

type OpenHere = dyn Fn(&Rc<Node>) -> BlockResult<()>;

/// Opens the backing file of a node in whichever context the node is.
pub(super) type OpenAnywhere = dyn Fn(&Rc<Node>) -> BlockResult<()> + Send + Sync;

impl OpenBacking {
    /// `open` is given the target, past its filters, which has no backing node yet. A target whose
    /// header names none stays without one, which is no error. The mirror stays in the context in which
    /// it was started.
    pub fn new(open: impl Fn(&Rc<Node>) -> BlockResult<()> + 'static) -> Self {
        OpenBacking(Opener::Here(Rc::new(open)))
    }

    /// As [`new`](Self::new), with an `open` that can be called in any context, so that the mirror can
    /// move.
    pub fn anywhere(open: impl Fn(&Rc<Node>) -> BlockResult<()> + Send + Sync + 'static) -> Self {
        Self::of_anywhere(Arc::new(open))
    }

    pub(super) fn of_anywhere(open: Arc<OpenAnywhere>) -> Self {
        OpenBacking(Opener::Anywhere(open))
    }

    /// It, if it can be called in any context.
    pub(super) fn as_anywhere(&self) -> Option<Arc<OpenAnywhere>> {
        match &self.0 {
            Opener::Here(_) => None,
            Opener::Anywhere(open) => Some(open.clone()),
        }
    }

    fn open(&self, node: &Rc<Node>) -> BlockResult<()> {
        match &self.0 {
            Opener::Here(open) => open(node),
            Opener::Anywhere(open) => open(node),
        }
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
        match (&self.0, &other.0) {
            (Opener::Here(one), Opener::Here(other)) => Rc::ptr_eq(one, other),
            (Opener::Anywhere(one), Opener::Anywhere(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
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
                None => open.open(&target),
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
