//! The speed limit of a job. The counterpart of `include/qemu/ratelimit.h`.
//!
//! A job sends as fast as it can until it has used a slice's quota ([`SLICE_TIME_NS`] at the speed
//! that is set), and then waits until all that it sent is paid for. So it sleeps about ten times a
//! second, not once a request, and a request far above the quota costs several slices of waiting.
//!
//! QEMU counts bytes a slice and forgets them when the next slice begins. A job that idles through
//! most of a slice may then send one slice's quota at its end, and the next one's right behind.
//! Here nothing is forgotten: what was sent is a *debt* that time pays off, and the limit is on the
//! debt. In any `k` slices, wherever they begin, a caller that keeps the delays sends at most
//! `k + 1` quotas and one request, at any speed, also below ten bytes a second, where QEMU rounds the
//! quota up to a byte and is faster than it was told to be.

/// How long a slice is: one tenth of a second. The counterpart of `BLOCK_JOB_SLICE_TIME`
/// (`include/block/blockjob.h`).
pub const SLICE_TIME_NS: u64 = 100_000_000;

const NS_PER_S: u64 = 1_000_000_000;

/// Tells a job how long to wait so that it keeps to its speed.
///
/// It has no clock: each call is told the time, in nanoseconds of any clock that does not go back.
/// (If one does, no time has passed.)
///
/// **Woken early.** A delay is not used up by having been returned. A caller that is woken before it
/// has passed (by a pause, a drain, a new speed) asks [`delay_left_ns`] again and waits for the
/// rest; only when that is 0 may it send. QEMU's `block_job_ratelimit_sleep` (`blockjob.c`) loops in
/// the same way, and before it did, each drain gave the job a free burst.
///
/// [`delay_left_ns`]: Self::delay_left_ns
#[derive(Clone, Debug, Default)]
pub struct RateLimit {
    /// 0 is unlimited.
    speed_bytes_per_s: u64,
    /// What was sent and is not paid for yet at `settled_ns`. The unit is a byte times
    /// nanoseconds per second: one nanosecond pays `speed_bytes_per_s` of it, so that no speed
    /// rounds and long runs do not drift.
    debt: u128,
    settled_ns: u64,
    /// Set when the debt has reached a slice's worth, until it is zero again. Without it a caller
    /// would sleep after every request once the quota is used, each time for that request alone.
    in_arrears: bool,
}

impl RateLimit {
    /// A limit that does not limit: speed 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The speed that is set, in bytes per second; 0 is unlimited.
    #[must_use]
    pub fn speed_bytes_per_s(&self) -> u64 {
        self.speed_bytes_per_s
    }

    /// What one slice is worth at the speed that is set, in bytes, at least 1; `None` is unlimited.
    #[must_use]
    pub fn slice_quota_bytes(&self) -> Option<u64> {
        if self.speed_bytes_per_s == 0 {
            return None;
        }
        Some((self.speed_bytes_per_s / (NS_PER_S / SLICE_TIME_NS)).max(1))
    }

    /// Sets the speed to `speed_bytes_per_s` from time `now_ns` on; 0 is unlimited. The counterpart of
    /// `ratelimit_set_speed` (`include/qemu/ratelimit.h`).
    ///
    /// No caller that waits has to wait longer for it: a higher speed pays the rest of the debt
    /// sooner, while a lower one leaves the time as it was promised. A caller that waits should be
    /// woken when the speed rises (as `block_job_set_speed` does), and ask again.
    pub fn set_speed(&mut self, speed_bytes_per_s: u64, now_ns: u64) {
        self.settle(now_ns);
        let old_speed = self.speed_bytes_per_s;
        self.speed_bytes_per_s = speed_bytes_per_s;
        if speed_bytes_per_s == 0 {
            self.debt = 0;
            self.in_arrears = false;
        } else if speed_bytes_per_s < old_speed {
            let time_ns = self.debt.div_ceil(u128::from(old_speed));
            self.debt = time_ns.saturating_mul(u128::from(speed_bytes_per_s));
        }
    }

