//! `cargo xtask loom`: every model of loom-tests, in as many processes as there are cores, and the
//! historical bugs that they must find.
//!
//! A model runs in a process of its own, because one that fails cannot be left otherwise. The programs
//! print a line a model, which is read here.

mod museum;
pub(crate) mod program;

use std::time::Duration;

use crate::Failure;
use crate::clock::{Stopwatch, side_by_side};
use crate::counts::Counts;
use crate::suites::heading;
pub(crate) use program::Scope;
use program::{Model, Outcome, Program, Run};

/// How far to go.
#[derive(Clone, Copy)]
pub(crate) enum Depth {
    /// The bounds that the models name: minutes.
    Shipped,
    /// More preemptions, and so much time in all.
    Deep { more: usize, total: Duration },
}

impl Depth {
    /// Two more preemptions, and so many minutes.
    pub(crate) fn deep(minutes: u64) -> Depth {
        Depth::Deep {
            more: 2,
            total: Duration::from_secs(60 * minutes),
        }
    }
}

/// Builds and runs all models, and the museum with them; prints the tables. Each model that holds and
/// each exhibit that is found counts as one.
pub(crate) fn run(scope: Scope, depth: Depth) -> Result<Counts, Failure> {
    heading("loom models of the shipped runtime");
    let program = Program::build(scope, &[])?;
    let watch = Stopwatch::start();
    let outcomes = check_all(&program, depth);
    let counts = report(&program, &outcomes, watch.seconds());
    Ok(counts.plus(museum::run(scope)?).plus(program::example()?))
}

/// Checks every model. The ones with the least preemptions come first: they have the most orders.
fn check_all(program: &Program, depth: Depth) -> Vec<(Model, Outcome)> {
    let mut models = program.models.clone();
    models.sort_by_key(|model| model.bound);
    let left = models.len();
    let watch = Stopwatch::start();
    let jobs = models.into_iter().enumerate().map(|(begun, model)| {
        let watch = watch.clone();
        move || {
            let run = match depth {
                Depth::Shipped => Run::default(),
                Depth::Deep { more, total } => {
                    let rest = (total.as_secs_f64() - watch.seconds()).max(1.0);
                    let share = rest * f64::from(WORKERS) / (left - begun) as f64;
                    Run {
                        bound: Some(model.bound + more),
                        seconds: Some(share as u64 + 1),
                        ..Run::default()
                    }
                }
            };
            let outcome = program.check(&model, &run);
            (model, outcome)
        }
    });
    side_by_side(WORKERS as usize, jobs.collect())
}

/// The machines that this is meant for have two cores.
pub(crate) const WORKERS: u32 = 2;

/// Prints the table of groups and what went wrong, and counts.
fn report(program: &Program, outcomes: &[(Model, Outcome)], seconds: f64) -> Counts {
    println!(
        "{:<14} {:>6} {:>6} {:>12} {:>9}",
        "group", "models", "bound", "executions", "seconds"
    );
    let mut counts = Counts::default();
    for group in &program.groups {
        let own = || {
            outcomes
                .iter()
                .filter(|(model, _)| model.group == group.name)
        };
        let bounds: Vec<usize> = own().map(|(_, outcome)| outcome.bound).collect();
        let bound = match (bounds.iter().min(), bounds.iter().max()) {
            (Some(least), Some(most)) if least < most => format!("{least}-{most}"),
            (Some(least), _) => least.to_string(),
            _ => "-".to_owned(),
        };
        let executions: u64 = own().map(|(_, outcome)| outcome.executions).sum();
        let spent: f64 = own().map(|(_, outcome)| outcome.seconds).sum();
        println!(
            "{:<14} {:>6} {bound:>6} {executions:>12} {spent:>9.1}",
            group.name,
            own().count(),
        );
        if own().count() == 0 {
            println!("{} has no models, and there must be some", group.name);
            counts.failed += 1;
        }
    }
    let executions: u64 = outcomes.iter().map(|(_, outcome)| outcome.executions).sum();
    println!(
        "{:<14} {:>6} {:>6} {executions:>12} {seconds:>9.1} by the clock",
        "all",
        outcomes.len(),
        ""
    );
    for (model, outcome) in outcomes {
        match outcome.failure() {
            None => counts.passed += 1,
            Some(why) => {
                counts.failed += 1;
                println!("{} {} fails: {why}", model.group, model.name);
                println!("  again: {}", program.spelled(model));
            }
        }
        if outcome.cut {
            println!(
                "{} {} was cut after {:.0} s",
                model.group, model.name, outcome.seconds
            );
        }
    }
    counts
}
