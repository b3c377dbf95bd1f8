//! One function for each rule about a Rust file: it returns what breaks the rule, or nothing.

use crate::functions::functions;
use crate::names::{macro_calls, paths, paths_from, words};
use crate::source::Source;

/// A file of more lines is an error.
const FILE_END_LINES: usize = 600;
/// A file of more lines is printed.
const FILE_SMELL_LINES: usize = 400;
/// A function of more lines is an error.
const FUNCTION_END_LINES: usize = 70;

/// The files that may hold `unsafe`.
const UNSAFE_FILES: [&str; 1] = ["block/imago-port/src/storage.rs"];
/// The only file below the simulator that names the real threads and locks, or the checkers' own.
const SYNC_FILE: &str = "runtime/src/sync.rs";
/// What runs in all lives: under real threads, in the simulator, under loom and shuttle.
const ALL_LIVES: [&str; 3] = ["runtime/src/", "block/src/", "jobs/src/"];
/// What must not know how the program is reached.
const BELOW_THE_PROGRAM: [&str; 4] = ["runtime/src/", "block/src/", "jobs/src/", "sim/src/"];
/// What must say at its head what it is for.
const WITH_MODULE_DOC: [&str; 5] = ["runtime/", "block/", "jobs/", "sim/", "src/"];
/// The types of sockets, of std and of the crates that follow it.
const SOCKETS: [&str; 6] = [
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
];

fn stands_in(source: &Source, folders: &[&str]) -> bool {
    folders
        .iter()
        .any(|folder| source.path.starts_with(*folder))
}

/// What is found outside tests, as findings.
fn outside_tests(source: &Source, offsets: Vec<usize>, what: &str) -> Vec<String> {
    offsets
        .into_iter()
        .filter(|&at| !source.is_test(at))
        .map(|at| source.finding(at, what))
        .collect()
}

/// A file that is long, as a hint.
pub(crate) fn long_file(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > FILE_SMELL_LINES).then(|| format!("{}: {lines} lines are a smell", source.path))
}

/// A file that is too long.
pub(crate) fn too_long_file(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= FILE_END_LINES {
        return Vec::new();
    }
    vec![format!(
        "{}: {lines} lines, at most {FILE_END_LINES}",
        source.path
    )]
}

/// Functions that are too long.
pub(crate) fn long_functions(source: &Source) -> Vec<String> {
    functions(&source.code)
        .into_iter()
        .filter(|function| function.length_lines > FUNCTION_END_LINES)
        .map(|function| {
            format!(
                "{}:{}: fn {} has {} lines, at most {FUNCTION_END_LINES}",
                source.path, function.line, function.name, function.length_lines
            )
        })
        .collect()
}

/// What was to be finished, or to be taken out again.
pub(crate) fn leftovers(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["todo", "unimplemented", "dbg"] {
        for at in macro_calls(&source.code, name) {
            found.push(source.finding(at, &format!("{name}! is left")));
        }
    }
    if source.text.starts_with("//! To come") {
        found.push(source.finding(0, "the file is a placeholder"));
    }
    found
}

/// `unwrap()` outside tests: the reader does not learn why it cannot fail.
pub(crate) fn unwraps(source: &Source) -> Vec<String> {
    let found = source.code.match_indices(".unwrap()").map(|(at, _)| at);
    outside_tests(
        source,
        found.collect(),
        "unwrap() outside tests: expect() a sentence, or return an error",
    )
}

/// `unsafe` outside the listed files.
pub(crate) fn unsafe_code(source: &Source) -> Vec<String> {
    if UNSAFE_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let found = words(&source.code, "unsafe").into_iter();
    found
        .map(|at| source.finding(at, "unsafe in a file that is not listed for it"))
        .collect()
}

