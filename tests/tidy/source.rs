//! The files of the tree, and which parts of them are tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::functions::{body, line_of};
use crate::mask::mask;
use crate::names::words;

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Rust file.
pub(crate) struct Source {
    /// The path from the root, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text without comments and literals, byte for byte in its place.
    pub(crate) code: String,
    /// The ranges of offsets that are compiled for tests alone.
    test_ranges: Vec<(usize, usize)>,
    /// The modules of other files that are compiled for tests alone.
    test_modules: Vec<String>,
    /// Whether the whole file is a test.
    is_test: bool,
}

impl Source {
    /// Reads a text as the file at that path.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = mask(text);
        let is_test = path.starts_with("loom-tests/")
            || path
                .split('/')
                .any(|part| part == "tests" || part == "benches");
        let mut source = Self {
            path: path.into(),
            text: text.into(),
            code,
            test_ranges: Vec::new(),
            test_modules: Vec::new(),
            is_test,
        };
        source.find_test_items();
        source
    }

    /// A finding at an offset of this file.
    pub(crate) fn finding(&self, offset: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line_of(&self.code, offset))
    }

    /// Whether what stands at the offset is compiled for tests alone.
    pub(crate) fn is_test(&self, offset: usize) -> bool {
        let inside = |&(start, end): &(usize, usize)| (start..=end).contains(&offset);
        self.is_test || self.test_ranges.iter().any(inside)
    }

    fn find_test_items(&mut self) {
        for (at, _) in self.code.match_indices("#[cfg(") {
            let Some(length) = self.code[at..].find(']') else {
                continue;
            };
            if !asks_for_tests(&self.code[at..at + length]) {
                continue;
            }
            let item = at + length + 1;
            let end = match body(&self.code, item) {
                Some((_open, close)) => close,
                None => {
                    let end = self.code[item..].find(';').map_or(item, |end| item + end);
                    self.test_modules.extend(module_name(&self.code[item..end]));
                    end
                }
            };
            self.test_ranges.push((at, end));
        }
        if let Some(at) = self.code.find("#![cfg(") {
            let length = self.code[at..].find(']').unwrap_or(0);
            self.is_test |= asks_for_tests(&self.code[at..at + length]);
        }
    }

    /// The folder in which the modules that this file declares have their files.
    fn module_folder(&self) -> String {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        match name {
            "lib.rs" | "main.rs" | "mod.rs" => format!("{folder}/"),
            _ => format!("{folder}/{}/", name.trim_end_matches(".rs")),
        }
    }
}

/// Whether a `cfg` attribute holds in tests alone.
fn asks_for_tests(attribute: &str) -> bool {
    let mixed = attribute.contains("not(test") || attribute.contains("any(");
    !mixed && !words(attribute, "test").is_empty()
}

/// The name in `mod name`, visibility and attributes left aside.
fn module_name(item: &str) -> Option<String> {
    let at = *words(item, "mod").last()?;
    Some(item[at + 3..].trim().to_owned())
}

/// Every Rust file of the tree.
pub(crate) fn rust_sources() -> Vec<Source> {
    let mut sources: Vec<Source> = text_files()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| Source::new(&path, &text))
        .collect();
    mark_test_modules(&mut sources);
    sources
}

/// Marks the files of modules that another file declares for tests alone.
fn mark_test_modules(sources: &mut [Source]) {
    let stems: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| {
            let folder = source.module_folder();
            let names = source.test_modules.iter();
            names.map(move |name| format!("{folder}{name}"))
        })
        .collect();
    for source in sources {
        let of = |stem: &String| {
            let rest = source.path.strip_prefix(stem.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        source.is_test |= stems.iter().any(of);
    }
}

/// Every text file of the tree with its path from the root. What cargo and git made is left out.
pub(crate) fn text_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the tree can be read") {
            let entry = entry.expect("an entry of the tree can be read");
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_foreign = name.starts_with("target") || name == ".git" || name == "node_modules";
            if is_folder && !is_foreign {
                folders.push(path);
            } else if !is_folder && let Ok(text) = fs::read_to_string(&path) {
                files.push((from_root(path), text));
            }
        }
    }
    files.sort();
    files
}

fn from_root(path: PathBuf) -> String {
    let inside = path.strip_prefix(root()).expect("the walk began there");
    inside.to_string_lossy().into_owned()
}

#[test]
fn code_behind_cfg_test_is_a_test_and_code_after_it_is_not() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n\
                #[cfg(not(test))]\nfn d() {}\n#[cfg(all(test, unix))]\nfn e() {}\n";
    let source = Source::new("src/x.rs", text);
    let of = |name: &str| source.is_test(text.find(name).unwrap());
    assert_eq!(
        ["fn a", "fn b", "fn c", "fn d", "fn e"].map(of),
        [false, true, false, false, true]
    );
}

#[test]
fn a_file_declared_for_tests_alone_is_a_test() {
    let mut sources = [
        Source::new("a/src/lib.rs", "#[cfg(test)]\nmod fakes;\nmod real;"),
        Source::new("a/src/fakes.rs", "fn f() {}"),
        Source::new("a/src/fakes/disk.rs", "fn f() {}"),
        Source::new("a/src/real.rs", "#[cfg(test)]\npub(crate) mod check;"),
        Source::new("a/src/real/check.rs", "fn f() {}"),
        Source::new("a/tests/whole.rs", "fn f() {}"),
    ];
    mark_test_modules(&mut sources);
    assert_eq!(
        sources.map(|source| source.is_test),
        [false, true, true, false, true, true]
    );
}
