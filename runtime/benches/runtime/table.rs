//! Rows that take turns, and what is printed of them.

use std::time::Instant;

/// Rounds a row; the median is over these.
const ROUNDS: usize = 101;
/// Operations of one row in one round, unless the row is slow.
const OPS_PER_ROUND: u64 = 20_000;

/// One way to do the thing that the table is about.
struct Row {
    name: &'static str,
    aim_ns: Option<f64>,
    /// Does it so many times.
    act: Box<dyn FnMut(u64)>,
}

/// A thing, and ways to do it. The first row is ours; ratios are to it.
pub(crate) struct Table {
    title: String,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>) -> Table {
        Table {
            title: title.into(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// Adds a row with an aim.
    pub(crate) fn ours(
        mut self,
        name: &'static str,
        aim_ns: f64,
        act: impl FnMut(u64) + 'static,
    ) -> Self {
        self.rows.push(Row {
            name,
            aim_ns: Some(aim_ns),
            act: Box::new(act),
        });
        self
    }

    /// Adds a row to compare with.
    pub(crate) fn beside(mut self, name: &'static str, act: impl FnMut(u64) + 'static) -> Self {
        self.rows.push(Row {
            name,
            aim_ns: None,
            act: Box::new(act),
        });
        self
    }

    /// Measures and prints.
    pub(crate) fn run_and_print(&mut self) {
        let times_ns = self.measure();
        println!("{}", self.title);
        println!("  {:<44} {:>9} {:>8} {:>8}", "", "ns", "ratio", "aim ns");
        for (index, row) in self.rows.iter().enumerate() {
            let ns = median(times_ns[index].iter().copied());
            // Of the same round: what slowed one slowed the other.
            let rounds = times_ns[index].iter().zip(&times_ns[0]);
            let ratio = median(rounds.map(|(theirs, ours)| theirs / ours));
            let aim = match row.aim_ns {
                Some(aim_ns) if ns <= aim_ns => format!("{aim_ns:.0}"),
                Some(aim_ns) => format!("{aim_ns:.0} missed"),
                None => String::new(),
            };
            println!("  {:<44} {ns:>9.1} {ratio:>8.2} {aim:>8}", row.name);
        }
        println!();
    }

    /// Nanoseconds an operation, by row and round.
    fn measure(&mut self) -> Vec<Vec<f64>> {
        let mut times_ns = vec![Vec::with_capacity(ROUNDS); self.rows.len()];
        for row in &mut self.rows {
            (row.act)(OPS_PER_ROUND); // so that nothing is allocated or paged in later
        }
        for _ in 0..ROUNDS {
            for (row, times_ns) in self.rows.iter_mut().zip(&mut times_ns) {
                times_ns.push(time_ns(&mut row.act) / OPS_PER_ROUND as f64);
            }
        }
        times_ns
    }
}

#[allow(clippy::disallowed_methods)] // A benchmark measures the real clock.
fn time_ns(act: &mut dyn FnMut(u64)) -> f64 {
    let start = Instant::now();
    act(OPS_PER_ROUND);
    start.elapsed().as_nanos() as f64
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
