//! `cargo xtask labs`: each lab's solution passes on the hidden seeds, and its wrong one fails with its
//! sentence.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::Failure;
use crate::counts::Counts;
use crate::suites::heading;
use crate::tree;

/// The words that a lab's line of the table has, and no other line of the tests.
const MARK: &str = " | solution: ";

/// Runs the tests of the labs, prints the table, and counts lab by lab: one that has a folder and no line
/// of the table has failed.
pub(crate) fn run() -> Result<Counts, Failure> {
    let words = [
        "test",
        "--package",
        "blockjob-labs",
        "--features",
        "museum",
        "--profile",
        "simulation",
        "--test",
        "labs",
        "--no-fail-fast",
        "--",
        "--nocapture",
    ];
    heading(&format!("labs: cargo {}", words.join(" ")));
    let mut child = tree::cargo(words).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take();
    let output = output.expect("the child's output was asked for as a pipe");
    let mut table = BTreeMap::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        match row(&line) {
            Some((lab, text)) => drop(table.insert(lab, text.to_owned())),
            None => println!("{line}"),
        }
    }
    let success = child.wait()?.success();
    println!();
    for text in table.values() {
        for part in text.split(" | ") {
            println!("{part}");
        }
        println!();
    }
    let mut counts = Counts::default();
    for lab in folders()? {
        match table.contains_key(&lab) {
            true => counts.passed += 1,
            false => {
                println!("lab {lab} has a folder and has not passed");
                counts.failed += 1;
            }
        }
    }
    Ok(counts.with_exit(success))
}

/// The number of a lab and its line of the table, if `line` has one. A test's name may stand before it.
fn row(line: &str) -> Option<(u32, &str)> {
    line.contains(MARK).then_some(())?;
    let text = &line[line.find("lab ")?..];
    let number = text.strip_prefix("lab ")?.split(' ').next()?;
    Some((number.parse().ok()?, text))
}

/// The numbers of the labs that have a folder.
fn folders() -> Result<Vec<u32>, Failure> {
    let mut labs = Vec::new();
    for entry in fs::read_dir(tree::root().join("docs/labs"))? {
        let entry = entry?;
        if entry.path().join("lab.toml").is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let number = name
                .split('-')
                .next()
                .and_then(|number| number.parse().ok());
            labs.push(number.ok_or_else(|| format!("docs/labs/{name}: expected NN-name"))?);
        }
    }
    labs.sort_unstable();
    Ok(labs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_also_after_the_name_of_a_test() {
        let line = "test a ... lab 03 | A title | solution: 200 hidden seeds passed | wrong: no";
        let (lab, text) = row(line).expect("it is a row");
        assert_eq!(lab, 3);
        assert!(text.starts_with("lab 03 | A title"));
    }

    #[test]
    fn what_is_no_row_counts_nothing() {
        assert_eq!(row("test lab_03_is_passed ... ok"), None);
    }

    #[test]
    fn each_folder_with_a_lab_is_found() {
        let labs = folders().expect("the folder can be read");
        assert!(labs.contains(&1) && labs.len() > 3, "{labs:?}");
    }
}
