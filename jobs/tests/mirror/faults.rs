//! Disks that fail when they are told to.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::blkdebug::{Blkdebug, Event, InjectError, IoType};
use blockjob_block::driver::mem::Fill;
use blockjob_jobs::error_policy::OnError;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions, Outcome};

use crate::lab::{Lab, LabOptions};
use crate::support::{KIB, World, assert_same, options};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Source,
    Target,
}

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) source: Rc<Node>,
    pub(crate) target: Rc<Node>,
    pub(crate) disk: Rc<Lab>,
    pub(crate) copy: Rc<Lab>,
    pub(crate) faults: [Blkdebug; 2],
}

pub(crate) const LEN: u64 = 512 * KIB;

impl Scene {
    pub(crate) fn new() -> Scene {
        let world = World::new();
        let lab = LabOptions::new(LEN).half_ns(10_000..90_000);
        let (disk_node, disk) = world.lab("disk", lab.clone());
        let (copy_node, copy) = world.lab("copy", lab.fill(Fill::Noise(99)).seed(5));
        disk.disk.zero_at(128 * KIB, 64 * KIB, true);
        let (source, on_source) = world.blkdebug("source", &disk_node);
        let (target, on_target) = world.blkdebug("target", &copy_node);
        Scene {
            world,
            source,
            target,
            disk,
            copy,
            faults: [on_source, on_target],
        }
    }

    pub(crate) fn inject(&self, side: Side, error: InjectError) {
        self.faults[side as usize].inject_error(error);
    }

    pub(crate) fn options(&self, side: Side, policy: OnError) -> MirrorOptions {
        let mut options = MirrorOptions {
            granularity: 16 * KIB,
            buf_size: 64 * KIB,
            ..options()
        };
        match side {
            Side::Source => options.on_source_error = policy,
            Side::Target => options.on_target_error = policy,
        }
        options
    }

    pub(crate) fn assert_copied(&self, outcome: &Outcome) {
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        assert!(outcome.is_copy());
        assert_same(&self.copy.content(), &self.disk.content());
    }
}

/// The ways in which a request of a mirror fails.
pub(crate) const FAULTS: [(Side, IoType); 3] = [
    (Side::Source, IoType::Read),
    (Side::Target, IoType::Write),
    (Side::Target, IoType::WriteZeroes),
];

pub(crate) fn error_event(side: Side, action: &str) -> String {
    let operation = match side {
        Side::Source => "read",
        Side::Target => "write",
    };
    format!("BLOCK_JOB_ERROR({operation} {action})")
}

/// Every request of a kind fails.
pub(crate) fn fault(io_type: IoType, errno: i32) -> InjectError {
    InjectError::new(Event::NONE).io_type(io_type).errno(errno)
}
