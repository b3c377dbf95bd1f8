//! `blockjob sim museum`.

use super::args::MuseumArgs;
use crate::failure::Failure;

/// Says that there is nothing to visit.
#[cfg(not(feature = "museum"))]
pub(super) fn run(_args: &MuseumArgs) -> Result<std::process::ExitCode, Failure> {
    Err(Failure::bad_input(
        "this program has no museum: build it with --features museum, as in \
         cargo run --release --features museum -- sim museum",
    ))
}

#[cfg(feature = "museum")]
pub(super) use here::run;

#[cfg(feature = "museum")]
mod here {
    use std::process::ExitCode;

    use blockjob::runtime::museum::{EXHIBITS, Exhibit, Finder, State};
    use blockjob_sim::museum::{HEAD, Tour, Visit, exhibits, visit};
    use blockjob_sim::shrink::Budget;
    use serde_json::{Value, json};

    use super::super::{FOUND, bad_input, write_json};
    use super::{Failure, MuseumArgs};
    use crate::say;

    /// Visits the rooms, and prints the table.
    pub(in super::super) fn run(args: &MuseumArgs) -> Result<ExitCode, Failure> {
        let wanted: Vec<_> = exhibits()
            .filter(|exhibit| match &args.bug {
                None => true,
                Some(id) => exhibit.id.eq_ignore_ascii_case(id),
            })
            .collect();
        if let (Some(id), true) = (&args.bug, wanted.is_empty()) {
            return Err(no_room(id));
        }
        let tour = Tour {
            seeds: args.seeds,
            shrink: Some(Budget::default()),
        };
        say::out(HEAD);
        let mut good = 0;
        let mut rows = Vec::new();
        for exhibit in &wanted {
            let visit = visit(exhibit, tour).map_err(|error| bad_input(&error))?;
            good += usize::from(visit.is_good());
            say::out(&visit.to_string());
            tell_more(&visit, args);
            rows.push(in_json(&visit));
        }
        if args.bug.is_none() {
            tell_elsewhere();
        }
        let all = wanted.len();
        say::out(&format!(
            "\n{good} of {all} exhibits found, and nothing without them"
        ));
        if let Some(path) = &args.json {
            write_json(path, &json!({ "version": 1, "exhibits": rows }))?;
        }
        Ok(ExitCode::from(if good == all { 0 } else { FOUND }))
    }

    fn tell_more(visit: &Visit, args: &MuseumArgs) {
        if let Some((seed, failure)) = &visit.without {
            say::out(&format!("        without it seed {seed} finds {failure}"));
        }
        if !args.logs && args.bug.is_none() {
            return;
        }
        if let Some(find) = &visit.find {
            say::out(&format!("        {}", find.failure));
            let case = find
                .shrunk
                .as_ref()
                .map_or(&find.case, |shrunk| &shrunk.case);
            say::out(&format!("        {case}"));
        }
    }

    /// The exhibits that have no room here, and why.
    fn tell_elsewhere() {
        say::out("");
        for exhibit in EXHIBITS {
            let why = match (exhibit.state, exhibit.found_by) {
                (State::Here { .. }, Finder::Simulator) => continue,
                (State::Here { .. }, finder) => format!("found by {finder}"),
                (State::ToCome { awaits, note }, _) => format!("to come, with {awaits}: {note}"),
                (State::NotExpressible { why }, _) => format!("cannot be expressed: {why}"),
            };
            say::out(&format!("{:<8}{why}", exhibit.id));
        }
    }

    fn no_room(id: &str) -> Failure {
        let known = |exhibit: &&&Exhibit| exhibit.id.eq_ignore_ascii_case(id);
        match EXHIBITS.iter().find(known) {
            Some(exhibit) => Failure::bad_input(format!(
                "the simulator has no room for {}: `blockjob sim museum` says who finds it",
                exhibit.id
            )),
            None => Failure::bad_input(format!(
                "there is no exhibit '{id}': `blockjob sim museum` lists them"
            )),
        }
    }

    fn in_json(visit: &Visit) -> Value {
        let find = visit.find.as_ref().map(|find| {
            let shrunk = find.shrunk.as_ref();
            json!({
                "rule": find.failure.rule.name(),
                "place": find.failure.place,
                "text": find.failure.text,
                "seeds": find.seeds,
                "decisions": find.decisions,
                "case": find.case.to_string(),
                "shrunk_decisions": shrunk.map(|shrunk| shrunk.after.decisions),
                "shrunk_nonzero": shrunk.map(|shrunk| shrunk.after.nonzero),
                "shrunk_case": shrunk.map(|shrunk| shrunk.case.to_string()),
            })
        });
        json!({
            "id": visit.exhibit.id,
            "breaks": visit.exhibit.breaks,
            "found": find,
            "seeds_without": visit.seeds_without,
            "found_without": visit.without.as_ref().map(|(_, failure)| failure.to_string()),
        })
    }
}
