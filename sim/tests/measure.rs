//! Measuring: the numbers of runs, schedules and their dice, comparisons and what they print, and results
//! that are known from theory.

#[path = "measure/numbers.rs"]
mod numbers;
#[path = "measure/runs.rs"]
mod runs;
#[path = "measure/streams.rs"]
mod streams;
