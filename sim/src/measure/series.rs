//! A value over time, in bounded memory.

use serde::Serialize;

/// So many points are kept at most.
const MAX_POINTS: usize = 256;

/// A value over time: points that are some time apart, and the mean over all of the time.
///
/// The value holds from its time until the next. When there are too many points every other one is
/// dropped and the spacing doubles, so the points are spread over the whole time however long it is; the
/// mean and the greatest value are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Default)]
pub struct Series {
    /// Times in nanoseconds, and values.
    pub points: Vec<(u64, u64)>,
    /// The greatest value.
    pub max: u64,
    /// No two points are closer than this.
    spacing_ns: u64,
    #[serde(skip)]
    last: Option<(u64, u64)>,
    /// The sum of values times nanoseconds.
    #[serde(skip)]
    area: u128,
    /// The time of which that is the sum.
    #[serde(skip)]
    time_ns: u64,
}

impl Series {
    /// From `now_ns` on it is `value`. Times never go back.
    pub fn set(&mut self, now_ns: u64, value: u64) {
        self.pass(now_ns);
        self.last = Some((now_ns, value));
        self.max = self.max.max(value);
        let next_ns = self.points.last().map_or(0, |(at, _)| at + self.spacing_ns);
        let same = self.points.last().is_some_and(|(_, last)| *last == value);
        if !same && (self.points.is_empty() || now_ns >= next_ns) {
            self.points.push((now_ns, value));
            if self.points.len() > MAX_POINTS {
                self.thin_out();
            }
        }
    }

    /// After `now_ns` it has no value any more.
    pub fn end(&mut self, now_ns: u64) {
        self.pass(now_ns);
        if let Some((_, value)) = self.last.take()
            && self.points.last().is_some_and(|(at, _)| *at < now_ns)
        {
            self.points.push((now_ns, value));
        }
    }

    /// The mean over the time for which it had a value; none if that is no time.
    pub fn mean(&self) -> Option<f64> {
        (self.time_ns > 0).then(|| self.area as f64 / self.time_ns as f64)
    }

    fn pass(&mut self, now_ns: u64) {
        if let Some((then_ns, value)) = &mut self.last {
            let passed_ns = now_ns - *then_ns;
            self.area += u128::from(*value) * u128::from(passed_ns);
            self.time_ns += passed_ns;
            *then_ns = now_ns;
        }
    }

    fn thin_out(&mut self) {
        let all_ns = match (self.points.first(), self.points.last()) {
            (Some((first, _)), Some((last, _))) => last - first,
            _ => 0,
        };
        self.spacing_ns = (self.spacing_ns * 2).max(all_ns * 2 / MAX_POINTS as u64);
        let mut kept: Option<u64> = None;
        let spacing_ns = self.spacing_ns;
        self.points.retain(|(at, _)| {
            let keep = kept.is_none_or(|last| *at >= last + spacing_ns);
            if keep {
                kept = Some(*at);
            }
            keep
        });
    }
}
