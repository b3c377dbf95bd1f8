//! Rules about the tree as a whole.

use std::fs;
use std::process::Command;

use crate::source::{root, text_files};

/// The folders that the root may hold, beside those that cargo builds into.
const FOLDERS: [&str; 14] = [
    ".cargo",
    ".ci",
    ".git",
    "benches",
    "block",
    "docs",
    "fuzz",
    "jobs",
    "loom-tests",
    "runtime",
    "sim",
    "src",
    "tests",
    "xtask",
];

/// What no file may contain, in lower case: places of one machine, numbers of one tracker, and
/// who or what wrote the text. Each stands here in two halves, so that this file passes.
const BANNED: [&str; 13] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "t-"),
    concat!("/.lib", "rary"),
    concat!("house", ".md"),
    concat!("issue", " #"),
    concat!("clau", "de"),
    concat!("anthro", "pic"),
    concat!("open", "ai"),
    concat!("chat", "gpt"),
    concat!("language", " model"),
    concat!("ai-", "generated"),
    concat!("sub", "agent"),
];

/// Lines with a banned word.
pub(crate) fn banned_words() -> Vec<String> {
    let files = text_files();
    files
        .iter()
        .flat_map(|(path, text)| banned_in(path, text))
        .collect()
}

fn banned_in(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.to_lowercase();
        for word in BANNED.iter().filter(|word| line.contains(**word)) {
            found.push(format!(
                "{path}:{}: '{word}' does not belong here",
                index + 1
            ));
        }
    }
    found
}

/// Folders of the root that nobody agreed on.
pub(crate) fn strange_folders() -> Vec<String> {
    let entries = fs::read_dir(root()).expect("the root can be read");
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !is_agreed(name))
        .map(|name| format!("{name}/: not one of {FOLDERS:?}"))
        .collect()
}

fn is_agreed(folder: &str) -> bool {
    FOLDERS.contains(&folder) || folder.starts_with("target")
}

/// Whether `Cargo.lock` is missing: others would then build with other versions than we tested.
pub(crate) fn missing_lock_file() -> Vec<String> {
    if !root().join("Cargo.lock").is_file() {
        return vec!["Cargo.lock is missing".into()];
    }
    // An unpacked archive of the sources has no history to ask.
    if !root().join(".git").exists() {
        return Vec::new();
    }
    let listed = Command::new("git")
        .args(["ls-files", "--error-unmatch", "Cargo.lock"])
        .current_dir(root())
        .output();
    match listed {
        Ok(output) if !output.status.success() => vec!["Cargo.lock is not committed".into()],
        _ => Vec::new(),
    }
}

#[test]
fn a_banned_word_is_found_in_any_case_and_with_its_line() {
    let text = format!("fine\nsee Issue{}12\n", " #");
    let found = banned_in("docs/a.md", &text);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("docs/a.md:2: "), "{}", found[0]);
}

#[test]
fn a_folder_that_is_not_listed_is_strange() {
    assert!(is_agreed("jobs") && is_agreed("target-loom"));
    assert!(!is_agreed("scripts"));
}
