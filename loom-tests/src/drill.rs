//! The drill: mirrors over several contexts, with guests who write, and a main context that drains,
//! moves, pauses, cancels and completes, under rules that are checked at each event.
//!
//! It is one harness in three lives. On real threads it soaks for as long as somebody lets it
//! (`cargo xtask soak`); under `--cfg blockjob_shuttle` threads take turns as a seed says, and a run that
//! fails is a word that repeats it (`cargo xtask shuttle`); under `--cfg blockjob_loom` the smallest case,
//! two granules and one write, is run in every order up to a bound (the group `mirror` of the models).
//!
//! Nothing of the engine is copied or replaced. The drill brings a disk whose requests take their time,
//! a guest, main's deeds, and ears: each context has one, by the seam for traces, and what they hear is
//! put into one order and given to the rules (`check`).

pub(crate) mod check;
mod dice;
mod disk;
pub(crate) mod facts;
mod guest;
mod hub;
pub mod life;
mod model;
mod monitor;
pub mod plan;
mod run;
#[cfg(blockjob_shuttle)]
pub mod schedules;
mod shard;
#[cfg(blockjob_loom)]
mod smallest;
#[cfg(not(any(blockjob_loom, blockjob_shuttle)))]
pub mod soak;

pub use hub::{Hub, Tally};
pub use plan::{Ending, Plan};
pub use run::run;
#[cfg(blockjob_loom)]
pub use smallest::run_smallest;
