//! Leaky buckets: how much of something may pass in how much time.
//!
//! A bucket holds what has passed lately. It leaks at the rate that is allowed; while it holds more than its
//! size, whoever comes waits until it does not. With a burst rate there is a second bucket for the
//! bursts themselves, if these may last longer than a second.
//!
//! All is reckoned in whole numbers, in billionths of a byte or of a request: a rate times a time in
//! nanoseconds is a number of these, without any rounding.
//!
//! QEMU: `LeakyBucket`, `throttle_compute_wait` (util/throttle.c), which reckons in `double`.

/// How many parts of a byte, or of a request, levels are counted in.
const PARTS: u128 = 1_000_000_000;

/// What is allowed of one thing: bytes or requests, of reads, writes or both.
///
/// QEMU: `LeakyBucket` (include/qemu/throttle.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// How much a second, in the long run; 0 is no limit.
    pub(super) avg: u64,
    /// How much a second in a burst; 0 if there are none.
    pub(super) max: u64,
    /// How long a burst may last, in seconds; at least 1.
    pub(super) burst_length_s: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Rate {
            avg: 0,
            max: 0,
            burst_length_s: 1,
        }
    }
}

/// A bucket.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    rate: Rate,
    level: u128,
    burst_level: u128,
}

impl Bucket {
    /// An empty bucket.
    pub(super) fn new(rate: Rate) -> Bucket {
        Bucket {
            rate,
            level: 0,
            burst_level: 0,
        }
    }

    pub(super) fn is_limited(&self) -> bool {
        self.rate.avg > 0
    }

    /// Time has passed.
    ///
    /// QEMU: `throttle_leak_bucket` (util/throttle.c).
    pub(super) fn leak(&mut self, delta_ns: u64) {
        let leaked = |rate: u64| u128::from(rate) * u128::from(delta_ns);
        self.level = self.level.saturating_sub(leaked(self.rate.avg));
        if self.has_long_bursts() {
            self.burst_level = self.burst_level.saturating_sub(leaked(self.rate.max));
        }
    }

    /// Lets `amount` of `per` pass: bytes of 1, or bytes of the size that counts as one request.
    ///
    /// QEMU: `throttle_account` (util/throttle.c).
    pub(super) fn fill(&mut self, amount: u64, per: u64) {
        if !self.is_limited() {
            return;
        }
        let parts = u128::from(amount) * PARTS / u128::from(per.max(1));
        self.level += parts;
        if self.has_long_bursts() {
            self.burst_level += parts;
        }
    }

    /// How long it takes until the next may pass, in nanoseconds.
    ///
    /// QEMU: `throttle_compute_wait` (util/throttle.c).
    pub(super) fn wait_ns(&self) -> u64 {
        let Rate {
            avg,
            max,
            burst_length_s,
        } = self.rate;
        if avg == 0 {
            return 0;
        }
        // Without a burst rate, a tenth of a second may still come at once: else every other request
        // of a guest would have to wait.
        let (size, burst_size) = if max == 0 {
            (tenth_of_a_second(avg), 0)
        } else {
            let size = u128::from(max) * u128::from(burst_length_s) * PARTS;
            (size, tenth_of_a_second(max))
        };
        if self.level > size {
            return time_for(self.level - size, avg);
        }
        if self.has_long_bursts() && self.burst_level > burst_size {
            return time_for(self.burst_level - burst_size, max);
        }
        0
    }

    fn has_long_bursts(&self) -> bool {
        self.rate.burst_length_s > 1
    }
}

fn tenth_of_a_second(rate: u64) -> u128 {
    u128::from(rate) * (PARTS / 10)
}

/// Rounded up: at that time, and not a nanosecond before, it has leaked.
fn time_for(parts: u128, rate: u64) -> u64 {
    u64::try_from(parts.div_ceil(u128::from(rate))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn bucket(avg: u64, max: u64, burst_length_s: u64) -> Bucket {
        Bucket::new(Rate {
            avg,
            max,
            burst_length_s,
        })
    }

    #[test]
    fn a_tenth_of_a_second_passes_at_once_and_the_rest_at_the_rate() {
        let mut bucket = bucket(1000, 0, 1);
        bucket.fill(100, 1);
        assert_eq!(bucket.wait_ns(), 0);
        bucket.fill(1, 1);
        assert_eq!(bucket.wait_ns(), SECOND_NS / 1000);
        bucket.leak(SECOND_NS / 1000 - 1);
        assert_eq!(bucket.wait_ns(), 1);
        bucket.leak(1);
        assert_eq!(bucket.wait_ns(), 0);
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_is_not_exceeded() {
        let mut bucket = bucket(3, 3, 1);
        bucket.fill(4, 1);
        assert_eq!(bucket.wait_ns(), 333_333_334);
        bucket.leak(333_333_334);
        assert_eq!(bucket.wait_ns(), 0);
        bucket.fill(1, 1);
        // The two thirds of a nanosecond that it waited too long are not lost.
        assert_eq!(bucket.wait_ns(), 333_333_333);
    }

    #[test]
    fn a_burst_of_a_second_passes_at_once() {
        let mut bucket = bucket(100, 1000, 1);
        bucket.fill(1000, 1);
        assert_eq!(bucket.wait_ns(), 0);
        bucket.fill(1, 1);
        assert_eq!(bucket.wait_ns(), SECOND_NS / 100);
    }

    #[test]
    fn a_long_burst_passes_at_its_own_rate() {
        let mut bucket = bucket(100, 1000, 2);
        bucket.fill(101, 1);
        assert_eq!(
            bucket.wait_ns(),
            SECOND_NS / 1000,
            "a tenth of a second of it"
        );
        bucket.leak(SECOND_NS);
        bucket.fill(2000, 1);
        assert_eq!(
            bucket.wait_ns(),
            SECOND_NS / 100,
            "at the average rate, once more came than a burst may be"
        );
    }

    #[test]
    fn part_of_a_request_counts_as_a_part() {
        let mut bucket = bucket(10, 10, 1);
        bucket.fill(10 * 4096 + 2048, 4096);
        assert_eq!(bucket.wait_ns(), SECOND_NS / 20);
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut bucket = bucket(0, 0, 1);
        bucket.fill(u64::MAX, 1);
        assert_eq!(bucket.wait_ns(), 0);
    }
}
