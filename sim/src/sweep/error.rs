//! Why a sweep could not be made.

use crate::case::BugError;
use crate::swarm::ScenarioError;

/// Why a sweep could not be made. That runs fail is no error: see [`SweepReport`](super::SweepReport).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The configuration of a seed could not be drawn.
    #[error("seed {seed}: {error}")]
    Draw {
        /// The seed.
        seed: u64,
        /// Why not.
        error: ScenarioError,
    },
    /// The bug cannot be switched on.
    #[error(transparent)]
    Bug(#[from] BugError),
}