/// Threads and locks that loom and shuttle would not see.
pub(crate) fn foreign_sync(source: &Source) -> Vec<String> {
    if !stands_in(source, &ALL_LIVES) || source.path == SYNC_FILE {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (root, name) in [
        ("std", "sync"),
        ("std", "thread"),
        ("core", "sync"),
        ("alloc", "sync"),
    ] {
        found.extend(paths(&source.code, root, name));
    }
    for root in ["loom", "shuttle"] {
        found.extend(paths_from(&source.code, root));
    }
    found.sort_unstable();
    outside_tests(
        source,
        found,
        "threads, locks and atomics come from blockjob_runtime::sync",
    )
}

/// Sockets below the program.
pub(crate) fn sockets(source: &Source) -> Vec<String> {
    if !stands_in(source, &BELOW_THE_PROGRAM) {
        return Vec::new();
    }
    let mut found = paths(&source.code, "std", "net");
    for name in SOCKETS {
        found.extend(words(&source.code, name));
    }
    outside_tests(source, found, "a socket is named below the program")
}

/// A file whose head does not say what it is for.
pub(crate) fn missing_module_doc(source: &Source) -> Vec<String> {
    let has_doc = source
        .text
        .lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with("//") || line.starts_with("#!["))
        .any(|line| line.starts_with("//!"));
    if has_doc || !stands_in(source, &WITH_MODULE_DOC) {
        return Vec::new();
    }
    vec![source.finding(0, "no //! at the head says what the file is for")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
        rule(&Source::new(path, text)).len()
    }

    #[test]
    fn length_is_counted_to_the_line() {
        let file = |lines: usize| "\n".repeat(lines);
        assert_eq!(count(too_long_file, "src/a.rs", &file(600)), 0);
        assert_eq!(count(too_long_file, "src/a.rs", &file(601)), 1);
        let function = |lines: usize| format!("fn a() {{{}}}", "\n".repeat(lines - 1));
        assert_eq!(count(long_functions, "src/a.rs", &function(70)), 0);
        assert_eq!(count(long_functions, "src/a.rs", &function(71)), 1);
        assert!(long_file(&Source::new("src/a.rs", &file(401))).is_some());
    }

    #[test]
    fn what_is_left_is_found_in_code_alone() {
        let code = "//! x\nfn a() { todo!() }\n// todo!()\nfn b() { dbg!(\"todo!()\") }";
        assert_eq!(count(leftovers, "src/a.rs", code), 2);
        assert_eq!(count(leftovers, "src/a.rs", "//! To come.\n"), 1);
    }

    #[test]
    fn unwrap_is_found_outside_tests_alone() {
        let code = "fn a() { x.unwrap() }\n#[cfg(test)]\nmod tests { fn b() { x.unwrap() } }";
        assert_eq!(count(unwraps, "src/a.rs", code), 1);
        assert_eq!(count(unwraps, "jobs/tests/a.rs", code), 0);
        assert_eq!(
            count(unwraps, "src/a.rs", "x.unwrap_or(1); // y.unwrap()"),
            0
        );
    }

    #[test]
    fn the_word_unsafe_is_found_and_the_lint_is_not() {
        let code = "#![forbid(unsafe_code)]\nfn a() { unsafe { b() } }";
        assert_eq!(count(unsafe_code, "runtime/src/a.rs", code), 1);
    }

    #[test]
    fn the_sync_module_alone_names_std_sync() {
        let code = "use std::sync::Arc;\nuse std::{thread, io};\nuse loom::sync;";
        assert_eq!(count(foreign_sync, "block/src/driver/file.rs", code), 3);
        assert_eq!(count(foreign_sync, SYNC_FILE, code), 0);
        assert_eq!(count(foreign_sync, "block/tests/a.rs", code), 0);
        assert_eq!(count(foreign_sync, "src/main.rs", code), 0);
    }

    #[test]
    fn a_socket_is_found_below_the_program_alone() {
        let code = "use std::net::Ipv4Addr;\nuse std::os::unix::net::UnixStream;";
        assert_eq!(count(sockets, "jobs/src/a.rs", code), 2);
        assert_eq!(count(sockets, "src/monitor.rs", code), 0);
    }

    #[test]
    fn a_doc_of_an_item_is_no_doc_of_the_module() {
        assert_eq!(
            count(
                missing_module_doc,
                "jobs/src/a.rs",
                "/// An item.\nfn a() {}"
            ),
            1
        );
        assert_eq!(
            count(
                missing_module_doc,
                "jobs/src/a.rs",
                "fn a() {\n//! inside\n}"
            ),
            1
        );
        assert_eq!(
            count(missing_module_doc, "jobs/src/a.rs", "//! Jobs.\nfn a() {}"),
            0
        );
    }
}
