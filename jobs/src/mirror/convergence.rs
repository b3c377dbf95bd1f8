//! Will the mirror ever have nothing left? Rates over a sliding window, and a forecast from them.
//!
//! A guest that writes makes granules dirty, and the job makes them clean. What counts is not what the
//! guest writes but what *becomes* dirty by it: a granule that is dirty already is copied once, however
//! often it is written. So while much is dirty yet, the guest adds little, and it adds more the
//! further the job has come: a forecast holds at the rates of its window.
//!
//! Nothing here knows a mirror or a clock: `watch.rs` feeds it.
//!
//! QEMU has no counterpart.

use std::collections::VecDeque;

const NS_PER_S: u128 = 1_000_000_000;
/// A window has so many slices.
pub const WINDOW_SLICES: u64 = 8;
/// After so many slices a forecast is made.
pub const EVIDENCE_SLICES: u64 = 4;
/// Who copies so much faster than the guest dirties that it is not one part of so many gains nothing: no
/// window is more exact than that, and it is where a guest that writes at random places settles.
const LEAST_GAIN: u64 = 16;

/// What was done until some moment. The totals never fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// The moment, in nanoseconds of a clock that stands still while the mirror does.
    pub at_ns: u64,
    /// Bytes of granules that were clean and that guests have made dirty.
    pub dirtied_bytes: u64,
    /// Bytes of granules that are not dirty any more: copied, or covered by a write to both sides.
    pub copied_bytes: u64,
    /// When the last of them became clean.
    pub copied_at_ns: u64,
}

/// How fast it went in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Bytes per second that guests have made dirty.
    pub dirty: u64,
    /// Bytes per second that have become clean.
    pub copy: u64,
    /// How many whole slices that is taken from, at most those of a window.
    pub slices: u64,
}

/// The samples of a window, one a slice.
#[derive(Debug, Clone)]
pub struct RateWindow {
    slice_ns: u64,
    samples: VecDeque<Sample>,
}

impl RateWindow {
    /// An empty window of [`WINDOW_SLICES`] slices of `slice_ns`, which is at least 1.
    pub fn new(slice_ns: u64) -> Self {
        RateWindow {
            slice_ns: slice_ns.max(1),
            samples: VecDeque::new(),
        }
    }

    /// The length of the window in nanoseconds.
    pub fn window_ns(&self) -> u64 {
        self.slice_ns.saturating_mul(WINDOW_SLICES)
    }

    /// Whether a slice has passed since the last sample.
    pub fn is_due(&self, now_ns: u64) -> bool {
        let last = self.samples.back();
        last.is_none_or(|last| now_ns.saturating_sub(last.at_ns) >= self.slice_ns)
    }

    /// Adds the newest sample, and forgets what is not needed for the window that ends with it.
    pub fn add(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        // The oldest that is kept is at the edge of the window, or the last one before it.
        let window_ns = self.window_ns();
        while self.samples.len() > 2 && sample.at_ns - self.samples[1].at_ns >= window_ns {
            self.samples.pop_front();
        }
    }

