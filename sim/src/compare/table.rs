//! A comparison as text.

use super::Estimate;
use super::metric::Better;
use super::report::{ComparisonReport, MetricReport};
use super::summary::{Difference, Verdict};
use super::unit::Scale;

/// What the columns are called.
const HEAD: [&str; 8] = [
    "metric",
    "alternative",
    "runs",
    "median [95 %]",
    "mean [95 %]",
    "difference [95 %]",
    "ratio [95 %]",
    "",
];

/// The columns that are texts, and begin at their left end.
const LEFT: [usize; 3] = [0, 1, 7];

type Row = [String; HEAD.len()];

impl ComparisonReport {
    /// The whole of it as text: a block for each metric with a line for each alternative, and notes.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{}, seeds {}..{}: {}\n\n",
            self.scenario,
            self.seeds.start,
            self.seeds.end,
            self.alternatives.join(", ")
        );
        let (varied, same): (Vec<_>, Vec<_>) = self.metrics.iter().partition(|it| it.varies());
        let blocks: Vec<Vec<Row>> = varied.iter().map(|it| self.block(it)).collect();
        let head = HEAD.map(str::to_owned);
        let rows = || std::iter::once(&head).chain(blocks.iter().flatten());
        let widths: [usize; HEAD.len()] = std::array::from_fn(|column| {
            let widths = rows().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0)
        });
        push_row(&mut text, &head, &widths);
        for row in blocks.iter().flatten() {
            push_row(&mut text, row, &widths);
        }
        for it in same {
            text.push_str(&constant(it));
        }
        text.push('\n');
        for note in self.notes() {
            text.push_str(&note);
            text.push('\n');
        }
        text
    }

    fn block(&self, it: &MetricReport) -> Vec<Row> {
        let scale = it.scale();
        let title = match scale.name {
            "" => it.metric.title.to_owned(),
            unit => format!("{}, {unit}", it.metric.title),
        };
        let lines = self.alternatives.iter().enumerate();
        let lines = lines.map(|(place, name)| {
            let summary = it.summaries[place].as_ref();
            let of = |estimate: Option<Estimate>| {
                estimate.map_or_else(String::new, |estimate| {
                    with_interval(&estimate, |value| scale.text(value))
                })
            };
            let difference = it.difference(place);
            // Where all pairs are equal a word says more than numbers.
            let differs = difference.filter(|it| it.verdict != Verdict::Equal);
            [
                if place == 0 {
                    title.clone()
                } else {
                    String::new()
                },
                name.clone(),
                summary.map_or(0, |it| it.runs).to_string(),
                summary.map_or_else(String::new, |it| of(it.median)),
                summary.map_or_else(String::new, |it| of(it.mean)),
                differs.map_or_else(String::new, |it| absolute(it, scale)),
                differs.map_or_else(String::new, relative),
                difference.map_or_else(String::new, |found| verdict(found, it.metric.better)),
            ]
        });
        lines.collect()
    }
}

impl MetricReport {
    /// A scale that fits all of its values.
    pub(super) fn scale(&self) -> Scale {
        let means = self.summaries.iter().flatten();
        let means = means.map(|it| it.mean.map_or(it.max, |mean| mean.value));
        self.metric.unit.scale(means.fold(0.0, f64::max))
    }
}

fn with_interval(estimate: &Estimate, text: impl Fn(f64) -> String) -> String {
    let Estimate { value, interval } = estimate;
    format!(
        "{} [{}, {}]",
        text(*value),
        text(interval.low),
        text(interval.high)
    )
}

fn absolute(difference: &Difference, scale: Scale) -> String {
    let mean = difference.mean.as_ref();
    mean.map_or_else(String::new, |mean| {
        with_interval(mean, |value| scale.signed(value))
    })
}

fn relative(difference: &Difference) -> String {
    let ratio = difference.ratio.as_ref();
    ratio.map_or_else(String::new, |ratio| {
        with_interval(ratio, |value| format!("{value:.3}"))
    })
}

/// In a word whether it differs, and whether that is good.
fn verdict(difference: &Difference, better: Better) -> String {
    let text = match (difference.verdict, better) {
        (Verdict::Equal, _) => "equal",
        (Verdict::Unclear, _) => "unclear",
        (Verdict::Less, Better::Less) => "less: better",
        (Verdict::Less, Better::More) => "less: worse",
        (Verdict::Less, Better::Neither) => "less",
        (Verdict::More, Better::Less) => "more: worse",
        (Verdict::More, Better::More) => "more: better",
        (Verdict::More, Better::Neither) => "more",
    };
    text.to_owned()
}

/// A line about a metric that has one value, or none.
fn constant(it: &MetricReport) -> String {
    let value = it.values.iter().flatten().next();
    match value {
        None => format!("{}: in no run\n", it.metric.title),
        Some(value) => {
            let scale = it.scale();
            let text = format!("{} {}", scale.text(*value), scale.name);
            format!("{}: {} in every run\n", it.metric.title, text.trim_end())
        }
    }
}

fn push_row(text: &mut String, row: &Row, widths: &[usize; HEAD.len()]) {
    let mut line = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        match LEFT.contains(&column) {
            true => line.push_str(&format!("{cell:<width$}  ")),
            false => line.push_str(&format!("{cell:>width$}  ")),
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
}
