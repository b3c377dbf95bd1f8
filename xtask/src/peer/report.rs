//! The table of a case, in Markdown.

use super::contender::Contender;
use super::measure::Sample;

/// All runs of one contender.
pub(crate) struct Row {
    name: String,
    ours: bool,
    samples: Vec<Sample>,
    target_bytes: u64,
}

impl Row {
    /// An empty row.
    pub(crate) fn new(contender: &Contender) -> Self {
        Self {
            name: contender.name.clone(),
            ours: contender.ours,
            samples: Vec::new(),
            target_bytes: 0,
        }
    }

    /// Adds a run and the bytes that its target occupied.
    pub(crate) fn add(&mut self, sample: Sample, target_bytes: u64) {
        self.samples.push(sample);
        self.target_bytes = self.target_bytes.max(target_bytes);
    }

    fn wall_s(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.wall_s).collect()
    }

    fn line(&self, best_other_s: Option<f64>) -> String {
        let wall_s = self.wall_s();
        let cpu_s = self.samples.iter().map(|sample| sample.cpu_s).collect();
        let slowest_s = wall_s.iter().copied().fold(0.0, f64::max);
        let fastest_s = wall_s.iter().copied().fold(f64::INFINITY, f64::min);
        let middle_s = median(wall_s);
        let rss = self.samples.iter().filter_map(|s| s.max_rss_bytes).max();
        let rss = rss.map_or("-".into(), |b| format!("{:.1}", b as f64 / 1048576.0));
        let ratio = best_other_s.map_or("-".into(), |best_s| format!("{:.2}", middle_s / best_s));
        format!(
            "| {:<52} | {middle_s:>8.3} | {fastest_s:>8.3} | {slowest_s:>8.3} | {:>7.3} | {rss:>7} | {:>10} | {ratio:>10} |",
            self.name,
            median(cpu_s),
            self.target_bytes >> 20
        )
    }
}

/// Prints the rows. The last column is the median time over that of the fastest tool that is not
/// ours. Rows without a run are left out.
pub(crate) fn print(rows: &[Row]) {
    let rows: Vec<&Row> = rows.iter().filter(|row| !row.samples.is_empty()).collect();
    let best_other_s = rows
        .iter()
        .filter(|row| !row.ours)
        .map(|row| median(row.wall_s()))
        .min_by(f64::total_cmp);
    println!(
        "| {:<52} | {:>8} | {:>8} | {:>8} | {:>7} | {:>7} | {:>10} | {:>10} |",
        "tool", "median s", "fastest", "slowest", "cpu s", "RSS MiB", "target MiB", "best other"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for row in rows {
        println!("{}", row.line(best_other_s));
    }
}

/// The middle value, or the mean of the two in the middle. Not a number for an empty list.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, ours: bool, seconds: &[f64]) -> Row {
        let sample = |&wall_s: &f64| Sample {
            wall_s,
            cpu_s: 0.5,
            max_rss_bytes: Some(3 << 20),
        };
        Row {
            name: name.into(),
            ours,
            samples: seconds.iter().map(sample).collect(),
            target_bytes: 8 << 20,
        }
    }

    #[test]
    fn the_median_of_an_even_count_is_between_the_two_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![9.0, 1.0, 3.0, 5.0]), 4.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_row_shows_its_ratio_to_the_best_other_and_its_extremes() {
        let line = row("ours", true, &[3.0, 1.0, 2.0]).line(Some(4.0));
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(
            cells[1..9],
            [
                "ours", "2.000", "1.000", "3.000", "0.500", "3.0", "8", "0.50"
            ]
        );
    }
}
