//! Who comes when: turns, commands out of band, events among replies.

use blockjob::monitor::MonitorOptions;

use crate::toy::{Client, Toy, echo_reply, echo_request, error_reply};

const BLOCK: &str = "{'execute': 'block', 'id': 'block'}";
const BLOCKED: &str = r#"{"return": {}, "id": "block"}"#;
const OPEN: &str = "{'exec-oob': 'open', 'id': 'open'}";
const OPENED: &str = r#"{"return": {}, "id": "open"}"#;

async fn begin_to_block(toy: &Toy, client: &mut Client) {
    client.send(BLOCK).await;
    toy.until(|| toy.log.borrow().contains(&"block begins".to_owned()))
        .await;
}

#[test]
fn a_command_out_of_band_goes_ahead_of_one_that_takes_long() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.negotiated("m", "['oob']").await;
        begin_to_block(&toy, &mut client).await;
        // Seven more wait, and one more would be the last that is read.
        let waiting: String = (0..7).map(|n| echo_request(&n.to_string())).collect();
        client.send(&waiting).await;
        assert_eq!(client.ask(OPEN).await, OPENED);
        assert_eq!(client.line().await, BLOCKED);
        for n in 0..7 {
            assert_eq!(client.line().await, echo_reply(&n.to_string()));
        }
        assert_eq!(
            toy.log.borrow()[..4],
            ["block begins", "open", "block ends", "0"]
        );
    });
}

#[test]
fn no_command_begins_while_something_else_polls_but_those_out_of_band() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.negotiated("m", "['oob']").await;
        let job = toy.clone();
        toy.ctx.schedule_oneshot("completion of a job", move || {
            job.log.borrow_mut().push("completion begins".to_owned());
            job.ctx.poll_while(|| !job.gate.get());
            job.log.borrow_mut().push("completion ends".to_owned());
        });
        toy.until(|| !toy.log.borrow().is_empty()).await;
        client.send(&echo_request("0")).await;
        assert_eq!(client.ask(OPEN).await, OPENED);
        assert_eq!(client.line().await, echo_reply("0"));
        let log = toy.log.borrow();
        assert_eq!(*log, ["completion begins", "open", "completion ends", "0"]);
    });
}

#[test]
fn a_full_queue_is_not_overtaken() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.add("other", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.negotiated("m", "['oob']").await;
        let mut other = toy.negotiated("other", "['oob']").await;
        begin_to_block(&toy, &mut client).await;
        let waiting: String = (0..8).map(|n| echo_request(&n.to_string())).collect();
        client.send(&(waiting + OPEN)).await;
        assert_eq!(other.ask(OPEN).await, OPENED);
        assert_eq!(client.line().await, BLOCKED);
        // There is room for it as soon as the first one leaves the queue.
        let mut lines = Vec::new();
        for _ in 0..9 {
            lines.push(client.line().await);
        }
        assert!(lines.contains(&OPENED.to_owned()), "{lines:?}");
        lines.retain(|line| line != OPENED);
        let echoes: Vec<String> = (0..8).map(|n| echo_reply(&n.to_string())).collect();
        assert_eq!(lines, echoes);
        let log = toy.log.borrow();
        assert_eq!(log[..3], ["block begins", "open", "block ends"]);
        assert_eq!(log.iter().filter(|what| *what == "open").count(), 2);
    });
}

#[test]
fn out_of_band_is_for_those_who_agreed_and_for_commands_that_allow_it() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.client("m").await;
        let unexpected = error_reply("QMP input member 'exec-oob' is unexpected");
        assert_eq!(client.ask("{'exec-oob': 'open'}").await, unexpected);
        drop(client);
        let mut client = toy.negotiated("m", "['oob', 'oob']").await;
        let no_oob = error_reply("The command block does not support OOB");
        assert_eq!(client.ask("{'exec-oob': 'block'}").await, no_oob);
        let no_oob = error_reply("The command qmp_capabilities does not support OOB");
        assert_eq!(client.ask("{'exec-oob': 'qmp_capabilities'}").await, no_oob);
        assert!(
            client
                .ask("{'exec-oob': 'x'}")
                .await
                .contains("CommandNotFound")
        );
        assert_eq!(
            client.ask("{'execute': 'open', 'id': 'open'}").await,
            OPENED
        );
    });
}

