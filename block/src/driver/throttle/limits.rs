//! The limits of a throttle group, and what is refused.
//!
//! QEMU: `ThrottleLimits` (qapi/block-core.json), `throttle_is_valid` (util/throttle.c),
//! `throttle_limits_to_config` (block/throttle-groups.c).

use super::bucket::Rate;
use crate::error::{BlockError, BlockResult, ErrorKind};

/// No value is larger, so that no sum of them is too large to reckon with.
///
/// QEMU: `THROTTLE_VALUE_MAX` (include/qemu/throttle.h).
const VALUE_MAX: u64 = 1_000_000_000_000_000;

/// Limits, as a user writes them. What is `None` stays as it is; at first there are no limits. All
/// numbers are those of QAPI, so that what is wrong with them is said in QEMU's words; a rate of 0
/// is no limit.
///
/// QEMU: `ThrottleLimits` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// Requests a second.
    pub iops_total: Option<i64>,
    /// Requests a second in a burst.
    pub iops_total_max: Option<i64>,
    /// How many seconds such a burst may last; 1 at first, as for all of these.
    pub iops_total_max_length: Option<i64>,
    /// Reads a second.
    pub iops_read: Option<i64>,
    /// Reads a second in a burst.
    pub iops_read_max: Option<i64>,
    /// How many seconds such a burst may last.
    pub iops_read_max_length: Option<i64>,
    /// Writes a second; zeroes and discards are writes.
    pub iops_write: Option<i64>,
    /// Writes a second in a burst.
    pub iops_write_max: Option<i64>,
    /// How many seconds such a burst may last.
    pub iops_write_max_length: Option<i64>,
    /// Bytes a second.
    pub bps_total: Option<i64>,
    /// Bytes a second in a burst.
    pub bps_total_max: Option<i64>,
    /// How many seconds such a burst may last.
    pub bps_total_max_length: Option<i64>,
    /// Bytes read a second.
    pub bps_read: Option<i64>,
    /// Bytes read a second in a burst.
    pub bps_read_max: Option<i64>,
    /// How many seconds such a burst may last.
    pub bps_read_max_length: Option<i64>,
    /// Bytes written a second.
    pub bps_write: Option<i64>,
    /// Bytes written a second in a burst.
    pub bps_write_max: Option<i64>,
    /// How many seconds such a burst may last.
    pub bps_write_max_length: Option<i64>,
    /// A request of more bytes counts as several, and parts of one; 0 is none.
    pub iops_size: Option<i64>,
}

/// Which bucket is which, in QEMU's order (`BucketType` in `include/qemu/throttle.h`).
pub(super) const BPS_TOTAL: usize = 0;
pub(super) const BPS_READ: usize = 1;
pub(super) const BPS_WRITE: usize = 2;
pub(super) const OPS_TOTAL: usize = 3;
pub(super) const OPS_READ: usize = 4;
pub(super) const OPS_WRITE: usize = 5;
pub(super) const BUCKETS: usize = 6;

/// Limits that hold.
///
/// QEMU: `ThrottleConfig` (include/qemu/throttle.h).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) rates: [Rate; BUCKETS],
    /// How many bytes a request is at most; 0 is no limit.
    pub(super) op_size: u64,
}

