//! The steps of a mirror beside their code: what the build script found in the sources.

use serde::Serialize;

/// A step as the build script writes it.
struct StepText {
    step: &'static str,
    doc: &'static str,
    file: &'static str,
    line: u32,
    first_line: u32,
    source: &'static str,
}

const STEPS: &[StepText] = include!(concat!(env!("OUT_DIR"), "/steps.rs"));

/// The file of QEMU in which the functions are that name no other.
const MIRROR: &str = "block/mirror.c";

/// A step of a mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepSource {
    /// `M1` to `M17`.
    pub step: String,
    /// What it does, in a sentence.
    pub what: String,
    /// QEMU's functions and their file.
    pub qemu: String,
    /// Our file, from the root of the tree.
    pub file: String,
    /// The line that makes the step, counted from 1; 0 if the sources were not there at the build.
    pub line: u32,
    /// The lines of the function around it.
    pub source: Vec<String>,
    /// The number of the first of them.
    pub first_line: u32,
}

/// All steps, in order.
pub fn steps() -> Vec<StepSource> {
    STEPS.iter().map(step).collect()
}

fn step(text: &StepText) -> StepSource {
    let (functions, what) = text.doc.split_once(": ").unwrap_or(("", text.doc));
    let lines = text.source.lines().map(str::to_owned);
    StepSource {
        step: text.step.to_owned(),
        what: sentence(what),
        qemu: qemu(functions),
        file: text.file.to_owned(),
        line: text.line,
        source: lines.collect(),
        first_line: text.first_line,
    }
}

/// Plain text, which begins with a capital letter.
fn sentence(text: &str) -> String {
    let text = text.replace(['`', '*'], "");
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// Functions of QEMU with their files: `` `a`, `b` (c.c) `` is `a, block/mirror.c; b, c.c`.
fn qemu(functions: &str) -> String {
    let mut files: Vec<(&str, Vec<&str>)> = Vec::new();
    for function in functions.split(", ") {
        let (name, file) = match function.split_once(" (") {
            Some((name, file)) => (name, file.trim_end_matches(')')),
            None => (function, MIRROR),
        };
        let name = name.trim_matches('`');
        match files.iter_mut().find(|(known, _)| *known == file) {
            Some((_, names)) => names.push(name),
            None => files.push((file, vec![name])),
        }
    }
    let files = files.iter().map(|(file, names)| {
        let names = names.join(" and ");
        format!("{names}, {file}")
    });
    files.collect::<Vec<_>>().join("; ")
}
