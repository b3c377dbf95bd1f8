//! What the documents say of the tree, held against the tree: links lead somewhere, files that are
//! named exist, and the lists of `docs/DETERMINISM.md` are complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A document, with its path from the root.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: impl Into<PathBuf>) -> Page {
        let path = path.into();
        let text = fs::read_to_string(root().join(&path));
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Page { path, text }
    }
}

/// `README.md` and all of `docs/`.
fn pages() -> Vec<Page> {
    let mut pages = vec![Page::read("README.md")];
    for path in files_below(&root().join("docs"), "md") {
        let path = path.strip_prefix(root()).expect("it was found below");
        pages.push(Page::read(path));
    }
    assert!(pages.len() > 3, "the documents were not found");
    pages
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A text without its blocks of code, whose brackets are no links.
fn prose(text: &str) -> String {
    let fenced = text.split("```").step_by(2);
    fenced.collect::<Vec<_>>().join("\n")
}

/// The targets of the links in a text, but for those that lead out of the tree or stay on the page.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .collect()
}

/// The Rust files that a text names, between backticks or as what a link shows, with a folder.
fn named_files(text: &str) -> BTreeSet<&str> {
    text.split(['`', '[', ']', ' ', '(', ')', ',', '\n'])
        .map(|word| word.trim_end_matches(['.', ':', ';']))
        .filter(|word| word.ends_with(".rs") && word.contains('/') && !word.contains('*'))
        .collect()
}

/// What stands between backticks in the first cells of the table below a heading.
fn first_cells(page: &Page, heading: &str) -> BTreeSet<String> {
    let (_, below) = page
        .text
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("{} has no '{heading}'", page.path.display()));
    let section = below.split("\n## ").next().unwrap_or(below);
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(cell, _)| cell.to_owned())
        .collect()
}

fn determinism() -> Page {
    Page::read("docs/DETERMINISM.md")
}

#[test]
fn every_link_in_the_documents_leads_to_a_file() {
    let mut broken = Vec::new();
    for page in pages() {
        let folder = root().join(page.path.parent().unwrap_or(Path::new("")));
        for target in links(&prose(&page.text)) {
            if !folder.join(target).exists() {
                broken.push(format!("{}: {target}", page.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_rust_file_that_the_documents_name_exists() {
    let mut missing = Vec::new();
    for page in pages() {
        let folder = root().join(page.path.parent().unwrap_or(Path::new("")));
        for name in named_files(&page.text) {
            // A path stands as it is from the root, or, in a link, from the page.
            if !root().join(name).is_file() && !folder.join(name).is_file() {
                missing.push(format!("{}: {name}", page.path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
}

/// The names of the sites in a source.
fn sites(source: &str) -> Vec<String> {
    source
        .split("Site::new(\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn the_sites_of_decisions_are_those_that_are_listed() {
    let mut found = BTreeSet::new();
    for folder in ["runtime/src", "block/src", "jobs/src", "sim/src", "src"] {
        let folder = root().join(folder);
        if folder.is_dir() {
            for path in files_below(&folder, "rs") {
                found.extend(sites(&fs::read_to_string(path).expect("a source is text")));
            }
        }
    }
    assert!(found.contains("aio.next"), "the sites were not found");
    assert_eq!(
        found,
        first_cells(&determinism(), "The sites of decisions"),
        "in the sources, and in docs/DETERMINISM.md"
    );
}

/// The paths that a `clippy.toml` bans.
fn bans(config: &str) -> BTreeSet<String> {
    config
        .split("path = \"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(path, _)| path.to_owned())
        .collect()
}

#[test]
fn what_clippy_bans_is_what_is_listed() {
    let found = bans(&Page::read("clippy.toml").text);
    assert!(
        found.contains("std::time::Instant::now"),
        "the bans were not found"
    );
    assert_eq!(
        found,
        first_cells(&determinism(), "What is banned"),
        "in clippy.toml, and in docs/DETERMINISM.md"
    );
}

#[test]
fn the_tests_that_show_determinism_exist() {
    let page = determinism();
    let named = first_cells(&page, "How to check");
    assert!(!named.is_empty(), "no test was found on the page");
    for test in named {
        let row = page.text.lines().find(|line| line.contains(&test));
        let row = row.expect("the cell is in a row");
        let [file] = links(row)[..] else {
            panic!("'{row}' does not link one file");
        };
        let source = Page::read(Path::new("docs").join(file));
        assert!(
            source.text.contains(&format!("fn {test}(")),
            "{file} has no test {test}"
        );
    }
}

#[test]
fn links_are_read_outside_of_code_and_without_their_anchors() {
    let text = "[a](../a.md) and [b](b.md#part), [c](https://c.d), [e](#here)\n\
                ```\nx[1](no.md)\n```\n[f](f/)";
    assert_eq!(links(&prose(text)), ["../a.md", "b.md", "f/"]);
}

#[test]
fn a_rust_file_is_named_in_prose_code_and_links() {
    let text = "`a/b.rs`, [c/d.rs](../c/d.rs): e/f.rs. But not `g.rs`, nor `h/*.rs`, nor i/j.c.";
    let expected = ["../c/d.rs", "a/b.rs", "c/d.rs", "e/f.rs"];
    assert_eq!(named_files(text), BTreeSet::from(expected));
}

#[test]
fn sites_bans_and_cells_are_read_by_their_forms() {
    assert_eq!(sites("static A: Site = Site::new(\"x.y\");"), ["x.y"]);
    let config = "m = [\n { path = \"a::b\", reason = \"c\" },\n]";
    assert_eq!(bans(config), BTreeSet::from(["a::b".to_owned()]));
    let page = Page {
        path: "p.md".into(),
        text: "\n## One\n| `a` | b |\n## Two\n| `c` | `d` |\n| e |\n\n## Three\n| `f` |\n".into(),
    };
    assert_eq!(first_cells(&page, "Two"), BTreeSet::from(["c".to_owned()]));
}
