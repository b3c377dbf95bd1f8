//! The job model of QEMU's block layer: states, verbs, limits, policies, events.
#![forbid(unsafe_code)]

pub mod block_job;
pub mod driver;
pub mod error;
pub mod event;
pub mod id;
pub mod job;
pub mod list;
pub mod look;
pub mod main_loop;
pub mod marks;
pub mod mirror;
pub mod moving;
pub mod progress;
pub mod rate_limit;
pub mod state;
pub mod trace;
pub mod txn;
pub mod verb;

// The methods of a job, by the question that they answer.
mod cancel;
mod defer;
mod enter;
mod finish;
mod io_error;
mod pause;
mod query;
mod run_state;
mod sleep;
mod sync;
mod verbs;

pub use blockjob_block::error_policy;
