//! Why a comparison could not be made.

use thiserror::Error;

use crate::config::ConfigError;
use crate::swarm::ScenarioError;

/// Why a comparison could not be made.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CompareError {
    /// There are fewer than two alternatives.
    #[error(
        "there is nothing to compare: expected two alternatives or more, as in slice=10ms|100ms"
    )]
    NothingToCompare,
    /// There are no seeds.
    #[error("no seeds: expected at least one")]
    NoSeeds,
    /// The scenario cannot be drawn.
    #[error("seed {seed}: {error}")]
    Scenario {
        /// The seed.
        seed: u64,
        /// Why not.
        error: ScenarioError,
    },
    /// An alternative does not go together with what the scenario drew.
    #[error("seed {seed}, alternative '{alternative}': {error}")]
    Config {
        /// The seed.
        seed: u64,
        /// The alternative.
        alternative: String,
        /// What does not go together.
        error: ConfigError,
    },
}
