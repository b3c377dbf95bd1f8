//! A quorum moves to another context.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_runtime::CoRwlock;

use super::{QuorumDriver, ReadPattern};
use crate::driver::Driver;
use crate::graph::Graph;
use crate::moving::PackedDriver;

/// How it was made. Nobody holds the lock while the node is drained.
struct PackedQuorum {
    threshold: usize,
    blkverify: bool,
    rewrite_corrupted: bool,
    read_pattern: ReadPattern,
}

impl QuorumDriver {
    pub(super) fn pack_up(&self) -> Box<dyn PackedDriver> {
        Box::new(PackedQuorum {
            threshold: self.threshold,
            blkverify: self.blkverify,
            rewrite_corrupted: self.rewrite_corrupted,
            read_pattern: self.read_pattern,
        })
    }
}

impl PackedDriver for PackedQuorum {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(QuorumDriver {
            threshold: self.threshold,
            blkverify: self.blkverify,
            rewrite_corrupted: self.rewrite_corrupted,
            read_pattern: self.read_pattern,
            sink: RefCell::default(),
            calm: CoRwlock::new(),
        })
    }
}
