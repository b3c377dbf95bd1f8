//! What is measured of a run.

use serde::Serialize;

use super::quantiles::{Quantiles, jain};
use super::series::Series;

/// What was measured of one run. All times are of the world's clock, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// The jobs, in the order of their disks. Jobs that a monitor has added are not among them.
    pub jobs: Vec<JobMetrics>,
    /// Jain's index of the jobs' [`share_bytes`](JobMetrics::share_bytes): 1 if all have copied the
    /// same, 1/n if one of n has copied everything. None if nobody has copied anything by then.
    pub fairness: Option<f64>,
    /// The drained sections.
    pub drains: DrainMetrics,
    /// The guests, in the order of their numbers.
    pub guests: Vec<GuestMetrics>,
    /// All guests as if they were one.
    pub all_guests: GuestMetrics,
    /// How long the run took.
    pub virtual_ns: u64,
}

/// What was measured of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobMetrics {
    /// Its name.
    pub job: String,
    /// When it began to work; none if it was refused.
    pub started_ns: Option<u64>,
    /// How long after that it became READY for the first time; none if it never did.
    pub ready_after_ns: Option<u64>,
    /// How long after its start it was concluded.
    pub ended_after_ns: Option<u64>,
    /// Bytes that it had copied when the first job of the world became READY, or ended.
    pub share_bytes: u64,
    /// Bytes that it had copied when it became READY for the first time; none if it never did.
    pub ready_bytes: Option<u64>,
    /// Bytes of data that it copied in all, those that it copied again included.
    pub copied_bytes: u64,
    /// Bytes of granules that it took again, because the guest wrote to them or a copy failed.
    pub recopied_bytes: u64,
    /// Bytes that it made zeroes without copying them.
    pub zeroed_bytes: u64,
    /// Bytes that were zeroes on both sides, and that it left alone.
    pub skipped_bytes: u64,
    /// The longest time in which it could not have been paused: between two pause points, of which
    /// sleeps, yields and pauses are ones that last. The time after its last pause point, in which it
    /// ends, does not count.
    pub longest_unpausable_ns: u64,
    /// The longest time in which it was busy: between two sleeps, yields or pauses. It may pass pause
    /// points meanwhile.
    pub longest_busy_ns: u64,
    /// How much remained to be copied while it worked, until the storm was over.
    pub dirty_bytes: Series,
}

impl JobMetrics {
    /// Bytes that it copied in a second, until it was READY; none if it never was, or at once.
    pub fn rate_bytes_per_s(&self) -> Option<f64> {
        per_second(self.ready_bytes?, self.ready_after_ns?)
    }
}

/// What was measured of drained sections that were asked for while the storm lasted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrainMetrics {
    /// How long it took from the begin of a section until nothing was in flight; none if there was no
    /// section.
    pub latency_ns: Option<Quantiles>,
    /// The first sections, each for itself, up to [`DrainMetrics::MAX_SAMPLES`].
    pub sections: Vec<DrainSample>,
}

impl DrainMetrics {
    /// So many sections are kept.
    pub const MAX_SAMPLES: usize = 1024;
}

/// One drained section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DrainSample {
    /// The node that was drained.
    pub node: String,
    /// Who asked for it.
    pub owner: &'static str,
    /// When.
    pub at_ns: u64,
    /// How long it took until nothing was in flight.
    pub latency_ns: u64,
}

/// What was measured of a guest, or of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GuestMetrics {
    /// Requests that were answered, also with an error.
    pub requests: u64,
    /// Bytes of those that were answered well.
    pub bytes: u64,
    /// How long requests took; none if none was answered.
    pub latency_ns: Option<Quantiles>,
    /// From the first request to the last answer.
    pub active_ns: u64,
}

impl GuestMetrics {
    /// Requests answered in a second; none if no time passed.
    pub fn requests_per_s(&self) -> Option<f64> {
        per_second(self.requests, self.active_ns)
    }

    /// Bytes in a second; none if no time passed.
    pub fn bytes_per_s(&self) -> Option<f64> {
        per_second(self.bytes, self.active_ns)
    }
}

fn per_second(count: u64, time_ns: u64) -> Option<f64> {
    (time_ns > 0).then(|| count as f64 * 1e9 / time_ns as f64)
}

impl Metrics {
    /// Those of `jobs` and the rest.
    pub(super) fn new(
        jobs: Vec<JobMetrics>,
        drains: DrainMetrics,
        guests: (Vec<GuestMetrics>, GuestMetrics),
        virtual_ns: u64,
    ) -> Metrics {
        let shares: Vec<_> = jobs.iter().map(|job| job.share_bytes as f64).collect();
        Metrics {
            fairness: jain(&shares),
            jobs,
            drains,
            guests: guests.0,
            all_guests: guests.1,
            virtual_ns,
        }
    }
}
