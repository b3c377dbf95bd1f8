//! Where the steps of a mirror stand in the sources, for those who show a run beside its code.
//!
//! A step is made by a line that says `step(Step::M7)`. The lines around it, from the head of the function
//! to its end, are found by their indentation, which `cargo fmt` keeps.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// A step: what its documentation says, and where it is made.
struct Found {
    step: String,
    doc: String,
    file: String,
    /// The line that makes it, counted from 1.
    line: usize,
    /// The first of `source`.
    first_line: usize,
    source: String,
}

/// The table of all steps as Rust, from the files `sources`, each with its name from the root of the tree.
///
/// # Errors
///
/// If a file cannot be read.
pub(crate) fn table(sources: &[(String, &Path)]) -> io::Result<String> {
    let mut files = Vec::new();
    for (name, path) in sources {
        files.push((name, fs::read_to_string(path)?));
    }
    let docs = files
        .iter()
        .find(|(name, _)| name.ends_with("mirror/steps.rs"));
    let docs = docs.map_or_else(Vec::new, |(_, text)| documented(text));
    let mut table = String::from("&[\n");
    for (step, doc) in docs {
        let mut found = Found {
            step,
            doc,
            file: String::new(),
            line: 0,
            first_line: 0,
            source: String::new(),
        };
        // A step that is made in two places has its short case first.
        for (name, text) in &files {
            locate(&mut found, name, text);
        }
        let Found {
            step,
            doc,
            file,
            line,
            first_line,
            source,
        } = found;
        let _in_memory = writeln!(
            table,
            "    StepText {{ step: {step:?}, doc: {doc:?}, file: {file:?}, line: {line}, \
             first_line: {first_line}, source: {source:?} }},"
        );
    }
    table.push(']');
    Ok(table)
}

/// The steps of the enumeration with their documentation, each in one line.
fn documented(text: &str) -> Vec<(String, String)> {
    let body = text
        .split_once("pub enum Step {")
        .map_or("", |(_, rest)| rest);
    let mut steps = Vec::new();
    let mut doc = String::new();
    for line in body.lines().map(str::trim).take_while(|line| *line != "}") {
        if let Some(more) = line.strip_prefix("///") {
            doc.push_str(if doc.is_empty() { "" } else { " " });
            doc.push_str(more.trim());
        } else if let Some(step) = line.strip_suffix(',') {
            steps.push((step.to_owned(), std::mem::take(&mut doc)));
        }
    }
    steps
}

/// Notes where `text` makes the step last, if it does.
fn locate(found: &mut Found, name: &str, text: &str) {
    let lines: Vec<_> = text.lines().collect();
    let made = format!("step(Step::{})", found.step);
    let Some(at) = lines.iter().rposition(|line| line.contains(&made)) else {
        return;
    };
    let (first, last) = function_around(&lines, at);
    found.file = name.to_owned();
    found.line = at + 1;
    found.first_line = first + 1;
    found.source = lines[first..=last].join("\n");
}

/// The first and the last line of the function around `at`, with its documentation.
fn function_around(lines: &[&str], at: usize) -> (usize, usize) {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_head = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("pub").map_or(line, |rest| {
            rest.split_once(' ').map_or("", |(_, rest)| rest)
        });
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.starts_with("fn ")
    };
    let inside = indent(lines[at]);
    let heads = (0..at).rev().filter(|line| is_head(lines[*line]));
    let mut heads = heads.filter(|line| indent(lines[*line]) < inside);
    let Some(head) = heads.next() else {
        return (at, at);
    };
    let end = format!("{}}}", " ".repeat(indent(lines[head])));
    let last = (at..lines.len()).find(|line| lines[*line] == end);
    let about = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("///") || line.starts_with("#[")
    };
    let before = lines[..head].iter().rev().take_while(|line| about(line));
    (head - before.count(), last.unwrap_or(at))
}
