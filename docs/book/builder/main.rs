//! Builds the book of the job model.
//!
//! The chapters are Markdown. What they show is taken from the repository, or made by running it:
//! `directive` finds the lines that ask for it, `listing`, `console`, `figure` and `sample` make it, `links`
//! follows every link, and mdBook renders the pages. `cargo xtask book` builds what this needs and starts it.
#![forbid(unsafe_code)]

mod book;
mod console;
mod convergence;
mod directive;
mod failure;
mod figure;
mod item;
mod links;
mod listing;
mod outside;
mod page;
mod sample;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use book::{FOLDER, Makers};
use console::Console;
use failure::Failure;
use figure::Figures;
use sample::Samples;

/// Builds the book; `cargo xtask book` calls it
#[derive(Debug, Parser)]
struct Options {
    /// The program whose runs the book shows
    #[arg(long, value_name = "FILE")]
    program: PathBuf,
    /// The folder with the programs of the samples
    #[arg(long, value_name = "DIR")]
    samples: PathBuf,
    /// Where the pages go; the folder is emptied before
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Make and check only the chapter of this name; the others are rendered as they stand
    #[arg(long, value_name = "CHAPTER")]
    only: Option<String>,
    /// Make and check everything, and write no pages
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(counts) => {
            println!("{counts}");
            let missing = counts.missing();
            if missing.is_empty() || options.only.is_some() {
                return ExitCode::SUCCESS;
            }
            eprintln!("the book has no {}", missing.join(", no "));
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<book::Counts, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root
        .canonicalize()
        .map_err(|error| Failure::Book(format!("the repository is gone: {error}")))?;
    let makers = Makers {
        console: Console {
            program: options.program.clone(),
            root: root.clone(),
        },
        samples: Samples {
            book: root.join(FOLDER),
            programs: options.samples.clone(),
        },
        figures: Figures::new(&root),
        only: options.only.clone(),
        root,
    };
    makers.samples.check_manifest().map_err(Failure::Book)?;
    let made = makers.make(Path::new(FOLDER))?;
    let counts = made.counts;
    if !options.check {
        made.render(&options.out)?;
    }
    Ok(counts)
}
