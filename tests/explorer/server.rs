//! The server of the page.

use serde_json::{Value, json};

use super::client::{Server, encoded, status};

const TINY: &str = "/api/run?scenario=tiny&seed=5";

#[test]
fn the_page_is_there_and_knows_that_it_is_served() {
    let server = Server::start(&["tiny@5"]);
    let (status, page) = server.ask("GET", "/", "");
    assert_eq!(status, 200);
    assert!(page.contains("<meta name=\"blockjob-served\" content=\"1\">"));
    assert!(page.contains("<script id=\"run\""));
}

#[test]
fn runs_are_made_by_seed_and_by_log_and_compared() {
    let server = Server::start(&["tiny@5"]);
    let of_seed = server.get(TINY);
    assert_eq!(of_seed["scenario"], "tiny");
    let log = of_seed["log"].as_str().expect("it has a log");
    let of_log = server.get(&format!("/api/run?log={}", encoded(log)));
    assert_eq!(of_log["events"], of_seed["events"]);
    let other = server.get("/api/run?scenario=tiny&seed=6");
    let both = format!(
        "/api/compare?a={}&b={}",
        encoded(log),
        encoded(other["log"].as_str().expect("it has a log"))
    );
    let both = server.get(&both);
    assert_eq!(both["a"]["digest"], of_seed["digest"]);
    assert_eq!(both["b"]["digest"], other["digest"]);
    assert!(
        both["first_difference"]["event_a"].is_number(),
        "{}",
        both["first_difference"]
    );
    let options = server.get("/api/options");
    let scenarios = options["scenarios"].as_array().expect("a list");
    assert!(scenarios.contains(&json!("tiny")));
    let policies = options["policies"].as_array().expect("a list");
    assert!(!policies.is_empty());
    for policy in policies {
        let policy = policy.as_str().expect("a text");
        let run = server.get(&format!("{TINY}&policy={}", encoded(policy)));
        assert_eq!(run["policy"], policy, "what is offered can be asked for");
    }
    let trace = |format| format!("/api/trace?log={}&format={format}", encoded(log));
    let (status, text) = server.ask("GET", &trace("text"), "");
    assert_eq!(status, 200);
    assert!(text.starts_with("#    seq"), "{text}");
    assert!(server.get(&trace("perfetto"))["traceEvents"].is_array());
}

#[test]
fn another_decision_makes_another_run_with_a_log_of_its_own() {
    let server = Server::start(&["tiny@5"]);
    let run = server.get(TINY);
    let n = run["decisions"]["n"][1].as_u64().expect("a number");
    let chosen = run["decisions"]["chosen"][1].as_u64().expect("a number");
    let ask = json!({
        "log": run["log"], "decision": 1, "chosen": (chosen + 1) % n, "then": "random:7",
    });
    let (status, body) = server.ask("POST", "/api/what-if", &ask.to_string());
    assert_eq!(status, 200, "{body}");
    let other: Value = serde_json::from_str(&body).expect("a document");
    assert_eq!(other["decisions"]["chosen"][1], (chosen + 1) % n);
    assert_eq!(
        other["decisions"]["chosen"][0],
        run["decisions"]["chosen"][0]
    );
    assert_ne!(other["log"], run["log"]);
    let log = other["log"].as_str().expect("it has a log");
    let again = server.get(&format!("/api/run?log={}", encoded(log)));
    assert_eq!(again["events"], other["events"]);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let server = Server::start(&["tiny@5"]);
    let run = server.get(TINY);
    let get = |path: &str| server.refusal("GET", path, "", 400);
    assert_eq!(
        get("/api/run?sed=5"),
        "'sed' is not known here: expected log, scenario, seed, policy, bug"
    );
    assert_eq!(
        get("/api/run?seed=x"),
        "'x' is no seed: expected a number from 0"
    );
    assert!(get("/api/run?scenario=nope").starts_with("'nope' is no scenario: expected "));
    assert!(get("/api/run?scenario=%2Fetc%2Fpasswd").contains("is no scenario"));
    assert!(get("/api/run?policy=lucky").starts_with("'lucky' is no policy"));
    assert_eq!(
        get("/api/run?policy=exhaustive"),
        "'exhaustive' has no seeds, so there is no run of seed 0: expected random or pct:D"
    );
    let bug = get("/api/run?bug=NOPE-1");
    assert!(bug.contains("'NOPE-1'") && bug.contains("bug"), "{bug}");
    assert!(get("/api/run?log=bj1%3Anonsense").contains("log"));
    assert!(get("/api/run?log=%zz").contains("hexadecimal"));
    assert_eq!(get("/api/compare?a=x"), get("/api/run?log=x"));
    assert_eq!(get("/api/shrink"), "'log' is missing: add log=...");
    let log = encoded(run["log"].as_str().expect("it has a log"));
    assert!(get(&format!("/api/shrink?log={log}")).contains("only one that fails"));
    assert!(get(&format!("/api/trace?log={log}&format=pdf")).starts_with("'pdf' is no format"));
    let what_if = |ask: Value| server.refusal("POST", "/api/what-if", &ask.to_string(), 400);
    let made = run["decisions"]["n"].as_array().expect("a list").len();
    assert_eq!(
        what_if(json!({ "log": run["log"], "decision": made, "chosen": 0 })),
        format!("there is no decision {made}: the run makes {made}, and the first one is 0")
    );
    let ask = json!({ "log": run["log"], "decision": 0, "chosen": 4_000_000 });
    assert!(what_if(ask).starts_with("decision 0 has no option 4000000: it has "));
    let ask = json!({ "log": run["log"], "decision": 0, "chosen": 0, "then": "luck" });
    assert!(what_if(ask).contains("expected dull, or random:SEED"));
    assert!(what_if(json!({ "log": 3 })).starts_with("the body is not as it should be"));
    assert!(
        server
            .refusal("POST", "/api/what-if", "{", 400)
            .contains("expected")
    );
    assert_eq!(
        server.refusal("GET", "/api/what-if", "", 405),
        "'GET' is no method here: expected POST"
    );
    assert!(
        server
            .refusal("POST", "/api/run", "", 405)
            .ends_with("expected GET")
    );
    assert!(
        server
            .refusal("GET", "/elsewhere", "", 404)
            .starts_with("there is nothing at '/elsewhere'")
    );
    // And it is still there.
    assert_eq!(server.get(TINY)["digest"], run["digest"]);
}

