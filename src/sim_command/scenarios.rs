//! `blockjob sim scenarios`.

use std::process::ExitCode;

use blockjob_sim::swarm::{Scenario, fields_help};

use super::args::ScenariosArgs;
use super::{bad_input, scenario};
use crate::failure::Failure;
use crate::say;

/// Lists what there is, or prints one.
pub(super) fn run(args: &ScenariosArgs) -> Result<ExitCode, Failure> {
    if args.fields {
        say::out(fields_help().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = &args.name {
        say::out(
            Scenario::text_of(name)
                .map_err(|error| bad_input(&error))?
                .trim_end(),
        );
        return Ok(ExitCode::SUCCESS);
    }
    for name in Scenario::built_in_names() {
        let about = scenario(name)?.about().replace('\n', " ");
        say::out(&format!("{name:<12} {about}"));
    }
    Ok(ExitCode::SUCCESS)
}