#[test]
fn while_a_command_polls_no_other_one_begins() {
    let toy = Toy::new();
    for name in ["a", "b", "people"] {
        let people = name == "people";
        let options = if people {
            MonitorOptions::readline()
        } else {
            MonitorOptions::control()
        };
        toy.add(name, &options);
    }
    toy.run(async |toy| {
        let mut a = toy.negotiated("a", "['oob']").await;
        let mut b = toy.negotiated("b", "['oob']").await;
        let mut people = toy.connect("people").await;
        people.until("(blockjob) ").await;
        begin_to_block(&toy, &mut a).await;
        b.send(&echo_request("b")).await;
        people.send("line\n").await;
        // It hears both, and leaves them.
        assert_eq!(b.ask(OPEN).await, OPENED);
        assert_eq!(a.line().await, BLOCKED);
        assert_eq!(b.line().await, echo_reply("b"));
        people.until("(blockjob) ").await;
        let log = toy.log.borrow();
        assert_eq!(log[..3], ["block begins", "open", "block ends"]);
        assert_eq!(log.len(), 5);
    });
}

#[test]
fn while_a_command_polls_others_may_come_and_ask_out_of_band() {
    let toy = Toy::new();
    toy.add("a", &MonitorOptions::control());
    toy.add("b", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut a = toy.negotiated("a", "['oob']").await;
        begin_to_block(&toy, &mut a).await;
        let mut b = toy.connect("b").await;
        assert!(b.line().await.starts_with("{\"QMP\": "));
        // In one piece: what follows the negotiation is understood by what it agreed upon.
        b.send(&format!(
            "{{'execute': 'qmp_capabilities', 'arguments': {{'enable': ['oob']}}}}{}{OPEN}",
            echo_request("b")
        ))
        .await;
        assert_eq!(b.line().await, "{\"return\": {}}");
        assert_eq!(b.line().await, OPENED);
        assert_eq!(a.line().await, BLOCKED);
        assert_eq!(b.line().await, echo_reply("b"));
    });
}

#[test]
fn sessions_take_turns() {
    let toy = Toy::new();
    let names: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    for name in &names {
        toy.add(name, &MonitorOptions::control());
    }
    toy.run(async move |toy| {
        let mut clients = Vec::new();
        for name in &names {
            clients.push(toy.negotiated(name, "['oob']").await);
        }
        let mut blocker = toy.negotiated_other().await;
        begin_to_block(&toy, &mut blocker).await;
        // All say all that they have to say while nobody is served; the answer to what went ahead says
        // that the rest waits.
        for (name, client) in names.iter().zip(&mut clients) {
            let note = "{'exec-oob': 'note', 'arguments': {'text': 'heard'}}";
            let heard = client.ask(&(echo_request(name).repeat(5) + note)).await;
            assert_eq!(heard, r#"{"return": {}}"#);
        }
        assert_eq!(blocker.ask(OPEN).await, OPENED);
        for (name, client) in names.iter().zip(&mut clients) {
            for _ in 0..5 {
                assert_eq!(client.line().await, echo_reply(name));
            }
        }
        let log = toy.log.borrow();
        let echoes = log.iter().filter(|what| what.starts_with('m'));
        let mut first: Vec<&String> = echoes.take(40).collect();
        first.sort();
        first.dedup();
        assert_eq!(
            first.len(),
            40,
            "each is served once before one is served twice"
        );
        assert_eq!(log.len(), 3 + 40 + 200);
    });
}

impl Toy {
    /// A client of one more monitor.
    async fn negotiated_other(&self) -> Client {
        self.add("blocker", &MonitorOptions::control());
        self.negotiated("blocker", "['oob']").await
    }
}

#[test]
fn events_stand_where_they_happened() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.add("listener", &MonitorOptions::control());
    toy.add("deaf", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.client("m").await;
        let mut listener = toy.client("listener").await;
        let mut deaf = toy.connect("deaf").await;
        deaf.line().await;
        let ticks = "{'execute': 'tick', 'arguments': {'count': 3}}";
        client
            .send(&(echo_request("before") + ticks + &echo_request("after")))
            .await;
        assert_eq!(client.line().await, echo_reply("before"));
        for number in 0..3 {
            let data =
                format!(r#""event": "TICK", "data": {{"ballast": "", "number": {number}}}}}"#);
            let line = client.line().await;
            let begin = r#"{"timestamp": {"seconds": "#;
            assert!(line.starts_with(begin) && line.ends_with(&data), "{line}");
            assert_eq!(listener.line().await, line);
        }
        assert_eq!(client.line().await, r#"{"return": {}}"#);
        assert_eq!(client.line().await, echo_reply("after"));
        let next = deaf.ask("{'execute': 'qmp_capabilities'}").await;
        assert_eq!(next, r#"{"return": {}}"#, "events before it are for others");
    });
}