    /// Records that `n_bytes` were sent at time `now_ns`, and returns how long to wait before
    /// anything more is sent, in nanoseconds: 0 while the quota lasts. The counterpart of
    /// `ratelimit_calculate_delay` (`include/qemu/ratelimit.h`).
    ///
    /// Sending in spite of a delay is recorded like everything else and lengthens it. With `n_bytes`
    /// 0 it is [`delay_left_ns`](Self::delay_left_ns).
    #[must_use = "a delay that is not kept breaks the speed limit"]
    pub fn calculate_delay(&mut self, n_bytes: u64, now_ns: u64) -> u64 {
        if self.speed_bytes_per_s == 0 {
            return 0;
        }
        self.settle(now_ns);
        let sent = u128::from(n_bytes) * u128::from(NS_PER_S);
        self.debt = self.debt.saturating_add(sent);
        let slice_worth = u128::from(self.speed_bytes_per_s) * u128::from(SLICE_TIME_NS);
        if self.debt >= slice_worth {
            self.in_arrears = true;
        }
        self.delay_left_ns(now_ns)
    }

    /// How much of the delay is left at time `now_ns`, in nanoseconds; 0 means that the caller may send.
    /// Asking changes nothing.
    #[must_use = "a delay that is not kept breaks the speed limit"]
    pub fn delay_left_ns(&self, now_ns: u64) -> u64 {
        if !self.in_arrears {
            return 0;
        }
        let delay_ns = self
            .debt_at(now_ns)
            .div_ceil(u128::from(self.speed_bytes_per_s));
        u64::try_from(delay_ns).unwrap_or(u64::MAX)
    }

    /// The debt as it is at `now_ns`.
    fn debt_at(&self, now_ns: u64) -> u128 {
        let passed_ns = u128::from(now_ns.saturating_sub(self.settled_ns));
        self.debt
            .saturating_sub(passed_ns * u128::from(self.speed_bytes_per_s))
    }

