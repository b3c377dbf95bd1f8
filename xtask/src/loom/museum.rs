//! The historical bugs that are marked for loom: each is found by a model within its bound, and that model
//! holds without the bug.

use super::program::{Model, Outcome, Program, Run, Scope};
use crate::Failure;
use crate::clock::side_by_side;
use crate::counts::Counts;
use crate::suites::heading;

/// Runs them and prints their table. Each that is found, and not found without its bug, counts as one.
pub(crate) fn run(scope: Scope) -> Result<Counts, Failure> {
    heading("museum exhibits under loom");
    let program = Program::build(scope, &["museum"])?;
    let exhibits = program.ask(&["exhibits"])?;
    let exhibits = exhibits.lines().filter_map(|line| line.split_once(' '));
    println!(
        "{:<8} {:>10} {:>10}  found by, and after how many executions of how many without the bug",
        "exhibit", "found", "without"
    );
    let mut counts = Counts::default();
    for (id, title) in exhibits {
        let found = search(&program, id);
        counts.passed += u64::from(found.is_some());
        counts.failed += u64::from(found.is_none());
        match found {
            Some((model, with, without)) => println!(
                "{id:<8} {:>10} {:>10}  {} {}",
                with.executions, without.executions, model.group, model.name
            ),
            None => println!("{id:<8} not found: {title}"),
        }
    }
    Ok(counts)
}

/// A model that has not found the bug after so many seconds is left.
const SECONDS: u64 = 10;

/// The first model that fails with the bug and holds without it; of all, the one that fails soonest.
fn search(program: &Program, id: &str) -> Option<(Model, Outcome, Outcome)> {
    let run = Run {
        bug: Some(id.to_owned()),
        seconds: Some(SECONDS),
        ..Run::default()
    };
    let jobs = program.models.iter().map(|model| {
        let run = run.clone();
        move || (model, program.check(model, &run))
    });
    let mut failing = side_by_side(super::WORKERS as usize, jobs.collect());
    failing.retain(|(_, outcome)| outcome.failure().is_some());
    failing.sort_by_key(|(_, outcome)| outcome.executions);
    failing.into_iter().find_map(|(model, with)| {
        let without = program.check(model, &Run::default());
        let holds = without.failure().is_none();
        holds.then(|| (model.clone(), with, without))
    })
}
