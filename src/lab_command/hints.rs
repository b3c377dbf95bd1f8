//! Help: hints, the run that failed, a solution.

use std::path::Path;
use std::process::ExitCode;

use super::progress::Progress;
use crate::failure::Failure;
use crate::say;

/// After so many tries that failed a solution is shown.
const TRIES: u32 = 3;

/// `blockjob lab hint`: those that were given, and one more.
pub(super) fn hint(dir: &Path, number: Option<u32>) -> Result<ExitCode, Failure> {
    let mut progress = Progress::load(dir)?;
    let lab = progress.lab(number)?;
    let hints = &lab.about.hints;
    let of = progress.of_mut(lab);
    of.hints = (of.hints + 1).min(hints.len());
    let given = of.hints;
    progress.save(dir)?;
    for (number, hint) in (1..).zip(&hints[..given]) {
        say::out(&format!("Hint {number} of {}: {hint}\n", hints.len()));
    }
    if given == hints.len() {
        say::out(&format!(
            "There are no more. After {TRIES} tries that failed: blockjob lab solution {}",
            lab.number
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// `blockjob lab show`.
pub(super) fn show(dir: &Path, number: Option<u32>) -> Result<ExitCode, Failure> {
    let progress = Progress::load(dir)?;
    let lab = progress.lab(number)?;
    let of = progress.of(lab);
    let Some(sentence) = &of.sentence else {
        return Err(Failure::bad_input(format!(
            "no run of lab {} has failed: blockjob lab run {} tries it",
            lab.number, lab.number
        )));
    };
    say::out(&format!("{sentence}\n"));
    if let Some(story) = &of.story {
        say::out(story);
    }
    match &of.page {
        Some(page) => say::out(&format!("The whole run, to be opened: {page}")),
        None => say::out("No single run shows it."),
    }
    Ok(ExitCode::SUCCESS)
}

/// `blockjob lab solution`.
pub(super) fn solution(dir: &Path, number: Option<u32>, spoil: bool) -> Result<ExitCode, Failure> {
    let progress = Progress::load(dir)?;
    let lab = progress.lab(number)?;
    let of = progress.of(lab);
    if !spoil && !of.passed && of.failed_tries < TRIES {
        return Err(Failure::bad_input(format!(
            "lab {} was tried {} times: a solution is shown after {TRIES} tries that failed, or with --spoil",
            lab.number, of.failed_tries
        )));
    }
    say::out(lab.solution.trim_end());
    Ok(ExitCode::SUCCESS)
}
