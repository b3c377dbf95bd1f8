//! The program `blockjob`; `blockjob --help` says what it does.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod bench_many;
mod cli;
mod demo;
mod drive;
mod explain_command;
mod failure;
mod image;
mod lab_command;
mod mirror_command;
mod mirror_socket;
mod monitor_command;
mod nbd_image;
mod outcome_json;
mod progress;
mod qmp_client;
mod receipts_command;
mod record;
mod say;
mod serve;
mod signals;
mod sim_command;
mod size;
mod target;
mod view_command;

fn main() -> ExitCode {
    cli::main()
}
