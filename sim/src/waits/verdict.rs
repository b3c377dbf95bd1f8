//! What is said of a run that cannot go on.

use blockjob_jobs::state::JobStatus;

use super::WaitGraph;
use crate::cast::Cast;
use crate::failure::{Failure, Rule};
use crate::world::Halt;

/// So many sentences of the picture are the text of a failure.
const SENTENCES: usize = 4;

/// What a run that has come to `halt` has failed at: who waits for whom, and not a timeout.
pub(crate) fn verdict(cast: &Cast, halt: Halt) -> Failure {
    let graph = WaitGraph::of(cast);
    if halt == Halt::Stuck
        && let Some(cycle) = graph.cycle()
    {
        return ring(cast, &graph, &cycle);
    }
    let place = match halt {
        Halt::Stuck => "stuck",
        Halt::Spins => "livelock",
        Halt::Failed => "failed-before",
        Halt::TooLong => place_of_jobs(cast),
    };
    held_up(cast, &graph, Rule::Progress, place)
}

/// Which of its stages the first job does not get out of.
fn place_of_jobs(cast: &Cast) -> &'static str {
    let jobs = cast.all_jobs();
    let early = |status| matches!(status, JobStatus::Running | JobStatus::Paused);
    if !cast.world.is_calm() || jobs.is_empty() {
        "endless"
    } else if jobs.iter().any(|job| early(job.status())) {
        "never-ready"
    } else {
        "never-ends"
    }
}

/// Somebody waits for himself.
pub(crate) fn ring(cast: &Cast, graph: &WaitGraph, cycle: &[super::Wait]) -> Failure {
    let parties = cycle.iter().map(|wait| graph.actors()[wait.from].party());
    failure(
        cast,
        Rule::WaitGraph,
        "cycle",
        parties.collect(),
        graph.sentence(cycle),
    )
}

/// Somebody waits for too long.
pub(crate) fn held_up(cast: &Cast, graph: &WaitGraph, rule: Rule, place: &str) -> Failure {
    let jobs = cast.all_jobs();
    let mut parties = Vec::new();
    for job in &jobs {
        parties.push(job.label().to_string());
        for wait in graph.holder_of(job.label()) {
            let party = graph.actors()[wait.to].party();
            if !parties.contains(&party) {
                parties.push(party);
            }
        }
    }
    let mut sentences = graph.sentences();
    if sentences.is_empty() {
        sentences.push("nobody waits for anybody".to_owned());
    }
    sentences.truncate(SENTENCES);
    failure(cast, rule, place, parties, sentences.join(". "))
}

fn failure(cast: &Cast, rule: Rule, place: &str, parties: Vec<String>, text: String) -> Failure {
    Failure {
        rule,
        place: place.to_owned(),
        parties,
        text,
        at_ns: cast.world.now_ns(),
        decisions: cast.world.decider().decisions(),
    }
}
