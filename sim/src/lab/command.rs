//! The program that a learner's file becomes: `fn main` of a lab.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use serde_json::{Value, json};

use super::{Broken, Lab, Outcome};
use crate::view::{About, Page, of_record};

/// The seeds that a learner's own runs use.
const SEEDS: Range<u64> = 0..100;

const USAGE: &str = "options: --seeds A..B, --page FILE (where to write the failing run), --json";

struct Options {
    seeds: Range<u64>,
    page: Option<PathBuf>,
    json: bool,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            seeds: SEEDS,
            page: None,
            json: false,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => options.json = true,
                "--seeds" => options.seeds = seeds(&words.next().unwrap_or_default())?,
                "--page" => {
                    let path = words.next().ok_or("--page needs a path")?;
                    options.page = Some(path.into());
                }
                other => return Err(format!("'{other}' is no option; {USAGE}")),
            }
        }
        Ok(options)
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(from, to)| {
        let range = from.parse().ok()?..to.parse().ok()?;
        Some(range).filter(|range: &Range<u64>| range.start < range.end)
    });
    range.ok_or_else(|| format!("--seeds {text}: expected two numbers as 0..100"))
}

impl Lab {
    /// Runs the lab as a program: reads the options from the command line, tries the seeds, says what
    /// came of it, and writes the page of a run that failed. The exit status says whether all passed.
    pub fn main(self) -> ExitCode {
        let options = match Options::parse(env::args().skip(1)) {
            Ok(options) => options,
            Err(sentence) => {
                eprintln!("lab: {sentence}");
                return ExitCode::from(2);
            }
        };
        let outcome = self.try_seeds_telling(options.seeds.clone(), |attempt| {
            if options.json {
                println!("{}", attempt.to_json());
            }
        });
        let page = match (&outcome, &options.page) {
            (Outcome::Broken(broken), Some(path)) => Some(self.write_page(broken, path)),
            _ => None,
        };
        if options.json {
            let mut object = outcome.to_json();
            match page {
                Some(Ok(path)) => object["page"] = path.display().to_string().into(),
                Some(Err(sentence)) => object["page_error"] = sentence.into(),
                None => {}
            }
            println!("{object}");
        } else {
            println!("lab {}, {}: {outcome}", self.number(), self.title());
            if let Outcome::Broken(broken) = &outcome {
                println!("\n{}", broken.story());
            }
            match page {
                Some(Ok(path)) => println!("The whole run: {}", path.display()),
                Some(Err(sentence)) => eprintln!("lab: {sentence}"),
                None => {}
            }
        }
        match outcome.passed() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    }

    /// Writes the run to `path`, and returns where it is.
    fn write_page(&self, broken: &Broken, path: &Path) -> Result<PathBuf, String> {
        let about = About {
            scenario: Some(format!("lab {}, {}", self.number(), broken.world)),
            seed: Some(broken.seed),
            policy: Some("random".to_owned()),
            // Its log makes the run again only with the learner's code.
            command: Some(format!(
                "cargo run --bin lab{:02} -- --seeds {}..{}",
                self.number(),
                broken.seed,
                broken.seed + 1
            )),
            note: Some("shrunk".to_owned()),
        };
        let mut document = of_record(&broken.record, &about);
        if let Some(failure) = &mut document.failure {
            failure.sentence.clone_from(&broken.sentence);
        }
        let html = Page::new(&mut document).html();
        fs::write(path, html).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path.to_owned())
    }
}

/// A seed in a world, which is about to be tried.
///
/// With `--json` a lab's program says each on a line of its own, so that it is known where one was that did
/// not end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// The seed.
    pub seed: u64,
    /// The kind of world.
    pub world: String,
}

impl Attempt {
    fn to_json(&self) -> Value {
        json!({"trying": {"seed": self.seed, "world": self.world}})
    }

    /// The last one that a lab's program said with `--json`; none if it said none.
    pub fn last_of(output: &str) -> Option<Attempt> {
        objects(output).find_map(|object| {
            let trying = object.get("trying")?;
            Some(Attempt {
                seed: trying["seed"].as_u64()?,
                world: trying["world"].as_str()?.to_owned(),
            })
        })
    }
}

/// What came of a lab, in what its program prints with `--json`: an object with `passed`. None if there is
/// none.
pub fn read_json(output: &str) -> Option<Value> {
    objects(output).find(|object| object.get("passed").is_some())
}

/// The lines that are objects, the last first.
fn objects(output: &str) -> impl Iterator<Item = Value> {
    let lines = output.lines().rev();
    lines.filter_map(|line| serde_json::from_str(line).ok().filter(Value::is_object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lab_prints_is_read_back_among_what_a_learner_prints() {
        let attempt = |seed| Attempt {
            seed,
            world: "a world".to_owned(),
        };
        let output = format!(
            "{}\nmine\n{}\n{{}}\n",
            attempt(1).to_json(),
            attempt(2).to_json()
        );
        assert_eq!(Attempt::last_of(&output), Some(attempt(2)));
        assert_eq!(read_json(&output), None);
        let ended = format!("{output}{}\n", json!({"passed": true, "seeds": 2}));
        assert_eq!(read_json(&ended).expect("it says so")["seeds"], 2);
        assert_eq!(Attempt::last_of("no object"), None);
    }
}
