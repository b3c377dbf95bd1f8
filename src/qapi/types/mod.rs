//! The declarations, by the files of QEMU's schema.
//!
//! QEMU: qapi/*.json.

pub mod block_job;
pub mod block_stats;
pub mod blockdev_create;
pub mod control;
pub mod graph;
pub mod image_info;
pub mod introspect;
pub mod job;
pub mod mirror;
pub mod node_options;
pub mod qom;
pub mod query_block;
pub mod quorum;
pub mod run_state;
pub mod snapshot;
