//! The same seed twice: is it the same run?
//!
//! Everything in a world that could go one way or another is a decision. If something else decides, an
//! address, the order of a hash map, a static that counts, then no log repeats a run, and a search is
//! worth nothing. So a run is made twice and compared: its digest, which is of all decisions and of what
//! the disks did, and the rest of its report. Of two that differ the first different decision is
//! found, which is soon after whatever it was that was not decided.

use std::fmt;

use crate::config::Config;
use crate::decide::{Divergence, Policy, compare};
use crate::run::{Report, Runner};

/// Two runs that should be one.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The first decision in which they differ; nothing if they decided the same.
    pub divergence: Option<Divergence>,
    /// The digests of both.
    pub digests: [u64; 2],
    /// What else differs, with both sides: `steps 12 and 14`.
    pub differs: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, right] = self.digests;
        write!(f, "not deterministic: ")?;
        match &self.divergence {
            Some(divergence) => divergence.fmt(f)?,
            None if left != right => write!(f, "the same decisions, but the disks did otherwise")?,
            None => write!(f, "the same decisions and disks, but not the same run")?,
        }
        write!(f, " (digests {left:016x} and {right:016x}")?;
        for difference in &self.differs {
            write!(f, "; {difference}")?;
        }
        write!(f, ")")
    }
}

/// Runs `config` twice, each time by a new policy of `policy`, and compares. Returns the report of the
/// second run, whose log the runner's decider has.
pub fn run_twice(
    runner: &mut Runner,
    config: &Config,
    mut policy: impl FnMut() -> Box<dyn Policy>,
) -> (Report, Option<Mismatch>) {
    let first = runner.run(config, policy());
    let first_log = runner.decider().log();
    let second = runner.run(config, policy());
    let differs = differences(&first, &second);
    if first.digest == second.digest && differs.is_empty() {
        return (second, None);
    }
    let mismatch = Mismatch {
        divergence: compare(&first_log, &runner.decider().log()),
        digests: [first.digest, second.digest],
        differs,
    };
    (second, Some(mismatch))
}

/// What differs between two reports, but for the digests.
fn differences(first: &Report, second: &Report) -> Vec<String> {
    let mut differs = Vec::new();
    let numbers = [
        ("decisions", first.decisions, second.decisions),
        ("steps", first.steps, second.steps),
        ("events", first.events, second.events),
        ("nanoseconds", first.virtual_ns, second.virtual_ns),
    ];
    for (name, left, right) in numbers {
        if left != right {
            differs.push(format!("{name} {left} and {right}"));
        }
    }
    if first.failure != second.failure {
        let side = |report: &Report| match &report.failure {
            Some(failure) => failure.to_string(),
            None => "no failure".to_owned(),
        };
        differs.push(format!("{} and {}", side(first), side(second)));
    }
    if first.marks != second.marks {
        let odd = |one: &Report, other: &Report| {
            let mut marks = one.marks.iter();
            marks
                .find(|hits| !other.marks.contains(hits))
                .map(|(mark, hits)| format!("mark {} {hits} times in one of them", mark.name))
        };
        differs.extend(odd(first, second).or_else(|| odd(second, first)));
    }
    differs
}
