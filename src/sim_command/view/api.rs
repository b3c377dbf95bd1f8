//! What the page can ask its server for: other runs, and what would have come of one.

use blockjob_sim::case::{Case, WhatIf};
use blockjob_sim::config::{Config, Field};
use blockjob_sim::export;
use blockjob_sim::swarm::Scenario;
use blockjob_sim::view::{Difference, Document};
use serde::Deserialize;
use serde_json::json;

use super::query::Query;
use super::runs::{self, Seed, Shown, Then};
use crate::failure::Failure;
use crate::sim_command::{bad_input, scenario};

/// A run on a server may take so many steps: some seconds.
const MAX_STEPS: u64 = 2_000_000;
/// The disks of a run on a server may have so many bytes together.
const MAX_BYTES: u64 = 1 << 28;

/// An answer that is no error.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

impl Reply {
    fn json(body: Vec<u8>) -> Reply {
        Reply {
            content_type: "application/json",
            body,
        }
    }

    pub(super) fn html(body: &str) -> Reply {
        Reply {
            content_type: "text/html; charset=utf-8",
            body: body.as_bytes().to_vec(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The status of HTTP.
    pub(super) status: u16,
    /// One sentence.
    pub(super) text: String,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        let status = 400;
        let text = failure.line().to_owned();
        Refusal { status, text }
    }
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// `GET` or `POST`.
    pub(super) method: &'a str,
    /// The path with what stands behind the `?`.
    pub(super) address: &'a str,
    /// What came with it.
    pub(super) body: &'a [u8],
}

/// Answers.
pub(super) fn answer(asked: &Asked<'_>) -> Result<Reply, Refusal> {
    let (path, query) = asked.address.split_once('?').unwrap_or((asked.address, ""));
    let query = Query::parse(query)?;
    let reply = match (asked.method, path) {
        ("GET", "/api/run") => run(&query),
        ("POST", "/api/what-if") => what_if(asked.body),
        ("GET", "/api/options") => Ok(options()),
        ("GET", "/api/compare") => compare(&query),
        ("GET", "/api/shrink") => shrink(&query),
        ("GET", "/api/trace") => trace(&query),
        (_, "/api/run" | "/api/options" | "/api/compare" | "/api/shrink" | "/api/trace") => {
            return Err(wrong_method(asked, "GET"));
        }
        (_, "/api/what-if") => return Err(wrong_method(asked, "POST")),
        _ => {
            return Err(Refusal {
                status: 404,
                text: format!(
                    "there is nothing at '{path}': expected /, /api/run, /api/what-if, /api/options, \
                     /api/compare, /api/shrink or /api/trace"
                ),
            });
        }
    };
    Ok(reply?)
}

fn wrong_method(asked: &Asked<'_>, right: &str) -> Refusal {
    Refusal {
        status: 405,
        text: format!("'{}' is no method here: expected {right}", asked.method),
    }
}

fn document(mut document: Document) -> Reply {
    Reply::json(document.to_json())
}

/// `GET /api/run?log=` or `?scenario=&seed=&policy=&bug=`.
fn run(query: &Query) -> Result<Reply, Failure> {
    if query.get("log").is_some() {
        query.only(&["log"])?;
        return Ok(document(shown(query.need("log")?)?.document()));
    }
    query.only(&["log", "scenario", "seed", "policy", "bug"])?;
    let seed = query.get("seed").unwrap_or("0");
    let seed = seed.parse().map_err(|_| {
        Failure::bad_input(format!("'{seed}' is no seed: expected a number from 0"))
    })?;
    let asked = Seed {
        scenario: known_scenario(query.get("scenario").unwrap_or(runs::SCENARIO))?,
        seed,
        policy: query.get("policy").unwrap_or(runs::POLICY),
        bug: query.get("bug"),
    };
    let config = scenario(asked.scenario)?.draw(seed);
    bounded(&config.map_err(|error| bad_input(&error))?)?;
    Ok(document(runs::of_seed(&asked)?.document()))
}

/// Files are for the command line.
fn known_scenario(name: &str) -> Result<&str, Failure> {
    let mut known = Scenario::built_in_names();
    if known.any(|known| known == name) {
        return Ok(name);
    }
    let known: Vec<_> = Scenario::built_in_names().collect();
    Err(Failure::bad_input(format!(
        "'{name}' is no scenario: expected {}",
        known.join(", ")
    )))
}

/// The case of a log, if a server may run it.
fn case(log: &str) -> Result<Case, Failure> {
    let case: Case = log.parse().map_err(|error| bad_input(&error))?;
    bounded(case.config())?;
    Ok(case)
}

fn shown(log: &str) -> Result<Shown, Failure> {
    runs::of_case(&case(log)?)
}

/// Refuses what would take long, or much memory.
fn bounded(config: &Config) -> Result<(), Failure> {
    let steps = config.get(Field::Steps);
    if steps > MAX_STEPS {
        return Err(Failure::bad_input(format!(
            "steps={steps}: a run on a server may take {MAX_STEPS} steps"
        )));
    }
    let bytes = config.len_bytes().saturating_mul(config.get(Field::Jobs));
    if bytes > MAX_BYTES {
        return Err(Failure::bad_input(format!(
            "the disks have {bytes} bytes together: those of a run on a server may have {MAX_BYTES}"
        )));
    }
    Ok(())
}

/// `POST /api/what-if`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhatIfAsked {
    log: String,
    decision: u64,
    chosen: u32,
    #[serde(default = "dull")]
    then: String,
}

fn dull() -> String {
    "dull".to_owned()
}

fn what_if(body: &[u8]) -> Result<Reply, Failure> {
    let asked: WhatIfAsked = serde_json::from_slice(body).map_err(|error| {
        Failure::bad_input(format!(
            "the body is not as it should be ({error}): expected \
             {{\"log\":\"bj1:...\",\"decision\":N,\"chosen\":N,\"then\":\"dull\"}}"
        ))
    })?;
    let then: Then = asked.then.parse().map_err(Failure::bad_input)?;
    let other = WhatIf {
        decision: asked.decision,
        chosen: asked.chosen,
    };
    let shown = runs::what_if(&case(&asked.log)?, other, then)?;
    Ok(document(shown.document()))
}

/// `GET /api/options`. The policies are those that have a run for each seed: `exhaustive` has every schedule
/// of one configuration, and no seed names one of them.
fn options() -> Reply {
    let scenarios: Vec<_> = Scenario::built_in_names().collect();
    let options = json!({
        "scenarios": scenarios,
        "bugs": bugs(),
        "policies": ["random", "pct:2", "pct:3", "pct:5"],
    });
    Reply::json(options.to_string().into_bytes())
}

#[cfg(feature = "museum")]
fn bugs() -> Vec<&'static str> {
    let exhibits = blockjob_sim::museum::exhibits();
    exhibits.map(|exhibit| exhibit.id).collect()
}

