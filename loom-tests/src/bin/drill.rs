//! The drill as a program: `drill soak` on real threads, and, built with `--cfg blockjob_shuttle`, `drill
//! shuttle` over many schedules.

#![forbid(unsafe_code)]

use std::process::ExitCode;

const USAGE: &str = "\
drill soak --seconds N [--iothreads K] [--seed S]      on real threads
drill shuttle [--schedules N] [--seed S] [--policy P]  in turns; P is random, pct2, pct3 ...
drill shuttle --case POLICY:SEED                       one of them again
drill found FILE...                                    those that once failed";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match life::run(&words) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The values of options, each `--name value`.
#[cfg(not(blockjob_loom))]
fn options<'a>(mut words: &[&'a str], known: &[&str]) -> Result<Vec<(&'a str, &'a str)>, String> {
    let mut found = Vec::new();
    while let [name, value, rest @ ..] = words {
        if !known.contains(name) {
            return Err(format!("'{name}' is unknown"));
        }
        found.push((*name, *value));
        words = rest;
    }
    match words {
        [] => Ok(found),
        [word, ..] => Err(format!("'{word}' needs a value")),
    }
}

#[cfg(not(blockjob_loom))]
fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    let number = value.parse();
    number.map_err(|_| format!("{name} takes a number, not '{value}'"))
}

#[cfg(not(any(blockjob_loom, blockjob_shuttle)))]
mod life {
    use std::process::ExitCode;

    use blockjob_loom_tests::drill::soak::{self, Options};

    pub(super) fn run(words: &[&str]) -> Result<ExitCode, String> {
        let ["soak", words @ ..] = words else {
            return Err("without a cfg this soaks".to_owned());
        };
        let mut soak = Options {
            seconds: 60,
            iothreads: 4,
            seed: 1,
        };
        for (name, value) in super::options(words, &["--seconds", "--iothreads", "--seed"])? {
            match name {
                "--seconds" => soak.seconds = super::number(name, value)?,
                "--iothreads" => soak.iothreads = super::number(name, value)?,
                _ => soak.seed = super::number(name, value)?,
            }
        }
        Ok(soak::run(&soak))
    }
}

#[cfg(all(blockjob_shuttle, not(blockjob_loom)))]
mod life {
    use std::process::ExitCode;

    use blockjob_loom_tests::drill::schedules::{self, Case, Options, Policy};

    const KNOWN: [&str; 6] = [
        "--schedules",
        "--seed",
        "--policy",
        "--case",
        "--print",
        "--bug",
    ];

    pub(super) fn run(words: &[&str]) -> Result<ExitCode, String> {
        let mut run = Options {
            policies: vec![Policy::Random, Policy::Pct(3)],
            schedules: 1_000,
            seed: 1,
            print: true,
            #[cfg(feature = "museum")]
            bug: None,
        };
        let words = match words {
            ["shuttle", words @ ..] => words,
            ["found", files @ ..] => return found(&run, files),
            #[cfg(feature = "museum")]
            ["exhibits"] => {
                exhibits();
                return Ok(ExitCode::SUCCESS);
            }
            _ => return Err("what is to be done?".to_owned()),
        };
        let mut case: Option<Case> = None;
        for (name, value) in super::options(words, &KNOWN)? {
            match name {
                "--schedules" => run.schedules = super::number(name, value)?,
                "--seed" => run.seed = super::number(name, value)?,
                "--policy" => run.policies = vec![value.parse()?],
                "--case" => case = Some(value.parse()?),
                "--print" => run.print = value == "yes",
                #[cfg(feature = "museum")]
                "--bug" => {
                    let bug = blockjob_runtime::museum::find(value);
                    run.bug = Some(bug.ok_or_else(|| format!("there is no exhibit {value}"))?);
                }
                _ => return Err(format!("{name} needs the feature museum")),
            }
        }
        Ok(match case {
            Some(case) => schedules::again(&run, case),
            None => schedules::run(&run),
        })
    }

    #[cfg(feature = "museum")]
    fn exhibits() {
        use blockjob_runtime::museum::{EXHIBITS, Finder};
        let ours = EXHIBITS.iter().filter(|it| it.found_by == Finder::Shuttle);
        for exhibit in ours.filter(|exhibit| exhibit.state.is_here()) {
            println!("{} {}", exhibit.id, exhibit.title);
        }
    }

    /// Runs what once failed; a file has a case in a line that begins so.
    fn found(options: &Options, files: &[&str]) -> Result<ExitCode, String> {
        for file in files {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            let case = text.lines().find_map(|line| line.strip_prefix("case "));
            let case = case.ok_or_else(|| format!("{file} has no case"))?;
            let case = case.trim().parse()?;
            // What fails ends the process.
            println!("{file}");
            schedules::again(options, case);
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(blockjob_loom)]
mod life {
    use std::process::ExitCode;

    pub(super) fn run(_words: &[&str]) -> Result<ExitCode, String> {
        Err("under loom the drill is a group of the models: cargo xtask loom".to_owned())
    }
}