#[test]
fn a_run_that_would_take_too_much_is_refused() {
    let server = Server::start(&["tiny@5"]);
    for (told, sentence) in [
        ("steps=4000000000", "steps"),
        ("granules=65536,granularity=8192", "bytes"),
    ] {
        let config = blockjob_sim::config::Config::parse(told).expect("it is well formed");
        let case = blockjob_sim::case::Case::new(&config, &blockjob_sim::decide::Log::new());
        let path = format!("/api/run?log={}", encoded(&case.to_string()));
        assert!(
            server.refusal("GET", &path, "", 400).contains(sentence),
            "{told}"
        );
    }
}

#[test]
fn pages_from_elsewhere_are_refused() {
    let server = Server::start(&["tiny@5"]);
    let Server { address, .. } = &server;
    let ask = |headers: &str| {
        let answer = server.raw(&format!(
            "GET /api/options HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
        ));
        status(&answer)
    };
    assert_eq!(ask(&format!("Host: {address}\r\n")), 200);
    assert_eq!(ask("Host: localhost\r\n"), 200);
    assert_eq!(
        ask(&format!("Host: {address}\r\nOrigin: http://{address}\r\n")),
        200
    );
    for foreign in [
        "Host: evil.example\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "",
        &format!("Host: {address}\r\nOrigin: http://evil.example\r\n"),
        &format!("Host: {address}\r\nOrigin: null\r\n"),
        &format!("Host: {address}\r\nOrigin: http://127.0.0.1:1\r\n"),
    ] {
        assert_eq!(ask(foreign), 403, "{foreign:?}");
    }
}

/// The run that `--bug MIR-02` looks for.
#[cfg(feature = "museum")]
fn found_in_its_room() -> Value {
    let folder = tempfile::tempdir().expect("there is room");
    let args = ["--bug", "MIR-02", "--out", "run.json"];
    let output = super::client::view(folder.path(), &args);
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read(folder.path().join("run.json")).expect("the document is there");
    serde_json::from_slice(&text).expect("it is JSON")
}

#[cfg(feature = "museum")]
#[test]
fn another_decision_saves_the_write_that_mir_02_loses() {
    let server = Server::start(&["tiny@5"]);
    let found = found_in_its_room();
    assert_eq!(found["failure"]["rule"], "DATA", "{}", found["failure"]);
    let shrunk = encoded(found["log"].as_str().expect("it has a log"));
    let shrunk = server.get(&format!("/api/shrink?log={shrunk}"));
    assert_eq!(shrunk["failure"]["place"], found["failure"]["place"]);
    let chosen = shrunk["decisions"]["chosen"].as_array().expect("a list");
    let exciting = (0..chosen.len()).filter(|place| chosen[*place] != 0);
    let outcomes = exciting.map(|decision| {
        let ask =
            json!({ "log": shrunk["log"], "decision": decision, "chosen": 0, "then": "dull" });
        let (status, body) = server.ask("POST", "/api/what-if", &ask.to_string());
        assert_eq!(status, 200, "{body}");
        let run: Value = serde_json::from_str(&body).expect("a document");
        assert_eq!(run["bug"], "MIR-02", "it is on still");
        run["failure"].is_null()
    });
    let saved = outcomes.filter(|saved| *saved).count();
    assert!(
        saved > 0,
        "no decision changes the outcome of {}",
        shrunk["log"]
    );
}
