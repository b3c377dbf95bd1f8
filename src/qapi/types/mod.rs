//! The declarations, by the files of QEMU's schema.
//!
//! QEMU: qapi/*.json.

pub mod block_job;
pub mod block_stats;
pub mod blockdev_create;
pub mod control;
pub mod convergence;
pub mod explain;
pub mod export;
pub mod graph;
pub mod image_info;
pub mod introspect;
pub mod iothread;
pub mod job;
pub mod mirror;
pub mod node_options;
pub mod qom;
pub mod query_block;
pub mod quorum;
pub mod receipt;
pub mod run_state;
pub mod snapshot;
pub mod sockets;

use super::{EventInfo, QapiEvent};

/// All events.
pub static EVENTS: &[EventInfo] = &[
    job::JobStatusChange::INFO,
    block_job::BlockJobCompleted::INFO,
    block_job::BlockJobCancelled::INFO,
    block_job::BlockJobError::INFO,
    block_job::BlockJobReady::INFO,
    block_job::BlockJobPending::INFO,
    block_job::BlockIoError::INFO,
    quorum::QuorumFailure::INFO,
    quorum::QuorumReportBad::INFO,
    export::BlockExportDeleted::INFO,
    run_state::Shutdown::INFO,
    run_state::Stop::INFO,
    run_state::Resume::INFO,
];
