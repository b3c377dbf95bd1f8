//! Measuring: the numbers of runs, schedules and their dice, comparisons and what they print, and results
//! that are known from theory.

#[path = "measure/alternatives.rs"]
mod alternatives;
#[path = "measure/known.rs"]
mod known;
#[path = "measure/metrics.rs"]
mod metrics;
#[path = "measure/numbers.rs"]
mod numbers;
#[path = "measure/output.rs"]
mod output;
#[path = "measure/runs.rs"]
mod runs;
#[path = "measure/statistics.rs"]
mod statistics;
#[path = "measure/streams.rs"]
mod streams;
