//! From what a job has done and has left, at some moments: how fast it is, and will it end?

use std::collections::VecDeque;

/// Rates are those of the last so many nanoseconds.
const WINDOW_NS: u64 = 3_000_000_000;

/// A job at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at_ns: u64,
    /// What it has done since its start; this never falls.
    pub(super) done_bytes: u64,
    /// What is left; a guest who writes raises this.
    pub(super) remaining_bytes: u64,
}

/// When a job will have nothing left, if all goes on as it went in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forecast {
    /// It is too early to tell.
    Unknown,
    /// So many whole seconds from now, rounded up.
    SecondsLeft(u64),
    /// Never: for the length of the window, the guest has written as fast as the job copies.
    NotConverging,
    /// Never: for the length of the window, nothing was copied.
    Stalled,
}

/// The samples of the window.
#[derive(Debug, Default)]
pub(super) struct RateWindow {
    samples: VecDeque<Sample>,
}

impl RateWindow {
    /// Adds the newest sample, and drops what is too old to be needed.
    pub(super) fn add(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        // The oldest that is kept is at the edge of the window, or just before it.
        while self.samples.len() > 2 && sample.at_ns - self.samples[1].at_ns >= WINDOW_NS {
            self.samples.pop_front();
        }
    }

    fn ends(&self) -> Option<(Sample, Sample)> {
        let (first, last) = (*self.samples.front()?, *self.samples.back()?);
        (last.at_ns > first.at_ns).then_some((first, last))
    }

    /// Bytes copied in a second.
    pub(super) fn copy_rate(&self) -> Option<f64> {
        let (first, last) = self.ends()?;
        let done = last.done_bytes - first.done_bytes;
        Some(done as f64 * 1e9 / (last.at_ns - first.at_ns) as f64)
    }

    /// When nothing will be left.
    pub(super) fn forecast(&self) -> Forecast {
        let Some((first, last)) = self.ends() else {
            return Forecast::Unknown;
        };
        let span_ns = last.at_ns - first.at_ns;
        if last.remaining_bytes < first.remaining_bytes {
            let gained = first.remaining_bytes - last.remaining_bytes;
            let seconds = last.remaining_bytes as f64 / gained as f64 * span_ns as f64 / 1e9;
            return Forecast::SecondsLeft(seconds.ceil() as u64);
        }
        if span_ns < WINDOW_NS || last.remaining_bytes == 0 {
            Forecast::Unknown
        } else if last.done_bytes == first.done_bytes {
            Forecast::Stalled
        } else {
            Forecast::NotConverging
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    /// The window after `seconds` seconds of a job that copies and of a guest that writes so many
    /// bytes in each.
    fn window(seconds: u64, remaining_bytes: u64, copied: u64, dirtied: u64) -> RateWindow {
        let mut window = RateWindow::default();
        for second in 0..=seconds {
            window.add(Sample {
                at_ns: second * SECOND_NS,
                done_bytes: second * copied,
                remaining_bytes: remaining_bytes + second * dirtied - second * copied,
            });
        }
        window
    }

    #[test]
    fn one_sample_tells_nothing() {
        assert_eq!(window(0, 100, 10, 0).copy_rate(), None);
        assert_eq!(window(0, 100, 10, 0).forecast(), Forecast::Unknown);
    }

    #[test]
    fn what_is_left_ends_at_the_speed_less_what_the_guest_adds() {
        assert_eq!(window(1, 100, 10, 0).forecast(), Forecast::SecondsLeft(9));
        assert_eq!(window(1, 100, 10, 5).forecast(), Forecast::SecondsLeft(19));
        assert_eq!(window(2, 100, 10, 5).copy_rate(), Some(10.0));
    }

    #[test]
    fn a_guest_that_writes_as_fast_is_reported_after_a_whole_window() {
        assert_eq!(window(2, 100, 10, 10).forecast(), Forecast::Unknown);
        assert_eq!(window(3, 100, 10, 10).forecast(), Forecast::NotConverging);
        assert_eq!(window(3, 100, 10, 11).forecast(), Forecast::NotConverging);
        assert_eq!(window(3, 100, 0, 0).forecast(), Forecast::Stalled);
        assert_eq!(window(3, 0, 10, 10).forecast(), Forecast::Unknown);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut window = window(10, 1000, 100, 0);
        for second in 11..=14 {
            window.add(Sample {
                at_ns: second * SECOND_NS,
                done_bytes: 1000 + second,
                remaining_bytes: 50,
            });
        }
        assert_eq!(window.copy_rate(), Some(1.0));
        assert_eq!(window.forecast(), Forecast::NotConverging);
    }
}
