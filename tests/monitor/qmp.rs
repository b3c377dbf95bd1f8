//! What is said: greeting, negotiation, requests and replies. All texts are the peer's.

use blockjob::monitor::{MonitorOptions, PACKAGE};
use futures_lite::future::yield_now;

use crate::toy::{Toy, echo_reply, echo_request, error_reply};

const EXPECTING: &str = r#"{"error": {"class": "CommandNotFound", "desc": "Expecting capabilities negotiation with 'qmp_capabilities'"}}"#;
const COMPLETE: &str = r#"{"error": {"class": "CommandNotFound", "desc": "Capabilities negotiation is already complete, command ignored"}}"#;

#[test]
fn a_session_begins_with_a_greeting_and_a_negotiation() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.connect("m").await;
        let numbers = r#""version": {"qemu": {"micro": 2, "minor": 0, "major": 10}"#;
        assert_eq!(
            client.line().await,
            format!(
                r#"{{"QMP": {{{numbers}, "package": "{PACKAGE}"}}, "capabilities": ["oob"]}}}}"#
            ),
        );
        assert_eq!(client.echo("too early").await, EXPECTING);
        assert_eq!(client.ask("{'execute': 'no-such'}").await, EXPECTING);
        toy.tick(1, 0);
        let unknown = "{'execute': 'qmp_capabilities', 'arguments': {'x': 1}}";
        let unexpected = error_reply("Parameter 'x' is unexpected");
        assert_eq!(client.ask(unknown).await, unexpected);
        let oob = "{'exec-oob': 'qmp_capabilities'}";
        let unexpected = error_reply("QMP input member 'exec-oob' is unexpected");
        assert_eq!(client.ask(oob).await, unexpected);
        let accept = "{'execute': 'qmp_capabilities', 'id': {'a': [1]}}";
        assert_eq!(
            client.ask(accept).await,
            r#"{"return": {}, "id": {"a": [1]}}"#
        );
        assert_eq!(
            client.ask("{'execute': 'qmp_capabilities'}").await,
            COMPLETE
        );
        assert_eq!(client.echo("now").await, echo_reply("now"));
        assert_eq!(*toy.log.borrow(), ["now"]);
    });
}

#[test]
fn an_id_comes_back_whatever_it_is() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.client("m").await;
        for id in ["null", "7", "\"x\"", "[1, {}]", "{\"b\": 1}", "true"] {
            let request = format!("{{'execute': 'fail', 'arguments': {{'text': 'no'}}, 'id': {id}}}");
            let error = r#""error": {"class": "GenericError", "desc": "no"}"#;
            assert_eq!(client.ask(&request).await, format!("{{\"id\": {id}, {error}}}"));
        }
        assert_eq!(
            client.ask("{'id': 1, 'execute': 'nonesuch'}").await,
            r#"{"id": 1, "error": {"class": "CommandNotFound", "desc": "The command nonesuch has not been found"}}"#
        );
        assert_eq!(
            client.ask("[]").await,
            error_reply("QMP input must be a JSON object")
        );
    });
}

#[test]
fn requests_may_arrive_in_any_pieces_and_several_at_once() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.client("m").await;
        for byte in echo_request("in pieces").bytes() {
            client.send(&char::from(byte).to_string()).await;
            // So the server may read it before the next one comes.
            yield_now().await;
        }
        assert_eq!(client.line().await, echo_reply("in pieces"));
        let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let requests: Vec<String> = texts.iter().map(|text| echo_request(text)).collect();
        client.send(&requests.concat()).await;
        for text in &texts {
            assert_eq!(client.line().await, echo_reply(text));
        }
    });
}

#[test]
fn nonsense_is_answered_in_its_turn() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.client("m").await;
        let both = format!("{}[1 2]%\n{}", echo_request("a"), echo_request("b"));
        client.send(&both).await;
        assert_eq!(client.line().await, echo_reply("a"));
        let list = error_reply("JSON parse error, expected separator in list");
        assert_eq!(client.line().await, list);
        let stray = error_reply("JSON parse error, stray '%'");
        assert_eq!(client.line().await, stray);
        assert_eq!(client.line().await, echo_reply("b"));
    });
}

#[test]
fn pretty_replies_are_spread_over_lines() {
    let toy = Toy::new();
    let options = MonitorOptions {
        pretty: true,
        ..MonitorOptions::control()
    };
    toy.add("m", &options);
    toy.run(async |toy| {
        let mut client = toy.connect("m").await;
        client.until("\r\n}\r\n").await;
        client.send("{'execute': 'qmp_capabilities'}").await;
        let accepted = "{\r\n    \"return\": {\r\n    }\r\n}\r\n";
        assert_eq!(client.until("}\r\n}\r\n").await, accepted);
        client
            .send("{'execute': 'tick', 'arguments': {'count': 1}}")
            .await;
        let text = client.until(accepted).await;
        assert!(text.contains("\r\n    \"event\": \"TICK\",\r\n"), "{text}");
    });
}
