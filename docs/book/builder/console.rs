//! `{{#run WORDS | FILTER ..}}`: what the program prints, with the command that prints it.
//!
//! The program runs in the root of the repository, twice, and must print the same both times: a reader
//! who tries the command is to see what the book shows. A word `NAME.bj`, `NAME.txt` or
//! `NAME.txt@SEED` whose file is in `docs/book/runs/` stands for that file.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Wrong;
use crate::page;

/// The folder of the recorded runs, from the root of the repository.
pub(crate) const RUNS: &str = "docs/book/runs";

/// A status above this means that the program refused what it was asked.
const HIGHEST_STATUS: i32 = 1;

/// What is done with the lines before they are shown.
#[derive(Debug, PartialEq, Eq)]
enum Filter<'a> {
    /// The first lines.
    Head(usize),
    /// The last lines.
    Tail(usize),
    /// The lines with this text.
    Grep(&'a str),
    /// From the first line with the one text to the next one with the other.
    Between(&'a str, &'a str),
}

/// The program and where it runs.
#[derive(Debug)]
pub(crate) struct Console {
    /// The program `blockjob`.
    pub(crate) program: PathBuf,
    /// The root of the repository.
    pub(crate) root: PathBuf,
}

impl Console {
    /// The command and what it printed, as Markdown.
    pub(crate) fn make(&self, words: &str) -> Result<String, Wrong> {
        let mut parts = words.split('|').map(str::trim);
        let command = parts.next().unwrap_or_default();
        let filters = parts.map(parse_filter).collect::<Result<Vec<_>, _>>()?;
        let arguments: Vec<_> = command.split_whitespace().map(|it| self.word(it)).collect();
        if arguments.is_empty() {
            return Err(
                "a run says what the program is told: {{#run sim explain mirror@17}}".to_owned(),
            );
        }
        let (printed, status) = self.run(&arguments)?;
        let (again, _) = self.run(&arguments)?;
        let shown = filtered(&printed, &filters)?;
        if shown != filtered(&again, &filters)? {
            return Err(format!(
                "'blockjob {command}' prints something else the second time: cut what changes with a filter"
            ));
        }
        let spelled = spelled(&arguments, &filters);
        let text = format!("$ {spelled}\n{shown}");
        let caption = match status {
            0 => "What the program prints.".to_owned(),
            status => format!("What the program prints; it ends with status {status}."),
        };
        Ok(page::block("run", "console", &text, &caption))
    }

    fn word(&self, word: &str) -> String {
        let file = word.split('@').next().unwrap_or(word);
        let known = Path::new(RUNS).join(file);
        if file.contains('.') && self.root.join(known).is_file() {
            return format!("{RUNS}/{word}");
        }
        word.to_owned()
    }

