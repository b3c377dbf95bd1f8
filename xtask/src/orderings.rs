//! `cargo xtask orderings`: weakens each ordering of the runtime's atomics and takes out each fence, one
//! at a time, in a copy of the tree, and runs the models that are about that file.
//!
//! A mutant that no model fails for is a finding: the ordering is too strong, or a model is missing, or
//! loom cannot see what it is for. In the last case a comment beside it says so, beginning with
//! `ordering: kept, because`: such places are listed and not changed.

mod scan;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Failure;
use crate::clock::{Stopwatch, side_by_side};
use crate::loom::program::{self, Model, Outcome, Program, Run};
use crate::loom::{Scope, WORKERS};
use crate::suites::heading;
use crate::tree;
use scan::{Place, Verdict};

/// A model that has found nothing after so many seconds is left.
const SECONDS: u64 = 30;

/// What became of a mutant.
enum Fate {
    Caught(Model, Outcome),
    /// It does not compile, so nobody can ship it.
    Refused,
    Survived,
}

/// Runs all mutants of the files whose names contain `only`, and prints the table. False if one survived.
pub(crate) fn run(only: &str) -> Result<bool, Failure> {
    heading("mutants of orderings");
    let copy = tree::target_dir().join("orderings");
    copy_tree(&copy.join("tree"))?;
    let watch = Stopwatch::start();
    let (mut caught, mut survived, mut kept) = (0, 0, 0);
    for place in scan::places(&tree::root().join("runtime/src"))? {
        if !place.file.contains(only) {
            continue;
        }
        let spot = format!("{}:{}", place.file, place.line);
        match &place.verdict {
            Verdict::Kept(why) => {
                kept += 1;
                println!("{spot:<28} {:<24} kept: {why}", place.what);
            }
            Verdict::Mutate(mutants) => {
                for mutant in mutants {
                    let fate = try_one(&copy, &place, &mutant.text)?;
                    let verdict = match &fate {
                        Fate::Caught(model, outcome) => format!(
                            "caught by {} {}, execution {}",
                            model.group, model.name, outcome.executions
                        ),
                        Fate::Refused => "does not compile".to_owned(),
                        Fate::Survived => "SURVIVED".to_owned(),
                    };
                    println!("{spot:<28} {:<24} {verdict}", mutant.name);
                    match fate {
                        Fate::Survived => survived += 1,
                        _ => caught += 1,
                    }
                }
            }
        }
    }
    println!(
        "{caught} caught, {survived} survived, {kept} kept by a comment; {:.0} s",
        watch.seconds()
    );
    Ok(survived == 0 && caught + kept > 0)
}

/// Everything that cargo needs to know of the workspace, without what was built.
fn copy_tree(to: &Path) -> Result<(), Failure> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let words = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let mut git = std::process::Command::new("git");
    let listed = git.args(words).current_dir(tree::root()).output()?;
    for name in String::from_utf8(listed.stdout)?.lines() {
        let (from, to) = (tree::root().join(name), to.join(name));
        if from.is_file() {
            fs::create_dir_all(to.parent().expect("it is in the tree"))?;
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// Writes the file of a place with one change, builds, and runs its models until one fails.
fn try_one(copy: &Path, place: &Place, text: &str) -> Result<Fate, Failure> {
    let file = copy.join("tree/runtime/src").join(&place.file);
    let shipped = fs::read_to_string(&file)?;
    fs::write(&file, text)?;
    let target = copy.join("target");
    let built = program::build_at(&copy.join("tree"), &target, Scope::Runtime, &[], false);
    fs::write(&file, shipped)?;
    if !built? {
        return Ok(Fate::Refused);
    }
    let program = Program::open(&target, &[])?;
    let is_about = |model: &&Model| {
        let mut groups = program.groups.iter();
        groups.any(|group| group.name == model.group && group.files.contains(&place.file))
    };
    let found = AtomicBool::new(false);
    let jobs = program.models.iter().filter(is_about).map(|model| {
        let (program, found) = (&program, &found);
        move || {
            if found.load(Ordering::Relaxed) {
                return None;
            }
            let run = Run {
                seconds: Some(SECONDS),
                ..Run::default()
            };
            let outcome = program.check(model, &run);
            outcome.failure()?;
            found.store(true, Ordering::Relaxed);
            Some((model.clone(), outcome))
        }
    });
    let outcomes = side_by_side(WORKERS as usize, jobs.collect());
    let caught = outcomes.into_iter().flatten().next();
    Ok(caught.map_or(Fate::Survived, |(model, outcome)| {
        Fate::Caught(model, outcome)
    }))
}