    /// The rates of the window that ends with `now`, which need not be added; `None` before a slice
    /// has passed.
    pub fn rates(&self, now: Sample) -> Option<Rates> {
        let window_ns = self.window_ns();
        let mut samples = self.samples.iter();
        let oldest = samples.rfind(|it| now.at_ns.saturating_sub(it.at_ns) >= window_ns);
        let first = oldest.or(self.samples.front())?;
        let span_ns = now.at_ns.saturating_sub(first.at_ns);
        if span_ns < self.slice_ns {
            return None;
        }
        let rate = |bytes: u64| {
            let rate = u128::from(bytes) * NS_PER_S / u128::from(span_ns);
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        // The first sample can be much older than a window, if nothing happened that it was taken upon.
        let stalled = now.at_ns.saturating_sub(now.copied_at_ns) >= window_ns;
        let copied_bytes = match stalled {
            true => 0,
            false => now.copied_bytes - first.copied_bytes,
        };
        Some(Rates {
            dirty: rate(now.dirtied_bytes - first.dirtied_bytes),
            copy: rate(copied_bytes),
            slices: (span_ns / self.slice_ns).min(WINDOW_SLICES),
        })
    }

    /// How much is copied in a slice at `rates`, in bytes.
    fn of_a_slice(&self, rates: Rates) -> u64 {
        let bytes = u128::from(rates.copy) * u128::from(self.slice_ns) / NS_PER_S;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// What comes of it at `rates`, with `left_bytes` dirty or in flight. A mirror that has been READY,
    /// or stands still, need not be asked about.
    pub fn forecast(&self, left_bytes: u64, rates: Option<Rates>) -> Forecast {
        let Some(rates) = rates.filter(|rates| rates.slices >= EVIDENCE_SLICES) else {
            return Forecast::Unknown;
        };
        let gain = rates.copy.saturating_sub(rates.dirty);
        let chased = left_bytes <= self.of_a_slice(rates) && gain < rates.copy.div_ceil(4);
        if gain > rates.copy / LEAST_GAIN && !chased {
            let ready_ns = (u128::from(left_bytes) * NS_PER_S).div_ceil(gain.into());
            return Forecast::ReadyIn {
                ns: u64::try_from(ready_ns).unwrap_or(u64::MAX),
            };
        }
        match rates.copy {
            _ if rates.slices < WINDOW_SLICES => Forecast::Unknown,
            0 => Forecast::Stalled,
            _ if chased => Forecast::KeepsUp,
            copy => Forecast::Diverges {
                by: rates.dirty.saturating_sub(copy),
            },
        }
    }
}

/// What will come of a mirror if all goes on as it went in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forecast {
    /// There is not enough to tell from yet.
    Unknown,
    /// It has caught up: it is READY.
    Ready,
    /// It catches up.
    ReadyIn {
        /// After so many nanoseconds: what is left, divided by what it gains on the guest.
        ns: u64,
    },
    /// It never does: what it copies in a window, the guest makes dirty, or all but a sixteenth.
    Diverges {
        /// The bytes per second by which it falls behind; 0 if it does not.
        by: u64,
    },
    /// What is left is less than it copies in a slice, but three quarters of what it copies the guest
    /// makes dirty meanwhile: so something always is left.
    KeepsUp,
    /// Nothing was copied in a whole window.
    Stalled,
    /// It stands still.
    Waits,
}

impl Forecast {
    /// As queries spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Forecast::Unknown => "unknown",
            Forecast::Ready => "ready",
            Forecast::ReadyIn { .. } => "ready-in",
            Forecast::Diverges { .. } => "diverges",
            Forecast::KeepsUp => "keeps-up",
            Forecast::Stalled => "stalled",
            Forecast::Waits => "waits",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLICE: u64 = 250_000_000;
    const MIB: u64 = 1 << 20;

    fn sample(at_ns: u64, dirtied_bytes: u64, copied_bytes: u64) -> Sample {
        Sample {
            at_ns,
            dirtied_bytes,
            copied_bytes,
            copied_at_ns: at_ns,
        }
    }

    /// The window after so many slices at these rates, and the last sample.
    fn constant(slices: u64, dirty: u64, copy: u64) -> (RateWindow, Sample) {
        let mut window = RateWindow::new(SLICE);
        let mut last = Sample::default();
        for slice in 0..=slices {
            last = sample(slice * SLICE, slice * dirty / 4, slice * copy / 4);
            window.add(last);
        }
        (window, last)
    }

    fn forecast(slices: u64, left: u64, dirty: u64, copy: u64) -> Forecast {
        let (window, last) = constant(slices, dirty, copy);
        window.forecast(left, window.rates(last))
    }

    proptest! {
        #[test]
        fn at_constant_rates_it_is_ready_after_what_is_left_by_what_is_gained(
            dirty in 0..1_000_000 * MIB,
            gain in 4..1_000_000 * MIB,
            left in 0..1u64 << 44,
            slices in EVIDENCE_SLICES..40,
        ) {
            let gain = gain + dirty / (LEAST_GAIN - 1);
            let (dirty, copy) = (dirty / 4 * 4, (dirty / 4 + gain / 4 + 1) * 4);
            // What is next to nothing may be chased for ever.
            let left = left + copy / 4 + 1;
            let Forecast::ReadyIn { ns } = forecast(slices, left, dirty, copy) else {
                panic!("it gains");
            };
            let exact = left as f64 / (copy - dirty) as f64 * 1e9;
            prop_assert!((ns as f64 - exact).abs() <= 1.0 + exact / 1e9, "{ns}, not {exact}");
        }

        #[test]
        fn a_guest_that_is_as_fast_or_faster_is_told_with_the_number_by_which(
            copy in 1..1_000_000 * MIB,
            lead in 0..1_000_000 * MIB,
            lag in LEAST_GAIN..1_000_000,
            slices in WINDOW_SLICES..40,
        ) {
            let (copy, dirty) = (copy * 4, (copy + lead) * 4);
            let told = forecast(slices, u64::MAX, dirty, copy);
            prop_assert_eq!(told, Forecast::Diverges { by: dirty - copy });
            let told = forecast(slices, u64::MAX, (copy - copy / lag).next_multiple_of(4), copy);
            prop_assert_eq!(told, Forecast::Diverges { by: 0 });
        }

        #[test]
        fn rates_are_those_of_the_window_however_irregular_its_samples_are(
            steps in proptest::collection::vec((1..3 * SLICE, 0..MIB, 0..MIB), 1..60),
        ) {
            let mut window = RateWindow::new(SLICE);
            let mut all = vec![Sample::default()];
            window.add(all[0]);
            for (time_ns, dirtied, copied) in steps {
                let last = all[all.len() - 1];
                let now = sample(last.at_ns + time_ns, last.dirtied_bytes + dirtied, last.copied_bytes + copied);
                let told = window.rates(now);
                // From the last sample that is a window old, or else the first one.
                let window_ns = window.window_ns();
                let first = all.iter().rev().find(|it| now.at_ns - it.at_ns >= window_ns);
                let first = first.unwrap_or(&all[0]);
                let span = now.at_ns - first.at_ns;
                let expected = (span >= SLICE).then(|| Rates {
                    dirty: ((now.dirtied_bytes - first.dirtied_bytes) as u128 * NS_PER_S / span as u128) as u64,
                    copy: ((now.copied_bytes - first.copied_bytes) as u128 * NS_PER_S / span as u128) as u64,
                    slices: (span / SLICE).min(WINDOW_SLICES),
                });
                prop_assert_eq!(told, expected);
                window.add(now);
                all.push(now);
                prop_assert!(window.samples.len() <= all.len());
            }
        }
    }

