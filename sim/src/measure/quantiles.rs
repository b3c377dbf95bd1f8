//! Percentiles, and an index of fairness.

use serde::Serialize;

/// What one wants to know of many times, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// Of how many.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: u64,
    /// 95 of 100.
    pub p95: u64,
    /// 99 of 100.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Quantiles {
    /// Those of `values`, which are sorted by this; none if there are none.
    pub fn of(values: &mut [u64]) -> Option<Quantiles> {
        values.sort_unstable();
        let max = *values.last()?;
        let at = |per_1000| quantile(values, per_1000);
        Some(Quantiles {
            count: values.len() as u64,
            p50: at(500)?,
            p95: at(950)?,
            p99: at(990)?,
            max,
        })
    }
}

/// The smallest of the `sorted` values that is not below `per_1000` of 1,000 of them: the nearest rank,
/// so it is always a value that was seen. None if there is none.
pub fn quantile(sorted: &[u64], per_1000: u64) -> Option<u64> {
    let rank = (sorted.len() as u64 * per_1000).div_ceil(1000).max(1);
    sorted.get(rank as usize - 1).copied()
}

/// Jain's index of fairness: the square of the sum by n times the sum of the squares. It is 1 if all are
/// equal, and 1/n if one of n has everything (Jain, Chiu, Hawe: "A Quantitative Measure of Fairness",
/// DEC-TR-301, 1984). None if nobody has anything.
pub fn jain(shares: &[f64]) -> Option<f64> {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}
