//! What many runs say about a number, and about the difference of two.

use serde::Serialize;

use super::bootstrap::{Bootstrap, Estimate, mean, median};

/// What the runs of one alternative say about a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Of how many runs; those that have none of what the metric is about are not among them.
    pub runs: usize,
    /// The mean; none of fewer than 2 runs.
    pub mean: Option<Estimate>,
    /// The median; none of fewer than 2 runs.
    pub median: Option<Estimate>,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
}

/// What the pairs of runs say about the difference of an alternative from the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Of how many pairs.
    pub pairs: usize,
    /// The mean of the differences, which is the difference of the means.
    pub mean: Option<Estimate>,
    /// The median of the differences.
    pub median: Option<Estimate>,
    /// The mean of this alternative in parts of the first's; none where the first's may be 0.
    pub ratio: Option<Estimate>,
    /// What that comes to.
    pub verdict: Verdict,
}

/// What a difference comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The values of every pair are equal.
    Equal,
    /// The interval of the mean difference holds 0.
    Unclear,
    /// The interval lies below 0: this alternative has less than the first.
    Less,
    /// The interval lies above 0: this alternative has more than the first.
    More,
}

impl Difference {
    /// Whether the interval of the mean difference excludes that there is none.
    pub fn is_certain(&self) -> bool {
        matches!(self.verdict, Verdict::Less | Verdict::More)
    }
}

/// Sums `values` up; none if there are none.
pub(super) fn summarize(bootstrap: Bootstrap, values: &[f64]) -> Option<Summary> {
    let least = values.iter().copied().reduce(f64::min)?;
    let greatest = values.iter().copied().reduce(f64::max)?;
    let mut room = Vec::new();
    let [mean, median] = bootstrap.estimate(values.len(), |sample| {
        [mean(values, sample), median(values, sample, &mut room)]
    });
    Some(Summary {
        runs: values.len(),
        mean,
        median,
        min: least,
        max: greatest,
    })
}

/// Compares `pairs` of the first alternative's value and another one's; none if there are none.
pub(super) fn compare(bootstrap: Bootstrap, pairs: &[(f64, f64)]) -> Option<Difference> {
    if pairs.is_empty() {
        return None;
    }
    let first: Vec<_> = pairs.iter().map(|(first, _)| *first).collect();
    let other: Vec<_> = pairs.iter().map(|(_, other)| *other).collect();
    let differences: Vec<_> = pairs.iter().map(|(first, other)| other - first).collect();
    let mut room = Vec::new();
    let [mean_difference, median_difference, ratio] = bootstrap.estimate(pairs.len(), |sample| {
        [
            mean(&differences, sample),
            median(&differences, sample, &mut room),
            mean(&other, sample) / mean(&first, sample),
        ]
    });
    let verdict = match mean_difference {
        _ if differences.iter().all(|difference| *difference == 0.0) => Verdict::Equal,
        Some(mean) if mean.interval.low > 0.0 => Verdict::More,
        Some(mean) if mean.interval.high < 0.0 => Verdict::Less,
        _ => Verdict::Unclear,
    };
    Some(Difference {
        pairs: pairs.len(),
        mean: mean_difference,
        median: median_difference,
        ratio,
        verdict,
    })
}
