//! Models of the shipped runtime, which [loom](https://docs.rs/loom) runs in every order of threads, and
//! with every value that a weak memory may show, up to a bound of preemptions.
//!
//! There is no copy of anything here: a model makes real contexts of `blockjob_runtime`, in two or three
//! threads, and says what must hold. Under `--cfg blockjob_loom` the runtime takes its atomics, locks and
//! threads from loom, through `blockjob_runtime::sync`. Without that cfg this crate is empty.
//!
//! `cargo xtask loom` builds and runs all models; docs/concurrency.md says what each shows and what none
//! can show.
#![forbid(unsafe_code)]

#[cfg(blockjob_loom)]
pub mod check;
#[cfg(feature = "drill")]
pub mod drill;
#[cfg(all(blockjob_loom, feature = "drill"))]
mod home;
#[cfg(blockjob_loom)]
pub mod models;
#[cfg(blockjob_loom)]
pub mod world;