    /// Pays the debt with the time since the last call.
    fn settle(&mut self, now_ns: u64) {
        self.debt = self.debt_at(now_ns);
        self.settled_ns = self.settled_ns.max(now_ns);
        if self.debt == 0 {
            self.in_arrears = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLICE: u64 = SLICE_TIME_NS;
    const MIB: u64 = 1 << 20;

    fn limited_to(speed_bytes_per_s: u64) -> RateLimit {
        let mut limit = RateLimit::new();
        limit.set_speed(speed_bytes_per_s, 0);
        limit
    }

    /// One turn of the caller: it dawdles for `extra_ns`, waits for what is left of its delay but is
    /// woken after `wake_ns` at the latest, and sends `n_bytes` if it may.
    #[derive(Clone, Debug)]
    struct Step {
        n_bytes: u64,
        wake_ns: u64,
        extra_ns: u64,
    }

    fn steps(max_bytes: u64) -> impl Strategy<Value = Vec<Step>> {
        let wake_ns = prop_oneof![Just(u64::MAX), 0..2 * SLICE];
        let extra_ns = prop_oneof![3 => Just(0), 1 => 0..2 * SLICE, 1 => Just(SLICE)];
        let step =
            (0..=max_bytes, wake_ns, extra_ns).prop_map(|(n_bytes, wake_ns, extra_ns)| Step {
                n_bytes,
                wake_ns,
                extra_ns,
            });
        prop::collection::vec(step, 1..120)
    }

    /// Runs a caller that keeps the delays, and returns when it sent how much.
    fn run(limit: &mut RateLimit, steps: &[Step]) -> Vec<(u64, u64)> {
        let mut now_ns = 0;
        let mut sent = Vec::new();
        for step in steps {
            now_ns += step.extra_ns;
            let left_ns = limit.delay_left_ns(now_ns);
            now_ns += left_ns.min(step.wake_ns);
            if limit.delay_left_ns(now_ns) == 0 {
                let _ = limit.calculate_delay(step.n_bytes, now_ns);
                sent.push((now_ns, step.n_bytes));
            }
        }
        sent
    }

    proptest! {
        #[test]
        fn no_window_of_slices_holds_more_than_its_quotas_one_more_and_one_request(
            speed in prop_oneof![1..20u64, 1_000..100_000_000u64, Just(u64::MAX / 2)],
            slices_a_request in 0..5u64,
            seed_steps in steps(1_000),
            slices in 1..6u64,
        ) {
            // The steps count in thousandths of the largest request, which is a few slices' worth.
            let largest = (speed / 10).saturating_mul(slices_a_request) + 1;
            let scaled: Vec<Step> = seed_steps
                .into_iter()
                .map(|step| Step {
                    n_bytes: (u128::from(largest) * u128::from(step.n_bytes) / 1_000) as u64,
                    ..step
                })
                .collect();
            let sent = run(&mut limited_to(speed), &scaled);
            let window_ns = slices * SLICE;
            for (index, &(start_ns, _)) in sent.iter().enumerate() {
                let in_window = sent[index..]
                    .iter()
                    .take_while(|&&(at_ns, _)| at_ns < start_ns.saturating_add(window_ns));
                let bytes: u128 = in_window.map(|&(_, n_bytes)| u128::from(n_bytes)).sum();
                // In units of bytes times nanoseconds per second, so that quotas need no rounding.
                let quotas = u128::from(speed) * u128::from(window_ns + SLICE);
                let request = u128::from(largest) * u128::from(NS_PER_S);
                prop_assert!(
                    bytes * u128::from(NS_PER_S) <= quotas + request,
                    "{bytes} bytes in {slices} slices from {start_ns} ns on"
                );
            }
        }

        #[test]
        fn an_unlimited_job_never_waits(seed_steps in steps(u64::MAX / 2)) {
            let mut limit = RateLimit::new();
            let mut now_ns = 0;
            for step in seed_steps {
                now_ns += step.extra_ns;
                prop_assert_eq!(limit.calculate_delay(step.n_bytes, now_ns), 0);
                prop_assert_eq!(limit.delay_left_ns(now_ns), 0);
            }
        }

        #[test]
        fn a_caller_that_always_has_more_is_not_slower_than_its_speed_by_more_than_a_slice(
            speed in 1..10_000_000_000u64,
            slices_a_request in 0..4u64,
            requests in prop::collection::vec(1..=1_000u64, 1..300),
            wake_ns in 1..2 * SLICE,
        ) {
            let mut limit = limited_to(speed);
            let (mut now_ns, mut bytes) = (0u64, 0u128);
            for request in requests {
                let n_bytes = (speed / 10).saturating_mul(slices_a_request) / 1_000 * request + request;
                let _ = limit.calculate_delay(n_bytes, now_ns);
                bytes += u128::from(n_bytes);
                // Early wake-ups, which must neither help nor hurt.
                for _ in 0..3 {
                    now_ns += limit.delay_left_ns(now_ns).min(wake_ns);
                }
                now_ns += limit.delay_left_ns(now_ns);
            }
            let due = u128::from(speed) * u128::from(now_ns.saturating_sub(SLICE));
            prop_assert!(bytes * u128::from(NS_PER_S) >= due, "{bytes} bytes in {now_ns} ns");
        }

        #[test]
        fn a_new_speed_never_lengthens_a_wait(
            old_speed in 1..1_000_000_000u64,
            new_speed in 0..1_000_000_000u64,
            n_bytes in 0..1_000_000_000u64,
            now_ns in 0..10 * SLICE,
        ) {
            let mut limit = limited_to(old_speed);
            let _ = limit.calculate_delay(n_bytes, 0);
            let before_ns = limit.delay_left_ns(now_ns);
            limit.set_speed(new_speed, now_ns);
            prop_assert!(limit.delay_left_ns(now_ns) <= before_ns);
        }
    }

    #[test]
    fn requests_within_the_quota_do_not_wait_and_the_one_that_fills_it_does() {
        let mut limit = limited_to(10 * MIB);
        assert_eq!(limit.slice_quota_bytes(), Some(MIB));
        assert_eq!(limit.calculate_delay(MIB / 2, 0), 0);
        assert_eq!(limit.calculate_delay(MIB / 2 - 1, 0), 0);
        assert_eq!(limit.calculate_delay(1, 0), SLICE);
    }

    #[test]
    fn a_job_that_is_woken_early_is_told_the_rest_of_the_delay_each_time() {
        let mut limit = limited_to(10 * MIB);
        assert_eq!(limit.calculate_delay(MIB, 0), SLICE);
        for at_ns in [0, 1, SLICE / 2, SLICE - 1] {
            assert_eq!(limit.delay_left_ns(at_ns), SLICE - at_ns);
            assert_eq!(limit.calculate_delay(0, at_ns), SLICE - at_ns);
        }
        assert_eq!(limit.delay_left_ns(SLICE), 0);
        assert_eq!(limit.calculate_delay(1, SLICE), 0);
    }

    #[test]
    fn a_request_of_many_quotas_costs_as_many_slices() {
        let mut limit = limited_to(10 * MIB);
        assert_eq!(limit.calculate_delay(7 * MIB, 0), 7 * SLICE);
        assert_eq!(limit.delay_left_ns(6 * SLICE), SLICE);
    }

    #[test]
    fn one_byte_a_second_is_one_byte_a_second() {
        let mut limit = limited_to(1);
        assert_eq!(limit.slice_quota_bytes(), Some(1));
        assert_eq!(limit.calculate_delay(1, 0), NS_PER_S);
        assert_eq!(limit.calculate_delay(65_536, NS_PER_S), 65_536 * NS_PER_S);
    }

    #[test]
    fn time_without_requests_earns_no_more_than_the_quota() {
        let mut limit = limited_to(10 * MIB);
        assert_eq!(limit.calculate_delay(MIB, 1_000 * SLICE), SLICE);
    }

    #[test]
    fn a_higher_speed_shortens_a_wait_and_no_limit_ends_it() {
        let mut limit = limited_to(1);
        assert_eq!(limit.calculate_delay(MIB, 0), MIB * NS_PER_S);
        limit.set_speed(MIB, 0);
        assert_eq!(limit.delay_left_ns(0), NS_PER_S);
        limit.set_speed(0, 0);
        assert_eq!(limit.delay_left_ns(0), 0);
        assert_eq!(limit.slice_quota_bytes(), None);
        // The debt is gone for good, not only hidden.
        limit.set_speed(1, 0);
        assert_eq!(limit.calculate_delay(0, 0), 0);
    }

    #[test]
    fn time_that_passed_before_a_new_speed_pays_at_the_old_one() {
        let mut limit = limited_to(10 * MIB);
        assert_eq!(limit.calculate_delay(10 * MIB, 0), 10 * SLICE);
        limit.set_speed(20 * MIB, 5 * SLICE);
        assert_eq!(limit.delay_left_ns(5 * SLICE), 5 * SLICE / 2);
    }

    #[test]
    fn the_largest_numbers_saturate() {
        let mut limit = limited_to(1);
        assert_eq!(limit.calculate_delay(u64::MAX, 0), u64::MAX);
        let mut limit = limited_to(u64::MAX);
        assert_eq!(limit.calculate_delay(u64::MAX, u64::MAX), NS_PER_S);
    }

    #[test]
    fn a_clock_that_goes_back_pays_nothing() {
        let mut limit = limited_to(10 * MIB);
        assert_eq!(limit.calculate_delay(MIB, SLICE), SLICE);
        assert_eq!(limit.calculate_delay(0, 0), SLICE);
        assert_eq!(limit.calculate_delay(0, SLICE), SLICE);
        assert_eq!(limit.delay_left_ns(2 * SLICE), 0);
    }
}
