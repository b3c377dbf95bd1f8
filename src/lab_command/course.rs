//! The way through the labs: list, run, grade.

use std::path::Path;
use std::process::ExitCode;

use blockjob_labs::{Lab, all, hidden_seeds, open_seeds};
use blockjob_sim::lab::Attempt;
use serde_json::Value;

use super::build::{Tried, attempt};
use super::made::{file_of, task_of};
use super::progress::Progress;
use crate::failure::{FAILED, Failure};
use crate::say;

/// `blockjob lab list`. Outside of a crate it lists the labs alone.
pub(super) fn list(dir: &Path) -> Result<ExitCode, Failure> {
    let progress = match Progress::is_lost(dir) || Progress::exists(dir) {
        true => Some(Progress::load(dir)?),
        false => None,
    };
    for lab in all() {
        let state = match &progress {
            None => "",
            Some(progress) => match progress.of(lab) {
                of if of.passed => "passed",
                of if of.failed_tries > 0 => "tried",
                _ => "open",
            },
        };
        let (number, minutes, title) = (lab.number, lab.about.minutes, &lab.about.title);
        let line = format!("{number:>2}  {minutes} min  {title:<44} {state}");
        say::out(line.trim_end());
    }
    match progress {
        None => say::out("\nBegin with: blockjob lab start DIR"),
        Some(progress) => {
            let lab = progress.lab(None)?;
            say::out(&format!("\nThe next task: {}", task_of(lab)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `blockjob lab run`.
pub(super) fn run(dir: &Path, number: Option<u32>) -> Result<ExitCode, Failure> {
    let lab = Progress::load(dir)?.lab(number)?;
    match run_one(dir, lab)? {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::from(FAILED)),
    }
}

/// Tries a lab, says what came of it, and takes note of it. True if it passes.
pub(super) fn run_one(dir: &Path, lab: &Lab) -> Result<bool, Failure> {
    let (number, title) = (lab.number, &lab.about.title);
    say::out(&format!("Lab {number}: {title} ({})", file_of(lab)));
    let tried = attempt(dir, lab, &open_seeds(lab))?;
    // Only now: whoever has changed it meanwhile has not lost anything.
    let mut progress = Progress::load(dir)?;
    let of = progress.of_mut(lab);
    let passed = match &tried {
        Tried::NotBuilt => {
            say::out("It does not compile yet: see above.");
            return Ok(false);
        }
        Tried::Ran(object) if object["passed"] == true => {
            of.passed = true;
            (of.sentence, of.page, of.story) = (None, None, None);
            say::out(&passed_text(object));
            true
        }
        other => {
            let sentence = sentence(other);
            of.failed_tries += 1;
            say::out(&format!("\n  {sentence}\n"));
            of.page = text_in(other, "page");
            of.story = text_in(other, "story");
            if let Tried::Ran(object) = other
                && let (Some(seed), Some(world)) =
                    (object["seed"].as_u64(), object["world"].as_str())
            {
                say::out(&format!(
                    "That was seed {seed}, in the world '{world}'. The run: blockjob lab show"
                ));
            }
            let left = lab.about.hints.len() - of.hints;
            if left > 0 {
                say::out(&format!("Stuck? blockjob lab hint ({left} left)"));
            }
            of.sentence = Some(sentence);
            false
        }
    };
    progress.save(dir)?;
    if passed {
        next(&progress);
    }
    Ok(passed)
}

fn passed_text(object: &Value) -> String {
    let seeds = object["seeds"].as_u64().unwrap_or_default();
    match object["note"].as_str() {
        Some(note) => format!("Passed, with {seeds} seeds: {note}"),
        None => format!("Passed, with {seeds} seeds."),
    }
}

fn text_in(tried: &Tried, key: &str) -> Option<String> {
    match tried {
        Tried::Ran(object) => object[key].as_str().map(str::to_owned),
        _ => None,
    }
}

/// What went wrong with a try that did.
fn sentence(tried: &Tried) -> String {
    match tried {
        Tried::Ran(object) => {
            let sentence = object["sentence"].as_str();
            sentence
                .unwrap_or("The lab failed and did not say why.")
                .to_owned()
        }
        Tried::Endless(attempt) => format!(
            "It does not end{}: a loop gives the thread back only where it awaits something that has to \
             wait, and a pause point does not when nobody asks the job to pause.",
            place(attempt)
        ),
        Tried::Died(status, attempt) => {
            format!(
                "The program ended without a word ({status}){}.",
                place(attempt)
            )
        }
        Tried::NotBuilt => "It does not compile.".to_owned(),
    }
}

/// Where that was.
fn place(attempt: &Option<Attempt>) -> String {
    match attempt {
        Some(Attempt { seed, world }) => format!(" with seed {seed} in the world '{world}'"),
        None => String::new(),
    }
}

fn next(progress: &Progress) {
    match all().iter().find(|lab| !progress.of(lab).passed) {
        Some(next) => say::out(&format!("The next task: {}", task_of(next))),
        None => say::out(
            "That was the last one. Now the seeds that you have not seen: blockjob lab grade",
        ),
    }
}

/// `blockjob lab grade`: all labs that are passed, or the one that is asked for, whatever it is.
pub(super) fn grade(dir: &Path, number: Option<u32>) -> Result<ExitCode, Failure> {
    let progress = Progress::load(dir)?;
    let done: Vec<_> = match number {
        Some(_) => vec![progress.lab(number)?],
        None => {
            let done = all().iter().filter(|lab| progress.of(lab).passed);
            done.collect()
        }
    };
    if done.is_empty() {
        return Err(Failure::bad_input(
            "no lab is passed yet: blockjob lab run tries the first one".to_owned(),
        ));
    }
    let mut passed = 0;
    for lab in &done {
        let seeds = hidden_seeds(lab);
        let tried = attempt(dir, lab, &seeds)?;
        let good = matches!(&tried, Tried::Ran(object) if object["passed"] == true);
        passed += usize::from(good);
        let verdict = match good {
            true => format!("{} hidden seeds passed", seeds.end - seeds.start),
            false => sentence(&tried),
        };
        say::out(&format!(
            "{:>2}  {:<44} {verdict}",
            lab.number, lab.about.title
        ));
    }
    if number.is_none() {
        say::out(&format!(
            "\n{passed} of {} labs that you have done, {} in all",
            done.len(),
            all().len()
        ));
    }
    match passed == done.len() {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::from(FAILED)),
    }
}
