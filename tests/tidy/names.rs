//! Words and paths in masked code.

use crate::functions::closing_brace;
use crate::mask::is_word;

/// The offsets at which the word stands, not as part of a longer one.
pub(crate) fn words(code: &str, word: &str) -> Vec<usize> {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| !code[..at].bytes().next_back().is_some_and(is_word))
        .filter(|&at| !code[at + word.len()..].bytes().next().is_some_and(is_word))
        .collect()
}

/// The offsets at which a macro is called.
pub(crate) fn macro_calls(code: &str, name: &str) -> Vec<usize> {
    let mut found = words(code, name);
    found.retain(|at| code[at + name.len()..].starts_with('!'));
    found
}

/// The offsets at which `root::name` is named, written out or in a group `root::{.., name, ..}`.
pub(crate) fn paths(code: &str, root: &str, name: &str) -> Vec<usize> {
    let mut found = words(code, &format!("{root}::{name}"));
    for at in words(code, root) {
        let open = at + root.len() + 2;
        if code[at + root.len()..].starts_with("::{") {
            let close = closing_brace(code, open);
            if group_members(&code[open + 1..close]).contains(&name) {
                found.push(at);
            }
        }
    }
    found
}

/// The offsets at which a path begins with this crate.
pub(crate) fn paths_from(code: &str, root: &str) -> Vec<usize> {
    let mut found = words(code, root);
    found.retain(|at| code[at + root.len()..].starts_with("::"));
    found
}

/// The first segment of each member of a group, those of groups within it left out.
fn group_members(group: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let (mut depth, mut start) = (0, 0);
    let ends = group.char_indices().chain([(group.len(), ',')]);
    for (at, letter) in ends {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let member = group[start..at].trim();
                let length = member.bytes().position(|byte| !is_word(byte));
                members.push(&member[..length.unwrap_or(member.len())]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members
}

#[test]
fn a_word_inside_another_is_not_found() {
    assert_eq!(words("unsafe_code unsafe a_unsafe", "unsafe"), [12]);
    assert_eq!(macro_calls("todo!(); todo(); my_todo!()", "todo"), [0]);
}

#[test]
fn a_path_is_found_written_out_and_in_a_group() {
    assert_eq!(paths("std::sync::Arc", "std", "sync").len(), 1);
    assert_eq!(
        paths("use std::{\n io, sync::{Arc},\n};", "std", "sync").len(),
        1
    );
    assert_eq!(paths("use std::{fmt, sync};", "std", "sync").len(), 1);
    for other in [
        "std::synchro",
        "my_std::sync",
        "use std::{io::{sync}};",
        "runtime::sync",
    ] {
        assert!(paths(other, "std", "sync").is_empty(), "{other}");
    }
}

#[test]
fn a_cfg_is_no_path_from_the_crate() {
    assert!(paths_from("#[cfg(blockjob_loom)] mod loom;", "loom").is_empty());
    assert_eq!(paths_from("use loom::sync;", "loom"), [4]);
}
