//! `blockjob view`: a recording as a page.

mod document;
mod read;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use blockjob_sim::view::{Difference, Document, Page};
use clap::Args;

use crate::failure::Failure;
use crate::{say, size};

/// Makes a page of a recording: one file that a browser shows without a network
///
/// FILE is what --record of 'blockjob mirror' and 'blockjob serve' has written, or 'blockjob sim trace
/// --format json'. A recording that was cut off is shown up to there.
///
/// Exit status: 0, the page is there. 1, it could not be written. 2, FILE is no recording, or is damaged.
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub(crate) trace: PathBuf,
    /// Where the page goes [default: FILE with the ending .html]; with the ending .json, the document
    /// that the page is made of
    #[arg(long, value_name = "PAGE")]
    pub(crate) out: Option<PathBuf>,
    /// Show another recording beside it, from the first event on in which the two differ
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
}

/// Reads, writes the page and says where it is.
pub(crate) fn run(args: &ViewArgs) -> Result<ExitCode, Failure> {
    let mut run = read(&args.trace)?;
    let beside = args.against.as_deref().map(read).transpose()?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => args.trace.with_extension("html"),
    };
    if out.extension().is_some_and(|ending| ending == "json") {
        if beside.is_some() {
            return Err(Failure::bad_input(
                "a document is of one recording: two of them side by side are a page, such as --out \
                 run.html",
            ));
        }
        return write(&out, &run.to_json(), &run, "document");
    }
    let page = Page::new(&mut run);
    let page = match beside {
        None => page,
        Some(mut other) => {
            let difference = Difference::of(&run, &other);
            page.against(&mut other, difference)
        }
    };
    write(&out, page.html().as_bytes(), &run, "page")
}

fn read(path: &Path) -> Result<Document, Failure> {
    let told = document::of_file(path)?;
    if let Some(note) = told.note {
        say::err(&format!("blockjob: {note}"));
    }
    Ok(told.document)
}

fn write(path: &Path, bytes: &[u8], run: &Document, what: &str) -> Result<ExitCode, Failure> {
    let wrong = |error| Failure::failed(format!("cannot write '{}': {error}", path.display()));
    fs::write(path, bytes).map_err(wrong)?;
    say::out(&format!(
        "{}: a {what} of {}, with {} events",
        path.display(),
        size::show(bytes.len() as u64),
        run.events(),
    ));
    Ok(ExitCode::SUCCESS)
}
