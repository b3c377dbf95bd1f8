//! The declarations, by the files of QEMU's schema.
//!
//! QEMU: qapi/*.json.

pub mod block_job;
pub mod graph;
pub mod job;
pub mod mirror;
pub mod node_options;