/// The three members of a bucket: rate, rate of bursts, length of bursts, and the name of the latter.
type Members<T> = (T, T, T, &'static str);

impl ThrottleLimits {
    /// In the order of the buckets.
    fn members(&self) -> [Members<Option<i64>>; BUCKETS] {
        [
            (
                self.bps_total,
                self.bps_total_max,
                self.bps_total_max_length,
                "bps-total-max-length",
            ),
            (
                self.bps_read,
                self.bps_read_max,
                self.bps_read_max_length,
                "bps-read-max-length",
            ),
            (
                self.bps_write,
                self.bps_write_max,
                self.bps_write_max_length,
                "bps-write-max-length",
            ),
            (
                self.iops_total,
                self.iops_total_max,
                self.iops_total_max_length,
                "iops-total-max-length",
            ),
            (
                self.iops_read,
                self.iops_read_max,
                self.iops_read_max_length,
                "iops-read-max-length",
            ),
            (
                self.iops_write,
                self.iops_write_max,
                self.iops_write_max_length,
                "iops-write-max-length",
            ),
        ]
    }
}

fn refuse<T>(text: impl Into<String>) -> BlockResult<T> {
    Err(BlockError::new(ErrorKind::Invalid, text))
}

impl Config {
    /// These limits with the changes that a user wants, if they fit together.
    ///
    /// QEMU: `throttle_limits_to_config` (block/throttle-groups.c).
    pub(super) fn with(mut self, limits: &ThrottleLimits) -> BlockResult<Config> {
        // A negative number is one that is much too large.
        let set = |value: &mut u64, wanted: Option<i64>| {
            if let Some(wanted) = wanted {
                *value = wanted as u64;
            }
        };
        for (rate, (avg, max, length, name)) in self.rates.iter_mut().zip(limits.members()) {
            set(&mut rate.avg, avg);
            set(&mut rate.max, max);
            if length.is_some_and(|length| length > i64::from(u32::MAX)) {
                return refuse(format!(
                    "{name} value must be in the range [0, {}]",
                    u32::MAX
                ));
            }
            set(&mut rate.burst_length_s, length);
        }
        set(&mut self.op_size, limits.iops_size);
        self.check()?;
        Ok(self)
    }

    /// QEMU: `throttle_is_valid` (util/throttle.c).
    fn check(&self) -> BlockResult<()> {
        let rates = &self.rates;
        let contradicts = |total: usize, what: fn(&Rate) -> u64| {
            what(&rates[total]) > 0 && (what(&rates[total + 1]) > 0 || what(&rates[total + 2]) > 0)
        };
        let avg: fn(&Rate) -> u64 = |rate| rate.avg;
        let max: fn(&Rate) -> u64 = |rate| rate.max;
        if [BPS_TOTAL, OPS_TOTAL]
            .iter()
            .any(|total| contradicts(*total, avg) || contradicts(*total, max))
        {
            return refuse(
                "bps/iops/max total values and read/write values cannot be used at the same time",
            );
        }
        if self.op_size > 0 && rates[OPS_TOTAL..].iter().all(|rate| rate.avg == 0) {
            return refuse("iops size requires an iops value to be set");
        }
        rates.iter().try_for_each(check_rate)
    }

    /// All members, as a user can ask for them.
    ///
    /// QEMU: `throttle_config_to_limits` (block/throttle-groups.c).
    pub(super) fn limits(&self) -> ThrottleLimits {
        let avg = |bucket: usize| Some(self.rates[bucket].avg as i64);
        let max = |bucket: usize| Some(self.rates[bucket].max as i64);
        let length = |bucket: usize| Some(self.rates[bucket].burst_length_s as i64);
        ThrottleLimits {
            iops_total: avg(OPS_TOTAL),
            iops_total_max: max(OPS_TOTAL),
            iops_total_max_length: length(OPS_TOTAL),
            iops_read: avg(OPS_READ),
            iops_read_max: max(OPS_READ),
            iops_read_max_length: length(OPS_READ),
            iops_write: avg(OPS_WRITE),
            iops_write_max: max(OPS_WRITE),
            iops_write_max_length: length(OPS_WRITE),
            bps_total: avg(BPS_TOTAL),
            bps_total_max: max(BPS_TOTAL),
            bps_total_max_length: length(BPS_TOTAL),
            bps_read: avg(BPS_READ),
            bps_read_max: max(BPS_READ),
            bps_read_max_length: length(BPS_READ),
            bps_write: avg(BPS_WRITE),
            bps_write_max: max(BPS_WRITE),
            bps_write_max_length: length(BPS_WRITE),
            iops_size: Some(self.op_size as i64),
        }
    }
}

fn check_rate(rate: &Rate) -> BlockResult<()> {
    let Rate {
        avg,
        max,
        burst_length_s,
    } = *rate;
    if avg > VALUE_MAX || max > VALUE_MAX {
        return refuse(format!(
            "bps/iops/max values must be within [0, {VALUE_MAX}]"
        ));
    }
    if burst_length_s == 0 {
        return refuse("the burst length cannot be 0");
    }
    if burst_length_s > 1 && max == 0 {
        return refuse("burst length set without burst rate");
    }
    if max > 0 && burst_length_s > VALUE_MAX / max {
        return refuse("burst length too high for this burst rate");
    }
    if max > 0 && avg == 0 {
        return refuse("bps_max/iops_max require corresponding bps/iops values");
    }
    if max > 0 && max < avg {
        return refuse("bps_max/iops_max cannot be lower than bps/iops");
    }
    Ok(())
}
