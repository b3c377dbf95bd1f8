//! What a sweep that found nothing has shown, in sentences, with what they take for granted.

use std::fmt;

use crate::sweep::{PolicySpec, SweepReport};

/// Sentences about what a sweep covered, and what may have escaped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confidence {
    sentences: Vec<String>,
}

impl Confidence {
    /// What can be said after the sweep of `report`.
    pub fn of(report: &SweepReport) -> Confidence {
        let mut sentences = vec![extent(report), places(report)];
        let escaped = match report.policy {
            PolicySpec::Random => random(report),
            PolicySpec::Pct { depth } => pct(report, depth),
            PolicySpec::Exhaustive { .. } => exhaustive(report),
        };
        sentences.extend(escaped);
        if report.checked_determinism {
            sentences.push(match report.failures().iter().any(is_nondeterministic) {
                false => "Each seed was run twice, and both runs were the same.".to_owned(),
                true => "Not every seed makes the same run each time: nothing here repeats \
                         before that is mended."
                    .to_owned(),
            });
        }
        sentences.push(
            "All this is about what the scenario can draw and the checkers can see, in worlds of \
             one thread: races between real threads are for loom and shuttle."
                .to_owned(),
        );
        Confidence { sentences }
    }

    /// The sentences.
    pub fn sentences(&self) -> &[String] {
        &self.sentences
    }
}

fn is_nondeterministic(kind: &crate::sweep::FailureKind) -> bool {
    !matches!(kind.first.fault, crate::sweep::Fault::Broken(_))
}

fn extent(report: &SweepReport) -> String {
    let failed = match report.failed_runs() {
        0 => "none failed".to_owned(),
        1 => "one failed".to_owned(),
        failed => format!("{failed} failed, in {} ways", report.failures().len()),
    };
    format!(
        "{} runs made {} decisions, about {} of the runs were different from each other, and {failed}.",
        report.runs(),
        report.decisions(),
        report.distinct(),
    )
}

fn places(report: &SweepReport) -> String {
    let (all, missed) = (report.marks().len(), report.missed_marks());
    if missed.is_empty() {
        return format!("All {all} marks of the engine were hit.");
    }
    let names: Vec<_> = missed.iter().map(|mark| mark.name).collect();
    format!(
        "Of {all} marks of the engine {} were never hit: {}. What happens there was not tested.",
        missed.len(),
        names.join(", ")
    )
}

/// By the rule of three: (1 - p)^n is at most 5 % if p is at least 3/n.
fn random(report: &SweepReport) -> Vec<String> {
    if report.failed_runs() > 0 || report.runs() < 3 {
        return Vec::new();
    }
    vec![format!(
        "A failure that one of {} runs of this scenario meets, or more of them, would have been \
         seen with a probability of 95 % or more; rarer ones may have escaped, and random \
         schedules promise nothing about those that need an order of events which is rare.",
        report.runs() / 3
    )]
}

fn pct(report: &SweepReport, depth: u32) -> Vec<String> {
    let depths = (1..=depth).map(|depth| {
        let missed = report.missed_probability(depth);
        format!("{} for depth {depth}", probability(missed))
    });
    let depths: Vec<_> = depths.collect();
    let threads = report.threads();
    let mut sentences = vec![
        format!(
            "The probability of having missed a failure that every configuration of the scenario \
             has, and for which as many orders between two coroutines or callbacks of one context \
             are enough as its depth says, is at most: {}.",
            depths.join(", ")
        ),
        format!(
            "That is by each run's own number of threads and of scheduling points; the most were \
             {} and {}. It does not cover the orders between contexts and disks, nor faults, which \
             are drawn by chance.",
            threads.threads, threads.steps
        ),
    ];
    if report.too_long_runs() > 0 {
        sentences.push(format!(
            "{} runs were longer than had been measured, and count for depth 1 only.",
            report.too_long_runs()
        ));
    }
    sentences
}

/// A probability for people.
fn probability(value: f64) -> String {
    match value {
        _ if value > 0.999 => "nearly 100 %".to_owned(),
        _ if value >= 0.001 => format!("{:.1} %", value * 100.0),
        _ => format!("{value:.0e}"),
    }
}

fn exhaustive(report: &SweepReport) -> Vec<String> {
    let Some(exhausted) = report.exhausted else {
        return Vec::new();
    };
    let mut sentences = Vec::new();
    let which = match exhausted.bound {
        None => "schedules".to_owned(),
        Some(bound) => format!(
            "schedules in which at most {bound} decisions take another option than the dullest"
        ),
    };
    let schedules = exhausted.schedules;
    sentences.push(match exhausted.cut_short {
        true => format!("{schedules} {which} were run, and there are more."),
        false if exhausted.cut_by_bound => {
            format!("All {schedules} {which} were run. The bound left others out.")
        }
        false => format!("All {schedules} {which} were run: this configuration has no others."),
    });
    sentences
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sentences = self.sentences.iter();
        sentences.try_for_each(|sentence| writeln!(f, "{sentence}"))
    }
}
