//! `{{#sample NAME}}`: a program of `docs/book/samples/`, whole, and what it prints.
//!
//! Cargo builds it as an example of this package, so a reader can run it, and runs its test, so that it
//! stays true. It runs twice, and must print the same both times.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Wrong;
use crate::page;

/// The folder of the samples, from the folder of the book.
const FOLDER: &str = "samples";

/// Where the samples are, as text and as programs.
#[derive(Debug)]
pub(crate) struct Samples {
    /// The folder of the book.
    pub(crate) book: PathBuf,
    /// The folder with the programs.
    pub(crate) programs: PathBuf,
}

impl Samples {
    /// Fails if a file of the folder is no example that cargo builds and tests.
    pub(crate) fn check_manifest(&self) -> Result<(), Wrong> {
        let manifest = read(&self.book.join("Cargo.toml"))?;
        let folder = self.book.join(FOLDER);
        let entries = fs::read_dir(&folder)
            .map_err(|error| format!("'{}' cannot be read: {error}", folder.display()))?;
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
            .collect();
        names.sort();
        names
            .iter()
            .try_for_each(|name| check(name, &manifest, &read(&self.file(name))?))
    }

    /// The sample and what it prints, as Markdown.
    pub(crate) fn make(&self, name: &str) -> Result<String, Wrong> {
        if !name
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || it == '_')
            || name.is_empty()
        {
            return Err(format!(
                "'{name}' is no name of a sample: write {{{{#sample one_bottom_half}}}}"
            ));
        }
        let text = read(&self.file(name))?;
        let printed = self.run(name)?;
        if printed != self.run(name)? {
            return Err(format!(
                "the sample '{name}' prints something else the second time"
            ));
        }
        let code = page::block(
            "listing",
            "rust",
            text.trim_end(),
            &format!("The sample <code>docs/book/samples/{name}.rs</code>, whole."),
        );
        let console = page::block(
            "run",
            "console",
            &format!(
                "$ cargo run -q -p blockjob-book --example {name}\n{}",
                printed.trim_end()
            ),
            "What it prints.",
        );
        Ok(format!("{code}\n{console}"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.book.join(FOLDER).join(format!("{name}.rs"))
    }

    fn run(&self, name: &str) -> Result<String, Wrong> {
        let program = self.programs.join(name);
        let output = Command::new(&program)
            .output()
            .map_err(|error| format!("'{}' cannot be started: {error}", program.display()))?;
        if !output.status.success() {
            return Err(format!(
                "the sample '{name}' fails: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ));
        }
        if output.stdout.is_empty() {
            return Err(format!("the sample '{name}' prints nothing"));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn check(name: &str, manifest: &str, text: &str) -> Result<(), Wrong> {
    let entry =
        format!("[[example]]\nname = \"{name}\"\npath = \"{FOLDER}/{name}.rs\"\ntest = true\n");
    if !manifest.contains(&entry) {
        return Err(format!(
            "the sample '{name}' is not in docs/book/Cargo.toml; add:\n{entry}"
        ));
    }
    if !text.contains("#[test]") {
        return Err(format!(
            "the sample '{name}' has no #[test], so cargo's tests do not run it: write one that calls main()"
        ));
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Wrong> {
    fs::read_to_string(path)
        .map_err(|error| format!("'{}' cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(programs: &str) -> Samples {
        Samples {
            book: env!("CARGO_MANIFEST_DIR").into(),
            programs: programs.into(),
        }
    }

    #[test]
    fn every_sample_is_built_and_tested_by_cargo() {
        assert_eq!(samples("/nowhere").check_manifest(), Ok(()));
    }

    #[test]
    fn a_sample_that_is_not_listed_or_has_no_test_is_refused() {
        let entry = "[[example]]\nname = \"a\"\npath = \"samples/a.rs\"\ntest = true\n";
        assert_eq!(check("a", entry, "#[test]\nfn a() {}"), Ok(()));
        assert!(
            check("b", entry, "#[test]")
                .unwrap_err()
                .contains("[[example]]")
        );
        assert!(
            check("a", entry, "fn main() {}")
                .unwrap_err()
                .contains("#[test]")
        );
    }

    #[test]
    fn a_sample_that_is_not_there_is_refused() {
        assert!(
            samples("/nowhere")
                .make("no_such")
                .unwrap_err()
                .contains("no_such")
        );
        assert!(
            samples("/nowhere")
                .make("../main")
                .unwrap_err()
                .contains("no name")
        );
    }

    #[test]
    fn a_sample_whose_program_was_not_built_is_refused() {
        let wrong = samples("/nowhere").make("one_bottom_half").unwrap_err();
        assert!(wrong.contains("cannot be started"), "{wrong}");
    }
}
