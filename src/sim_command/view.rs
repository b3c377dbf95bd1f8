//! `blockjob sim view`: a run as a page, in a file or from a server.

mod api;
pub(crate) mod args;
mod query;
mod runs;
mod serve;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use blockjob_sim::sweep::quiet_panics;
use blockjob_sim::view::{Difference, Document, Page};

use crate::failure::Failure;
use crate::{say, size};
use args::ViewArgs;
use runs::Shown;

/// Writes the page, or serves it.
pub(super) fn run(args: &ViewArgs) -> Result<ExitCode, Failure> {
    let _quiet = quiet_panics();
    let shown = asked_for(args)?;
    let beside = beside(args, &shown)?;
    let mut document = shown.document();
    if args.out.extension().is_some_and(|it| it == "json") && !args.serve {
        if beside.is_some() {
            return Err(Failure::bad_input(
                "a document is of one run: two of them side by side are a page, such as --out run.html",
            ));
        }
        return write(&args.out, &document.to_json(), &document, "document");
    }
    let page = page(&mut document, beside);
    if args.serve {
        return serve::serve(args.port, &page.served().html());
    }
    let html = page.html();
    write(&args.out, html.as_bytes(), &document, "page")
}

/// The run that `args` ask for.
fn asked_for(args: &ViewArgs) -> Result<Shown, Failure> {
    match (&args.log, &args.bug, args.seed) {
        (Some(log), bug, _) => runs::of_text(log, bug.as_deref()),
        (None, Some(bug), None) => {
            runs::of_bug(bug, args.scenario.as_deref(), args.policy.as_deref())
        }
        (None, bug, seed) => runs::of_seed(&runs::Seed {
            scenario: args.scenario.as_deref().unwrap_or(runs::SCENARIO),
            seed: seed.unwrap_or(0),
            policy: args.policy.as_deref().unwrap_or(runs::POLICY),
            bug: bug.as_deref(),
        }),
    }
}

/// The run that is to be shown beside `shown`, if one is.
fn beside(args: &ViewArgs, shown: &Shown) -> Result<Option<Shown>, Failure> {
    if args.against_shrunk {
        return shown.shrunk().map(Some);
    }
    if args.against_clean {
        return shown.clean().map(Some);
    }
    let Some(text) = &args.against else {
        return Ok(None);
    };
    match text.parse() {
        Ok(seed) => shown.of_other_seed(seed).map(Some),
        Err(_) => runs::of_text(text, None).map(Some),
    }
}

fn page(document: &mut Document, beside: Option<Shown>) -> Page {
    let page = Page::new(document);
    match beside {
        None => page,
        Some(beside) => {
            let mut other = beside.document();
            let difference = Difference::of(document, &other);
            page.against(&mut other, difference)
        }
    }
}

fn write(path: &Path, bytes: &[u8], run: &Document, what: &str) -> Result<ExitCode, Failure> {
    let wrong = |error| Failure::failed(format!("cannot write '{}': {error}", path.display()));
    fs::write(path, bytes).map_err(wrong)?;
    say::out(&run.title);
    say::out(&format!(
        "{}: a {what} of {}, with {} events and {} decisions",
        path.display(),
        size::show(bytes.len() as u64),
        run.events(),
        run.decisions(),
    ));
    Ok(ExitCode::SUCCESS)
}