    #[test]
    fn nothing_is_told_without_evidence() {
        let window = RateWindow::new(SLICE);
        assert_eq!(window.rates(sample(9 * SLICE, 0, 0)), None);
        assert_eq!(window.forecast(5, None), Forecast::Unknown);
        assert_eq!(forecast(0, MIB, 0, MIB), Forecast::Unknown);
        assert_eq!(
            forecast(EVIDENCE_SLICES - 1, MIB, 0, MIB),
            Forecast::Unknown
        );
        assert_eq!(
            forecast(WINDOW_SLICES - 1, MIB, MIB, MIB),
            Forecast::Unknown
        );
    }

    #[test]
    fn with_an_idle_guest_what_is_left_is_copied_and_that_is_it() {
        assert_eq!(
            forecast(8, 12 * MIB, 0, MIB),
            Forecast::ReadyIn { ns: 12_000_000_000 }
        );
    }

    #[test]
    fn a_copy_that_does_not_move_is_stalled_whatever_the_guest_does() {
        assert_eq!(forecast(8, MIB, 0, 0), Forecast::Stalled);
        assert_eq!(forecast(8, MIB, MIB, 0), Forecast::Stalled);
    }

    #[test]
    fn a_copy_that_has_ended_a_window_ago_does_not_count_however_old_the_samples_are() {
        let (window, mut last) = constant(8, MIB, MIB);
        let told = |now| window.rates(now).expect("there is a window").copy;
        last.copied_bytes += MIB;
        last.copied_at_ns += 1;
        last.at_ns = last.copied_at_ns + 8 * SLICE - 1;
        assert!(told(last) > 0);
        last.at_ns += 1;
        assert_eq!(told(last), 0);
    }

    #[test]
    fn whoever_has_next_to_nothing_left_keeps_up() {
        assert_eq!(forecast(8, MIB / 4, MIB, MIB), Forecast::KeepsUp);
        assert_eq!(forecast(8, MIB / 4, 4 * MIB, 5 * MIB), Forecast::KeepsUp);
        let ready = Forecast::ReadyIn { ns: 250_000_000 };
        assert_eq!(forecast(8, MIB / 4, 3 * MIB, 4 * MIB), ready);
        assert_eq!(
            forecast(8, MIB / 4 + 1, MIB, MIB),
            Forecast::Diverges { by: 0 }
        );
    }

    #[test]
    fn a_burst_is_forgotten_a_window_later() {
        let (mut window, mut last) = constant(8, 0, 4 * MIB);
        for slice in 1..=20 {
            last.at_ns += SLICE;
            last.copied_bytes += MIB;
            last.copied_at_ns = last.at_ns;
            if slice <= 2 {
                last.dirtied_bytes += 100 * MIB;
            }
            window.add(last);
            let told = window.forecast(50 * MIB, window.rates(last));
            if slice < 10 {
                assert!(
                    matches!(told, Forecast::Diverges { .. }),
                    "{slice}: {told:?}"
                );
            } else {
                assert_eq!(told, Forecast::ReadyIn { ns: 12_500_000_000 });
            }
        }
    }

    #[test]
    fn the_largest_numbers_saturate() {
        let mut window = RateWindow::new(1);
        window.add(Sample::default());
        let rates = window
            .rates(sample(u64::MAX, u64::MAX, u64::MAX))
            .expect("time has passed");
        assert!(rates.dirty == rates.copy && rates.slices == WINDOW_SLICES);
        let slow = Rates {
            dirty: 0,
            copy: 1,
            slices: WINDOW_SLICES,
        };
        let told = window.forecast(u64::MAX, Some(slow));
        assert_eq!(told, Forecast::ReadyIn { ns: u64::MAX });
    }
}
