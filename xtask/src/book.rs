//! `cargo xtask book`: builds the book of the job model, or checks that it could be built.
//!
//! The builder is a package of its own, `blockjob-book`, so that the task runner stays small. It needs the
//! program with the museum, whose runs the book shows, and the samples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use clap::Args;

use crate::Failure;
use crate::page;
use crate::suites::heading;
use crate::tree;

/// The program, in the profile that is quick enough for its runs.
const PROGRAM: [&str; 7] = [
    "build",
    "--profile",
    "simulation",
    "--package",
    "blockjob",
    "--features",
    "museum",
];

/// The builder and the samples, in the profile that the tests are built in anyway.
const BUILDER: [&str; 7] = [
    "build",
    "--package",
    "blockjob-book",
    "--features",
    "museum",
    "--bins",
    "--examples",
];

/// What can be said to the task.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Make and check everything, and write no pages.
    #[arg(long)]
    check: bool,
    /// Make and check only this chapter, as in `--only one-loop`; the others are shown as they stand.
    #[arg(long, value_name = "CHAPTER")]
    only: Option<String>,
    /// Print nothing on standard output but the path of the first page.
    #[arg(long, conflicts_with = "check")]
    open_path: bool,
    /// Build it twice, which has to give the same bytes, and test the pages in Chromium, too.
    #[arg(long, conflicts_with_all = ["check", "only", "open_path"])]
    test: bool,
}

/// Builds the book. False if something in it cannot be made; an error if cargo could not be started.
pub(crate) fn run(options: &Options) -> Result<bool, Failure> {
    for words in [PROGRAM, BUILDER] {
        if !tree::cargo(words).status()?.success() {
            return Ok(false);
        }
    }
    let mut builder = builder(options, &out());
    if !options.open_path {
        let good = builder.status()?.success();
        if good && !options.check {
            println!("{}", out().join("index.html").display());
        }
        return Ok(good && (!options.test || (comes_out_again()? && in_browser()?)));
    }
    let output = builder.stderr(std::process::Stdio::inherit()).output()?;
    if output.status.success() {
        println!("{}", out().join("index.html").display());
    }
    Ok(output.status.success())
}

/// Makes and checks everything, and tests the pages: the step of `cargo xtask ci`.
pub(crate) fn test() -> Result<bool, Failure> {
    run(&Options {
        test: true,
        ..Options::default()
    })
}

/// Builds the book once more, beside it. True if each file comes out as it did: a run that is told in the book
/// is the same whenever it is made, or the reader's own would not be the one in the text.
fn comes_out_again() -> Result<bool, Failure> {
    let again = tree::target_dir().join("book-again");
    if !builder(&Options::default(), &again).status()?.success() {
        return Ok(false);
    }
    let (first, second) = (files(&out())?, files(&again)?);
    for name in first.keys().chain(second.keys()).collect::<BTreeSet<_>>() {
        if first.get(name) != second.get(name) {
            println!(
                "the book is not the same when it is built twice: {}",
                name.display()
            );
            return Ok(false);
        }
    }
    println!("built twice: the same {} files", first.len());
    Ok(!first.is_empty())
}

/// What is in a folder and those in it, under the paths in it.
fn files(folder: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path)?;
            let name = path.strip_prefix(folder).expect("it is in there");
            files.insert(name.to_owned(), bytes);
        }
    }
    Ok(files)
}

/// The tests in Chromium of the book that was built last.
fn in_browser() -> Result<bool, Failure> {
    let tests = tree::root().join("docs/book/browser/book.test.mjs");
    heading("book: node --test docs/book/browser/book.test.mjs");
    let counts = page::of_others(&[tests])?;
    Ok(counts.failed == 0 && (counts.passed > 0 || counts.ignored > 0))
}

fn builder(options: &Options, out: &Path) -> Command {
    let built = tree::target_dir();
    let mut builder = Command::new(built.join("debug/blockjob-book"));
    builder
        .arg("--program")
        .arg(built.join("simulation/blockjob"))
        .arg("--samples")
        .arg(built.join("debug/examples"))
        .arg("--out")
        .arg(out);
    if options.check {
        builder.arg("--check");
    }
    if let Some(chapter) = &options.only {
        builder.args(["--only", chapter]);
    }
    builder
}

/// Where the pages are.
fn out() -> PathBuf {
    tree::target_dir().join("book")
}