#[cfg(not(feature = "museum"))]
fn bugs() -> Vec<&'static str> {
    Vec::new()
}

/// `GET /api/compare?a=LOG&b=LOG`.
fn compare(query: &Query) -> Result<Reply, Failure> {
    query.only(&["a", "b"])?;
    let mut a = shown(query.need("a")?)?.document();
    let mut b = shown(query.need("b")?)?.document();
    let difference = Difference::of(&a, &b);
    let mut body = b"{\"a\":".to_vec();
    body.extend(a.to_json());
    body.extend(b",\"b\":");
    body.extend(b.to_json());
    let rest = difference.to_json();
    body.push(b',');
    body.extend(rest.trim_start_matches('{').bytes());
    Ok(Reply::json(body))
}

/// `GET /api/shrink?log=`.
fn shrink(query: &Query) -> Result<Reply, Failure> {
    query.only(&["log"])?;
    let shrunk = shown(query.need("log")?)?.shrunk()?;
    Ok(document(shrunk.document()))
}

/// `GET /api/trace?log=&format=`.
fn trace(query: &Query) -> Result<Reply, Failure> {
    query.only(&["log", "format"])?;
    let format = query.get("format").unwrap_or("text");
    let (export, content_type): (fn(&_) -> String, _) = match format {
        "text" => (export::text::export, "text/plain; charset=utf-8"),
        "json" => (export::json::export, "application/x-ndjson"),
        "perfetto" => (export::chrome::export, "application/json"),
        "shiviz" => (export::shiviz::export, "text/plain; charset=utf-8"),
        _ => {
            return Err(Failure::bad_input(format!(
                "'{format}' is no format: expected text, json, perfetto or shiviz"
            )));
        }
    };
    let shown = shown(query.need("log")?)?;
    Ok(Reply {
        content_type,
        body: export(&shown.record).into_bytes(),
    })
}
