//! The declarations, by the files of QEMU's schema.
//!
//! QEMU: qapi/*.json.

pub mod job;
