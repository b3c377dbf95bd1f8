//! What a schedule costs: numbers of a run in virtual time, for those who study schedules rather than
//! hunt bugs.
//!
//! An [`Observer`] is a checker that never fails. It sees what the checkers see, and makes [`Metrics`] of
//! it: for each job the time to READY and to the end, its share of the disks' time, and the longest time
//! in which it could not have been paused; how long drained sections took to begin; how long the
//! requests of guests took; how much was dirty, and when. A [`Measurer`] runs a configuration and
//! returns them.
//!
//! ```
//! use blockjob_sim::config::Config;
//! use blockjob_sim::measure::{Measurer, Schedule, Streams};
//!
//! let config = Config::parse("granules=64,guests=2,requests=32,depth=4").unwrap();
//! let mut measurer = Measurer::new();
//! let policy = Streams::new(7, &Schedule::Random);
//! let measured = measurer.measure(&config, Box::new(policy));
//! let metrics = measured.metrics.expect("the run came to its end");
//! assert!(metrics.jobs[0].ready_after_ns.unwrap() > 0);
//! ```
//!
//! # What the numbers are not
//!
//! Code takes no time in a world: its clock stands still while anything can run. What takes time is a
//! disk, a guest's rest, a sleep of a job. So a schedule shows only where it decides in which order
//! things of the same instant happen, and what that does to the next instant; the cost of a context switch
//! or of a lock is not in these numbers, and a disk has no limit to what it does at the same time.
//!
//! A run that is measured lasts a little longer than others: its storm, in which the policy decides,
//! ends when guests and monitor have done all they do *and* each job is READY or over, or paused for good. Otherwise the
//! calm after the storm, in which nobody is limited to a speed, would be measured in its place.

mod drains;
mod guests;
mod jobs;
mod measurer;
mod metrics;
mod observer;
mod quantiles;
mod series;
mod streams;

pub use measurer::{Measured, Measurer};
pub use metrics::{DrainMetrics, DrainSample, GuestMetrics, JobMetrics, Metrics};
pub use observer::Observer;
pub use quantiles::{Quantiles, jain, quantile};
pub use series::Series;
pub use streams::{Schedule, ScheduleError, Streams};
