//! The states of a job, as the engine's own tables have them.

use blockjob_jobs::state::{JobStatus, can_transition};
use blockjob_jobs::verb::{JobVerb, verb_allowed};
use serde::Serialize;

/// The states of a job, which of them follow which, and what can be asked in them.
#[derive(Clone, Debug, Serialize)]
pub struct States {
    /// The states, under QAPI's names.
    pub names: Vec<&'static str>,
    /// From which to which a job may go.
    pub transitions: Vec<(&'static str, &'static str)>,
    /// What can be asked of a job, under QAPI's names.
    pub verbs: Vec<&'static str>,
    /// Which verb is taken in which state.
    pub allowed: Vec<(&'static str, &'static str)>,
}

/// The tables of `jobs/src/state.rs` and `jobs/src/verb.rs`.
pub fn states() -> States {
    let all = JobStatus::ALL;
    let pairs = all
        .iter()
        .flat_map(|from| all.iter().map(move |to| (*from, *to)));
    let legal = pairs.filter(|(from, to)| can_transition(*from, *to));
    let verbs = JobVerb::ALL.iter();
    let asked = verbs.flat_map(|verb| all.iter().map(move |state| (*verb, *state)));
    let taken = asked.filter(|(verb, state)| verb_allowed(*verb, *state));
    States {
        names: all.iter().map(|state| state.as_str()).collect(),
        transitions: legal
            .map(|(from, to)| (from.as_str(), to.as_str()))
            .collect(),
        verbs: JobVerb::ALL.iter().map(|verb| verb.as_str()).collect(),
        allowed: taken
            .map(|(verb, state)| (verb.as_str(), state.as_str()))
            .collect(),
    }
}
