//! The runs of one row, and what they come to.

use super::run::Outcome;
use crate::Failure;
use crate::peer::report::median;

/// All runs of one row.
#[derive(Default)]
pub(crate) struct Runs {
    outcomes: Vec<Outcome>,
    failed: usize,
}

impl Runs {
    /// Adds a run, and says on the terminal how it went.
    pub(crate) fn add(&mut self, what: &str, run: Result<Outcome, Failure>) {
        match run {
            Ok(outcome) => {
                let ready = match outcome.copied {
                    None => String::new(),
                    Some(copied) => match copied.ready_s {
                        None => ", not ready".into(),
                        Some(ready_s) => format!(", ready after {ready_s:.2} s"),
                    },
                };
                let felt = outcome.felt;
                eprintln!(
                    "{what}: {:.0} IOPS, p99 {:.0} us{ready}",
                    felt.iops, felt.p99_us
                );
                self.outcomes.push(outcome);
            }
            Err(failure) => {
                eprintln!("{what}: failed: {failure}");
                self.failed += 1;
            }
        }
    }

    /// True unless a run failed.
    pub(crate) fn went_well(&self) -> bool {
        self.failed == 0
    }

    fn values(&self, of: impl Fn(&Outcome) -> Option<f64>) -> Vec<f64> {
        self.outcomes.iter().filter_map(of).collect()
    }

    /// The median of the guest's requests per second.
    pub(crate) fn iops(&self) -> f64 {
        median(self.values(|outcome| Some(outcome.felt.iops)))
    }

    /// The median of the guest's 99th percentiles, in microseconds.
    pub(crate) fn p99_us(&self) -> f64 {
        median(self.values(|outcome| Some(outcome.felt.p99_us)))
    }

    /// The lowest and the highest number of requests per second, in thousands.
    pub(crate) fn spread(&self) -> String {
        let iops = self.values(|outcome| Some(outcome.felt.iops));
        let least = iops.iter().copied().fold(f64::INFINITY, f64::min);
        let most = iops.iter().copied().fold(0.0, f64::max);
        format!("{:.1}-{:.1}", least / 1000.0, most / 1000.0)
    }

    /// How many of the runs were ready while the guest was at work, with those that failed.
    pub(crate) fn ready(&self) -> String {
        if self
            .values(|outcome| outcome.copied.map(|_| 0.0))
            .is_empty()
            && self.failed == 0
        {
            return String::new();
        }
        let ready = self.values(ready_s).len();
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        format!("{ready} of {}{failed}", self.outcomes.len() + self.failed)
    }

    /// The median of the seconds until it was ready, in the runs where it was.
    pub(crate) fn ready_s(&self) -> String {
        match median(self.values(ready_s)) {
            none if none.is_nan() => String::new(),
            seconds => format!("{seconds:.2}"),
        }
    }

    /// The median of what was written to the target besides one pass over the disk, in MiB.
    pub(crate) fn again_mib(&self) -> f64 {
        let again = |outcome: &Outcome| Some(outcome.copied?.again_bytes as f64);
        median(self.values(again)) / 1048576.0
    }
}

fn ready_s(outcome: &Outcome) -> Option<f64> {
    outcome.copied?.ready_s
}

/// A ratio with two digits; nothing if there is none.
pub(crate) fn ratio(ours: f64, other: f64) -> String {
    match ours / other {
        finite if finite.is_finite() => format!("{finite:.2}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fio::Felt;
    use super::super::run::Copied;
    use super::*;

    fn outcome(iops: f64, ready_s: Option<f64>) -> Outcome {
        Outcome {
            felt: Felt { iops, p99_us: 9.0 },
            copied: Some(Copied {
                ready_s,
                again_bytes: 3 << 20,
            }),
        }
    }

    #[test]
    fn a_run_that_failed_is_counted_and_not_among_the_ready_ones() {
        let mut runs = Runs::default();
        runs.add("one", Ok(outcome(1000.0, Some(2.0))));
        runs.add("two", Ok(outcome(3000.0, None)));
        assert!(runs.went_well());
        runs.add("three", Err("planted".into()));
        assert!(!runs.went_well());
        assert_eq!(runs.ready(), "1 of 3, 1 failed");
        assert_eq!(
            (runs.ready_s(), runs.spread()),
            ("2.00".into(), "1.0-3.0".into())
        );
        assert_eq!((runs.iops(), runs.again_mib()), (2000.0, 3.0));
    }

    #[test]
    fn there_is_no_ratio_to_a_row_without_a_run() {
        let none = Runs::default();
        assert_eq!(ratio(1.0, none.iops()), "");
        assert_eq!(ratio(3.0, 2.0), "1.50");
    }
}
