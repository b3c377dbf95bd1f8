//! The house rules that can be measured, each a test: the length of files and functions, what may be
//! named where, what must not be left behind.
//!
//! The measuring is in `tests/tidy/`: `mask` blanks comments and literals, `source` reads the tree,
//! `functions` finds bodies, `names` finds paths, and `rules` has one function for each rule. A finding
//! is `file:line: what`, so an editor can jump to it.

#[path = "tidy/functions.rs"]
mod functions;
#[path = "tidy/layout.rs"]
mod layout;
#[path = "tidy/mask.rs"]
mod mask;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::io::{self, Write};

use source::Source;

/// Applies a rule to every Rust file and fails with all that it found.
fn no_file_breaks(rule: fn(&Source) -> Vec<String>) {
    let sources = source::rust_sources();
    assert!(
        sources.len() > 10,
        "only {} files were read: the tree was not found",
        sources.len()
    );
    fail_with(sources.iter().flat_map(rule).collect());
}

fn fail_with(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn no_file_is_longer_than_600_lines() {
    for smell in source::rust_sources().iter().filter_map(rules::long_file) {
        // Written past the test harness, which shows what a test prints only when it fails.
        writeln!(io::stderr(), "{smell}").expect("standard error is open");
    }
    no_file_breaks(rules::too_long_file);
}

#[test]
fn no_function_is_longer_than_70_lines() {
    no_file_breaks(rules::long_functions);
}

#[test]
fn nothing_is_left_to_do() {
    no_file_breaks(rules::leftovers);
}

#[test]
fn unwrap_stands_in_tests_alone() {
    no_file_breaks(rules::unwraps);
}

#[test]
fn unsafe_stands_in_the_listed_files_alone() {
    no_file_breaks(rules::unsafe_code);
}

#[test]
fn threads_and_locks_come_from_the_sync_module() {
    no_file_breaks(rules::foreign_sync);
}

#[test]
fn nothing_below_the_program_names_a_socket() {
    no_file_breaks(rules::sockets);
}

#[test]
fn every_module_says_what_it_is_for() {
    no_file_breaks(rules::missing_module_doc);
}

#[test]
fn no_file_names_what_does_not_belong_to_the_project() {
    fail_with(layout::banned_words());
}

#[test]
fn the_root_holds_the_listed_folders_alone() {
    fail_with(layout::strange_folders());
}

#[test]
fn the_lock_file_is_committed() {
    fail_with(layout::missing_lock_file());
}
