//! Confidence intervals by the bootstrap.

use serde::Serialize;

use crate::decide::Random;

/// The seed of the resamples: any number, but always the same, so that the same runs have the same
/// intervals.
const SEED: u64 = 0x626f_6f74_7374_7261;

/// Where the truth is, if the interval is one of the 95 of 100 that hold it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` is in it; its ends are.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// A number that was estimated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// What the runs say.
    pub value: f64,
    /// Its interval.
    pub interval: Interval,
}

/// The percentile bootstrap (Efron, 1979): what a statistic would have been for other seeds is read off
/// from samples of the runs at hand, drawn with replacement. Of the statistics of all resamples the
/// middle 95 of 100 are the interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bootstrap {
    pub(super) resamples: u32,
}

impl Bootstrap {
    /// Estimates each of the statistics that `statistics` takes of a sample of `n` runs. A sample is a
    /// list of the runs in it, and each list of resamples is the same for the same `n`.
    ///
    /// Of fewer than 2 runs nothing can be said. Statistics that are not finite for all resamples are
    /// not estimated.
    pub(super) fn estimate<const K: usize>(
        self,
        n: usize,
        mut statistics: impl FnMut(&[usize]) -> [f64; K],
    ) -> [Option<Estimate>; K] {
        if n < 2 {
            return [None; K];
        }
        let mut random = Random::new(SEED);
        let mut sample: Vec<usize> = (0..n).collect();
        let values = statistics(&sample);
        let mut resampled: [Vec<f64>; K] = std::array::from_fn(|_| Vec::new());
        for _ in 0..self.resamples {
            sample.fill_with(|| random.below(n as u64) as usize);
            for (list, value) in resampled.iter_mut().zip(statistics(&sample)) {
                list.push(value);
            }
        }
        let mut lists = resampled.into_iter();
        values.map(|value| {
            let mut list = lists.next().expect("a list for each statistic");
            let interval = interval(&mut list).filter(|_| value.is_finite())?;
            Some(Estimate { value, interval })
        })
    }
}

/// The middle 95 of 100.
fn interval(values: &mut [f64]) -> Option<Interval> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    // So many lie outside of each end, at most.
    let tail = values.len() * 25 / 1000;
    Some(Interval {
        low: values[tail],
        high: values[values.len() - 1 - tail],
    })
}

/// The mean of the values at the places in `sample`.
pub(super) fn mean(values: &[f64], sample: &[usize]) -> f64 {
    let sum: f64 = sample.iter().map(|place| values[*place]).sum();
    sum / sample.len() as f64
}

/// The median of the values at the places in `sample`; `room` is for the sorting.
pub(super) fn median(values: &[f64], sample: &[usize], room: &mut Vec<f64>) -> f64 {
    room.clear();
    room.extend(sample.iter().map(|place| values[*place]));
    let half = room.len() / 2;
    let (below, upper, _) = room.select_nth_unstable_by(half, f64::total_cmp);
    let upper = *upper;
    match sample.len() % 2 {
        1 => upper,
        _ => {
            let lower = below.iter().copied().reduce(f64::max);
            f64::midpoint(lower.unwrap_or(upper), upper)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bootstrap, Random, mean, median};

    const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 200 };

    #[test]
    fn the_interval_of_a_mean_holds_the_truth_in_about_95_of_100_samples() {
        // Samples of 40, of squares of what is even from 0 to 1: a skewed lot whose mean is 1/3. Of 300
        // intervals 285 would be right; a bootstrap is a little short of that with so few, and the
        // deviation is 4.
        let mut random = Random::new(1);
        let mut holds = 0;
        for _ in 0..300 {
            let mut draw = || (random.below(1 << 20) as f64 / f64::from(1 << 20)).powi(2);
            let values: Vec<_> = (0..40).map(|_| draw()).collect();
            let [found] = BOOTSTRAP.estimate(values.len(), |sample| [mean(&values, sample)]);
            holds += u32::from(found.unwrap().interval.contains(1.0 / 3.0));
        }
        assert!((268..=296).contains(&holds), "{holds} of 300");
    }

    #[test]
    fn the_resamples_are_the_same_in_every_program() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let [found] = BOOTSTRAP.estimate(values.len(), |sample| [mean(&values, sample)]);
        let interval = found.unwrap().interval;
        assert_eq!((interval.low, interval.high), (2.125, 5.625));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let values = [5.0, 1.0, 9.0, 2.0];
        let mut room = Vec::new();
        assert_eq!(median(&values, &[0, 1, 2, 3], &mut room), 3.5);
        assert_eq!(median(&values, &[0, 1, 2], &mut room), 5.0);
        assert_eq!(median(&values, &[1, 1, 2, 2, 2], &mut room), 9.0);
        assert_eq!(median(&values, &[3], &mut room), 2.0);
    }

    #[test]
    fn of_one_run_nothing_is_estimated_and_of_equal_ones_a_point() {
        let [one] = BOOTSTRAP.estimate(1, |_| [3.0]);
        assert_eq!(one, None);
        let values = [7.0; 9];
        let [equal] = BOOTSTRAP.estimate(9, |sample| [mean(&values, sample)]);
        let equal = equal.unwrap();
        assert_eq!((equal.interval.low, equal.interval.high), (7.0, 7.0));
    }

    #[test]
    fn what_is_not_a_number_for_some_resample_is_not_estimated_at_all() {
        // Now and then a resample has nothing but the zero.
        let below = [0.0, 1.0, 1.0];
        let [ratio, sum] = BOOTSTRAP.estimate(3, |sample| {
            let below = mean(&below, sample);
            [1.0 / below, below]
        });
        assert_eq!(ratio, None);
        assert!(sum.is_some());
    }
}
