//! The job model of QEMU's block layer: states, verbs, limits, policies, events.
#![forbid(unsafe_code)]

pub mod error;
pub mod error_policy;
pub mod event;
pub mod id;
pub mod progress;
pub mod rate_limit;
pub mod state;
pub mod verb;
