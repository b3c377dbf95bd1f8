//! `loom-models list` names the models; `loom-models run GROUP MODEL` checks one of them.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(blockjob_loom)]
fn main() -> ExitCode {
    blockjob_loom_tests::check::main()
}

#[cfg(not(blockjob_loom))]
fn main() -> ExitCode {
    eprintln!("The models need loom's types in place of std's: run `cargo xtask loom`.");
    ExitCode::FAILURE
}
