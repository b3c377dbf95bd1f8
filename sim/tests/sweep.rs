//! Scenarios, sweeps over their seeds, and what is said of them.

#[path = "sweep/confidence.rs"]
mod confidence;
#[path = "sweep/coverage.rs"]
mod coverage;
#[path = "sweep/determinism.rs"]
mod determinism;
#[path = "sweep/draws.rs"]
mod draws;
#[path = "sweep/exhaustive.rs"]
mod exhaustive;
#[path = "sweep/failures.rs"]
mod failures;
#[path = "sweep/jobs.rs"]
mod jobs;
#[cfg(feature = "museum")]
#[path = "sweep/museum.rs"]
mod museum;
#[path = "sweep/pct.rs"]
mod pct;
#[path = "sweep/planted.rs"]
mod planted;
#[path = "sweep/scenarios.rs"]
mod scenarios;
#[path = "sweep/sketch.rs"]
mod sketch;
