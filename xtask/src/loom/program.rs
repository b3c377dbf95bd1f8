//! The program of the models: how it is built, what it lists, and the line it prints about a model.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;
use crate::counts::Counts;
use crate::tree;

const CFG: &str = "--cfg blockjob_loom";
/// As the simulated runs are built: quick, and with every assertion.
const PROFILE: &str = "simulation";

/// Some models of one protocol.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// The files of runtime/src that it is about.
    pub(crate) files: Vec<String>,
}

/// One model.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) bound: usize,
}

/// How to check it, where that is not what the model says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    pub(crate) bound: Option<usize>,
    pub(crate) seconds: Option<u64>,
    /// The historical bug to switch on.
    pub(crate) bug: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) bound: usize,
    pub(crate) executions: u64,
    pub(crate) seconds: f64,
    /// It held for as long as there was time.
    pub(crate) cut: bool,
    fails: Option<String>,
}

impl Outcome {
    /// Why it does not count as held. A model of one execution has no two threads that meet.
    pub(crate) fn failure(&self) -> Option<String> {
        match &self.fails {
            Some(why) => Some(why.clone()),
            None if self.executions < 2 => {
                Some(format!("{} executions show nothing", self.executions))
            }
            None => None,
        }
    }
}

/// Which models.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of whole jobs among them.
    All,
    /// Those that need nothing but the runtime, and are quick to build.
    Runtime,
}

/// The built program.
pub(crate) struct Program {
    path: PathBuf,
    pub(crate) groups: Vec<Group>,
    pub(crate) models: Vec<Model>,
}

impl Program {
    /// Builds the program of this tree.
    pub(crate) fn build(scope: Scope, features: &[&str]) -> Result<Program, Failure> {
        let target = tree::target_dir().join("loom");
        if !build_at(tree::root(), &target, scope, features, true)? {
            return Err("the models do not compile".into());
        }
        Self::open(&target, features)
    }

    /// The program that was built into `target`. It is kept under a name of its own, because that with
    /// other features has the same.
    pub(crate) fn open(target: &Path, features: &[&str]) -> Result<Program, Failure> {
        let built = target.join(PROFILE).join("loom-models");
        let path = built.with_file_name(
            ["loom-models", "of"]
                .iter()
                .chain(features)
                .fold(String::new(), |name, part| name + part + "-"),
        );
        std::fs::copy(built, &path)?;
        let mut program = Program {
            path,
            groups: Vec::new(),
            models: Vec::new(),
        };
        for line in program.ask(&["list"])?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["group", name, files] => program.groups.push(Group {
                    name: (*name).to_owned(),
                    files: files.split(',').map(str::to_owned).collect(),
                }),
                ["model", group, name, bound] => program.models.push(Model {
                    group: (*group).to_owned(),
                    name: (*name).to_owned(),
                    bound: bound.parse()?,
                }),
                _ => return Err(format!("the program of the models lists {line:?}").into()),
            }
        }
        if program.models.is_empty() {
            return Err("there is no model".into());
        }
        Ok(program)
    }

    /// What the program prints when asked with `words`.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<String, Failure> {
        let output = Command::new(&self.path).args(words).output()?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Checks a model.
    pub(crate) fn check(&self, model: &Model, run: &Run) -> Outcome {
        let mut command = Command::new(&self.path);
        command.args(["run", &model.group, &model.name]);
        if let Some(bound) = run.bound {
            command.args(["--bound", &bound.to_string()]);
        }
        if let Some(seconds) = run.seconds {
            command.args(["--seconds", &seconds.to_string()]);
        }
        if let Some(bug) = &run.bug {
            command.args(["--bug", bug]);
        }
        let output = command.stderr(Stdio::piped()).output();
        match output {
            Ok(output) => read(
                &String::from_utf8_lossy(&output.stdout),
                &String::from_utf8_lossy(&output.stderr),
            ),
            Err(error) => died(&error.to_string()),
        }
    }

    /// The command that checks a model again, as a person would type it.
    pub(crate) fn spelled(&self, model: &Model) -> String {
        format!("{} run {} {}", self.path.display(), model.group, model.name)
    }
}

/// Builds the models of the tree at `root` into `target`; false if they do not compile.
pub(crate) fn build_at(
    root: &Path,
    target: &Path,
    scope: Scope,
    features: &[&str],
    show: bool,
) -> Result<bool, Failure> {
    let mut command = tree::cargo(["build", "--quiet", "--bin", "loom-models"]);
    command.args(["-p", "blockjob-loom-tests"]);
    command.args(["--profile", PROFILE]);
    if scope == Scope::Runtime {
        command.arg("--no-default-features");
    }
    if !features.is_empty() {
        command.args(["--features", &features.join(",")]);
    }
    command
        .env("RUSTFLAGS", CFG)
        .env("CARGO_TARGET_DIR", target);
    command.current_dir(root);
    if !show {
        command.stderr(Stdio::null());
    }
    Ok(command.status()?.success())
}

/// Runs the example of a component with its model, which counts as one.
pub(crate) fn example() -> Result<Counts, Failure> {
    let mut command = tree::cargo(["run", "--quiet", "-p", "blockjob-loom-tests"]);
    command.args(["--profile", PROFILE, "--no-default-features"]);
    command.args(["--example", "doorbell"]);
    command.env("RUSTFLAGS", CFG);
    command.env("CARGO_TARGET_DIR", tree::target_dir().join("loom"));
    let success = command.status()?.success();
    Ok(Counts {
        passed: u64::from(success),
        failed: u64::from(!success),
        ignored: 0,
    })
}

/// Reads `NAME BOUND EXECUTIONS SECONDS VERDICT`, the line that the program prints last.
fn read(text: &str, errors: &str) -> Outcome {
    let outcome = text.lines().rev().find_map(|line| {
        let mut words = line.splitn(5, ' ').skip(1);
        let bound = words.next()?.parse().ok()?;
        let executions = words.next()?.parse().ok()?;
        let seconds = words.next()?.parse().ok()?;
        let verdict = words.next()?;
        Some(Outcome {
            bound,
            executions,
            seconds,
            cut: verdict == "cut",
            fails: verdict.strip_prefix("fails ").map(str::to_owned),
        })
    });
    outcome.unwrap_or_else(|| died(errors))
}

/// The program said nothing about the model: that fails as well.
fn died(why: &str) -> Outcome {
    Outcome {
        fails: Some(format!("the program died: {}", why.trim())),
        ..Outcome::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_about_a_model_is_read() {
        let outcome = read("a_post 3 1191 0.181 holds\n", "");
        assert_eq!((outcome.bound, outcome.executions), (3, 1191));
        assert!(outcome.failure().is_none() && !outcome.cut);
        assert!(read("a_post 3 1191 0.181 cut\n", "").cut);
        let outcome = read("a_post 3 9 0.1 fails deadlock; threads = []\n", "");
        assert_eq!(outcome.failure().as_deref(), Some("deadlock; threads = []"));
    }

    #[test]
    fn a_model_of_which_nothing_is_said_or_little_was_run_fails() {
        assert!(read("", "killed").failure().is_some());
        assert!(read("a_post 3 1 0.1 holds\n", "").failure().is_some());
        assert!(read("a_post 3 0 0.1 holds\n", "").failure().is_some());
    }
}