    fn run(&self, arguments: &[String]) -> Result<(String, i32), Wrong> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(&self.root)
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .output()
            .map_err(|error| format!("'{}' cannot be started: {error}", self.program.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        match output.status.code() {
            Some(status @ 0..=HIGHEST_STATUS) if !out.trim().is_empty() => Ok((out, status)),
            status => Err(format!(
                "'blockjob {}' ends with status {} and says: {}{}",
                arguments.join(" "),
                status.map_or("none".to_owned(), |status| status.to_string()),
                err.trim(),
                if out.trim().is_empty() {
                    " (it printed nothing)"
                } else {
                    ""
                },
            )),
        }
    }
}

fn parse_filter(text: &str) -> Result<Filter<'_>, Wrong> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    let wrong =
        || format!("'{text}' is no filter: they are head N, tail N, grep TEXT, from TEXT to TEXT");
    let number = || rest.parse().map_err(|_| wrong());
    match name {
        "head" => number().map(Filter::Head),
        "tail" => number().map(Filter::Tail),
        "grep" if !rest.is_empty() => Ok(Filter::Grep(rest)),
        "from" => rest
            .split_once(" to ")
            .map(|(from, to)| Filter::Between(from.trim(), to.trim()))
            .ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn filtered(text: &str, filters: &[Filter<'_>]) -> Result<String, Wrong> {
    let mut lines: Vec<_> = text.trim_end().lines().map(str::trim_end).collect();
    for filter in filters {
        lines = match *filter {
            Filter::Head(count) => lines.into_iter().take(count).collect(),
            Filter::Tail(count) => lines.split_off(lines.len().saturating_sub(count)),
            Filter::Grep(text) => lines.into_iter().filter(|it| it.contains(text)).collect(),
            Filter::Between(from, to) => {
                let first = lines.iter().position(|line| line.contains(from));
                let first = first.ok_or_else(|| format!("no line of the run has '{from}'"))?;
                let mut after = lines[first + 1..].iter();
                let last = after.position(|line| line.contains(to));
                let last = last.ok_or_else(|| {
                    format!("no line of the run after that with '{from}' has '{to}'")
                })?;
                lines[first..=first + 1 + last].to_vec()
            }
        };
    }
    if lines.is_empty() {
        return Err("the filters leave nothing of the run".to_owned());
    }
    Ok(lines.join("\n"))
}

/// The command as a person types it in a shell, filters and all.
fn spelled(arguments: &[String], filters: &[Filter<'_>]) -> String {
    let mut text = format!("blockjob {}", arguments.join(" "));
    for filter in filters {
        text.push_str(" | ");
        text.push_str(&match *filter {
            Filter::Head(count) => format!("head -n {count}"),
            Filter::Tail(count) => format!("tail -n {count}"),
            Filter::Grep(text) => format!("grep -F '{text}'"),
            Filter::Between(from, to) => format!("sed -n '/{from}/,/{to}/p'"),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(program: &str) -> Console {
        Console {
            program: program.into(),
            root: Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
        }
    }

    #[test]
    fn a_run_shows_its_command_and_what_it_printed() {
        let shown = console("echo").make("one two").unwrap();
        assert!(shown.contains("$ blockjob one two\none two\n"), "{shown}");
    }

    #[test]
    fn filters_work_and_are_spelled_as_a_shell_has_them() {
        let text = "a 1\nb 2\na 3\nc 4\n";
        let run = |words: &str| {
            let filters: Result<Vec<_>, _> =
                words.split('|').map(str::trim).map(parse_filter).collect();
            let filters = filters.unwrap();
            (
                filtered(text, &filters),
                spelled(&["x".to_owned()], &filters),
            )
        };
        assert_eq!(
            run("grep a | tail 1"),
            (
                Ok("a 3".to_owned()),
                "blockjob x | grep -F 'a' | tail -n 1".to_owned()
            )
        );
        assert_eq!(run("head 1").0.unwrap(), "a 1");
        assert_eq!(
            run("from b to a"),
            (
                Ok("b 2\na 3".to_owned()),
                "blockjob x | sed -n '/b/,/a/p'".to_owned()
            )
        );
        assert!(run("from b to z").0.unwrap_err().contains("'z'"));
        assert!(run("grep z").0.unwrap_err().contains("nothing"));
    }

    #[test]
    fn a_filter_that_there_is_not_is_refused() {
        let wrong = console("echo").make("a | sort").unwrap_err();
        assert!(
            wrong.contains("'sort'") && wrong.contains("head N"),
            "{wrong}"
        );
    }

    #[test]
    fn a_program_that_refuses_fails_the_book() {
        let wrong = console("ls").make("--no-such-option").unwrap_err();
        assert!(wrong.contains("status 2"), "{wrong}");
        assert!(
            console("no-such-program")
                .make("a")
                .unwrap_err()
                .contains("cannot be started")
        );
    }

    #[test]
    fn a_run_that_is_not_the_same_twice_fails_the_book() {
        let wrong = console("cat").make("/proc/self/stat").unwrap_err();
        assert!(wrong.contains("second time"), "{wrong}");
    }
}
