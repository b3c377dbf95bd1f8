//! How a `quorum` node is made, and what is refused.
//!
//! QEMU: `quorum_open` (block/quorum.c).

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_runtime::CoRwlock;
use nix::libc;

use super::QuorumDriver;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;

/// Which children are read.
///
/// QEMU: `QuorumReadPattern` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadPattern {
    /// All of them, and they vote.
    #[default]
    Quorum,
    /// The first one, and the next if that fails.
    Fifo,
}

/// The options of a `quorum` node.
///
/// QEMU: `BlockdevOptionsQuorum` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumOptions {
    /// How many children must agree; as in QAPI, so that what is wrong with it is said in QEMU's
    /// words.
    pub vote_threshold: i64,
    /// There are two children, and they must never differ.
    pub blkverify: bool,
    /// Children that are in the minority get what the others have.
    pub rewrite_corrupted: bool,
    /// Which children are read.
    pub read_pattern: ReadPattern,
}

impl QuorumOptions {
    /// So many children must agree, and nothing else is special.
    pub fn new(vote_threshold: i64) -> QuorumOptions {
        QuorumOptions {
            vote_threshold,
            blkverify: false,
            rewrite_corrupted: false,
            read_pattern: ReadPattern::Quorum,
        }
    }

    /// The driver of a node with these children, as many as the node gets, with the names that
    /// [`child_name`](super::child_name) gives them.
    ///
    /// # Errors
    ///
    /// `Invalid` if the options contradict each other, in QEMU's words; `Io` if the children are not
    /// of the same length.
    pub fn build(self, children: &[Rc<Node>]) -> BlockResult<QuorumDriver> {
        if children.is_empty() {
            return refuse("Number of provided children must be 1 or more");
        }
        if children.len() > super::CHILD_NAMES.len() {
            return refuse(format!(
                "Number of provided children must be {} or less",
                super::CHILD_NAMES.len()
            ));
        }
        if self.vote_threshold < 1 {
            return refuse("Parameter 'vote-threshold' expects a value >= 1");
        }
        let threshold = usize::try_from(self.vote_threshold).unwrap_or(usize::MAX);
        if threshold > children.len() {
            return refuse("threshold may not exceed children count");
        }
        let votes = self.read_pattern == ReadPattern::Quorum;
        if votes && self.blkverify {
            if children.len() != 2 || threshold != 2 {
                return refuse(
                    "blkverify=on can only be set if there are exactly two files and \
                     vote-threshold is 2",
                );
            }
            if self.rewrite_corrupted {
                return refuse("rewrite-corrupted=on cannot be used with blkverify=on");
            }
        }
        let first = children[0].len()?;
        for child in &children[1..] {
            if child.len()? != first {
                let context = "Could not refresh total sector count";
                return Err(BlockError::from_errno(libc::EIO, context));
            }
        }
        Ok(QuorumDriver {
            threshold,
            blkverify: votes && self.blkverify,
            rewrite_corrupted: votes && self.rewrite_corrupted,
            read_pattern: self.read_pattern,
            sink: RefCell::default(),
            calm: CoRwlock::new(),
        })
    }
}

fn refuse<T>(text: impl Into<String>) -> BlockResult<T> {
    Err(BlockError::new(ErrorKind::Invalid, text))
}
