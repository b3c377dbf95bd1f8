//! What a comparison came to.

use std::ops::Range;

use serde::Serialize;
use serde_json::{Value, json};

use super::Comparison;
use super::bootstrap::Bootstrap;
use super::metric::Metric;
use super::summary::{Difference, Summary, Verdict, compare, summarize};
use super::workers::Runs;

/// With fewer seeds than this the intervals of a bootstrap are too narrow.
const FEW_SEEDS: usize = 20;

/// What a comparison came to.
#[derive(Clone, Debug)]
pub struct ComparisonReport {
    /// The name of the scenario.
    pub scenario: String,
    /// The names of the alternatives.
    pub alternatives: Vec<String>,
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many resamples the intervals were read off from.
    pub resamples: u32,
    /// What was compared, in the order in which it was asked for.
    pub metrics: Vec<MetricReport>,
    /// Runs that failed. Their seeds are left out, for all alternatives.
    pub failed: Vec<FailedRun>,
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedRun {
    /// The seed.
    pub seed: u64,
    /// The alternative.
    pub alternative: String,
    /// How it failed.
    pub failure: String,
}

/// What a comparison came to by one metric.
#[derive(Clone, Debug)]
pub struct MetricReport {
    /// The metric.
    pub metric: &'static Metric,
    /// For each alternative its values, in the order of the seeds: those that have none, and those that
    /// are left out, are missing.
    pub values: Vec<Vec<f64>>,
    /// For each alternative what they say.
    pub summaries: Vec<Option<Summary>>,
    /// For each alternative but the first how it differs from that.
    differences: Vec<Option<Difference>>,
}

impl ComparisonReport {
    /// What comes out of the runs of all seeds.
    pub(super) fn new(comparison: &Comparison, seeds: Vec<Runs>) -> ComparisonReport {
        let alternatives = comparison.alternatives.iter();
        let alternatives: Vec<_> = alternatives.map(|it| it.name().to_owned()).collect();
        let mut failed = Vec::new();
        let mut good = Vec::new();
        for (seed, runs) in comparison.seeds.clone().zip(seeds) {
            for (run, alternative) in runs.iter().zip(&alternatives) {
                if let Err(failure) = run {
                    failed.push(FailedRun {
                        seed,
                        alternative: alternative.clone(),
                        failure: failure.clone(),
                    });
                }
            }
            // A seed of which one run is missing says nothing about differences.
            good.extend(runs.into_iter().collect::<Result<Vec<_>, _>>());
        }
        let bootstrap = Bootstrap {
            resamples: comparison.resamples,
        };
        let metrics = comparison.metrics.iter().enumerate();
        ComparisonReport {
            scenario: comparison.scenario.name().to_owned(),
            seeds: comparison.seeds.clone(),
            resamples: comparison.resamples,
            metrics: metrics
                .map(|(place, metric)| {
                    let column = good.iter().map(|seed| {
                        let each = seed.iter().map(|values| values[place]);
                        each.collect::<Vec<_>>()
                    });
                    MetricReport::new(
                        bootstrap,
                        metric,
                        alternatives.len(),
                        &column.collect::<Vec<_>>(),
                    )
                })
                .collect(),
            alternatives,
            failed,
        }
    }

    /// What it came to by the metric of that key; none if that was not asked for.
    pub fn metric(&self, key: &str) -> Option<&MetricReport> {
        self.metrics.iter().find(|it| it.metric.key == key)
    }

    /// How many differences it speaks of: pairs that are all equal, or that there are none of, do not
    /// count.
    pub fn comparisons(&self) -> usize {
        let all = self.metrics.iter().flat_map(|metric| &metric.differences);
        let all = all.flatten();
        all.filter(|it| it.verdict != Verdict::Equal).count()
    }

    /// What one must know to read the numbers, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            format!(
                "Times are of the world's clock, in which code takes no time. Intervals are at 95 %, by \
                 the percentile bootstrap over seeds ({} resamples by ChaCha8, the same each time).",
                self.resamples
            ),
            "Differences and ratios are of pairs: each seed's world under the alternative and under \
             the first one."
                .to_owned(),
        ];
        let comparisons = self.comparisons();
        if comparisons > 0 {
            notes.push(format!(
                "{comparisons} differences were looked at, and the intervals are not corrected for \
                 that: if nothing differed, about {:.1} of them would exclude 0 by chance.",
                comparisons as f64 * 0.05
            ));
        }
        let seeds = (self.seeds.end - self.seeds.start) as usize;
        if seeds < FEW_SEEDS {
            notes.push(format!(
                "Of {seeds} seeds little can be said: with fewer than {FEW_SEEDS} the intervals are too narrow."
            ));
        }
        if let Some(first) = self.failed.first() {
            notes.push(format!(
                "{} runs failed, and their seeds are left out. The first: seed {} under '{}': {}",
                self.failed.len(),
                first.seed,
                first.alternative,
                first.failure
            ));
        }
        notes
    }

    /// All of it, the values of the runs included.
    pub fn json(&self) -> Value {
        let metrics = self.metrics.iter().map(|it| {
            let each = self.alternatives.iter().enumerate();
            let each = each.map(|(place, name)| {
                json!({
                    "alternative": name,
                    "summary": it.summaries[place],
                    "difference": it.difference(place),
                    "values": it.values[place],
                })
            });
            json!({
                "metric": it.metric.key,
                "title": it.metric.title,
                "unit": it.metric.unit,
                "better": it.metric.better,
                "alternatives": each.collect::<Vec<_>>(),
            })
        });
        json!({
            "scenario": self.scenario,
            "seeds": { "from": self.seeds.start, "to": self.seeds.end },
            "alternatives": self.alternatives,
            "intervals": {
                "level": 0.95,
                "method": "percentile bootstrap over seeds",
                "resamples": self.resamples,
                "corrected": false,
                "comparisons": self.comparisons(),
            },
            "notes": self.notes(),
            "failed": self.failed,
            "metrics": metrics.collect::<Vec<_>>(),
        })
    }
}

impl MetricReport {
    /// Of `seeds`, with the value of each alternative.
    fn new(
        bootstrap: Bootstrap,
        metric: &'static Metric,
        alternatives: usize,
        seeds: &[Vec<Option<f64>>],
    ) -> MetricReport {
        let values: Vec<Vec<f64>> = (0..alternatives)
            .map(|place| seeds.iter().filter_map(|seed| seed[place]).collect())
            .collect();
        let differences = (1..alternatives).map(|place| {
            let pairs = seeds
                .iter()
                .filter_map(|seed| Some((seed[0]?, seed[place]?)));
            compare(bootstrap, &pairs.collect::<Vec<_>>())
        });
        MetricReport {
            metric,
            summaries: values.iter().map(|it| summarize(bootstrap, it)).collect(),
            differences: differences.collect(),
            values,
        }
    }

    /// How the alternative at `place` differs from the first; none for the first itself, and if no seed
    /// has values of both.
    pub fn difference(&self, place: usize) -> Option<&Difference> {
        self.differences.get(place.checked_sub(1)?)?.as_ref()
    }

    /// Whether there is anything to see: not if all values are the same.
    pub(super) fn varies(&self) -> bool {
        let mut all = self.values.iter().flatten();
        let first = all.next();
        all.any(|value| Some(value) != first)
    }
}
