//! The tasks of the workspace, run as `cargo xtask <task>`.
//!
//! `test` passes every test there is and prints the counts, `loom` checks the models of what crosses
//! threads, `ci` is what a submission must pass, `bench-peer` measures the program beside the tools that people use for the same work,
//! `qemu-map` writes the page that leads from QEMU's functions to ours, `qmp-docs` the page of the
//! protocol, `book` builds the book, `page` tests the page that shows a run, and `labs` the labs.

#![forbid(unsafe_code)]

mod book;
mod ci;
mod clock;
mod counts;
mod drill;
mod labs;
mod loom;
mod orderings;
mod page;
mod peer;
mod qemu_map;
mod size;
mod suites;
mod tree;
mod tsan;

use std::process::ExitCode;

use clap::Parser;

/// Whatever went wrong, as a sentence for the person who ran the task.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of the blockjob workspace")]
enum Task {
    /// Pass every test of the workspace and print how many there were.
    Test {
        /// Leave out the type checks under loom and shuttle.
        #[arg(long)]
        quick: bool,
    },
    /// Check every model of what crosses threads, and find the historical bugs that loom must find.
    Loom {
        /// Two more preemptions in each model, and an hour in all.
        #[arg(long)]
        deep: bool,
        /// How long `--deep` may take.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
        /// Leave out the models of whole jobs, which take long to build.
        #[arg(long)]
        runtime: bool,
    },
    /// Weaken each ordering of the runtime, one at a time, and see which model notices.
    Orderings {
        /// Only in files whose names contain this.
        #[arg(default_value = "")]
        only: String,
    },
    /// Run the drill under shuttle, and find the historical bugs that shuttle must find.
    Shuttle(drill::ShuttleOptions),
    /// Run the drill on real threads, for as long as is said.
    Soak(drill::SoakOptions),
    /// What a submission must pass: formatting, lints, documentation, tests.
    Ci,
    /// Measure `blockjob mirror` beside dd, cp, qemu-img and qemu-storage-daemon.
    BenchPeer(peer::Options),
    /// Write docs/qemu-map.md, from QEMU's functions to ours, out of the documentation comments.
    QemuMap {
        /// Write nothing, and fail if the page is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Run the tests with real threads under ThreadSanitizer. Needs a nightly compiler.
    Tsan,
    /// Write docs/qmp.md, the protocol, out of its declarations.
    QmpDocs,
    /// Build the book of the job model from docs/book, with what it shows of the program's runs.
    Book(book::Options),
    /// Test the page that shows a run: its modules under node, the whole of it in Chromium.
    Page,
    /// Hold the solutions of the labs, and what is done wrong in them, against hidden seeds.
    Labs,
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Test { quick } => suites::run(quick).map(|report| {
            println!("{}", report.closing_line());
            report.is_good()
        }),
        Task::Loom {
            deep,
            minutes,
            runtime,
        } => {
            let scope = if runtime {
                loom::Scope::Runtime
            } else {
                loom::Scope::All
            };
            let depth = if deep {
                loom::Depth::deep(minutes)
            } else {
                loom::Depth::Shipped
            };
            loom::run(scope, depth).map(|counts| {
                println!("{} passed, {} failed", counts.passed, counts.failed);
                counts.failed == 0 && counts.passed > 0
            })
        }
        Task::Orderings { only } => orderings::run(&only),
        Task::Shuttle(options) => drill::shuttle(&options),
        Task::Soak(options) => drill::soak(&options),
        Task::Ci => ci::run(),
        Task::BenchPeer(options) => peer::run(&options).map(|()| true),
        Task::QemuMap { check } => qemu_map::run(check),
        Task::Tsan => tsan::run(),
        Task::QmpDocs => qmp_docs(),
        Task::Book(options) => book::run(&options),
        Task::Page => page::task(),
        Task::Labs => labs::run().map(|counts| {
            println!("{} passed, {} failed", counts.passed, counts.failed);
            counts.failed == 0 && counts.passed > 0
        }),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The test that holds docs/qmp.md against the declarations writes it when it is told to. The task
/// runner itself does not know the program.
fn qmp_docs() -> Result<bool, Failure> {
    let mut test = tree::cargo([
        "test",
        "--quiet",
        "--package",
        "blockjob",
        "--test",
        "qmp_docs",
    ]);
    let status = test.env("BLOCKJOB_WRITE_DOCS", "1").status()?;
    Ok(status.success())
}
