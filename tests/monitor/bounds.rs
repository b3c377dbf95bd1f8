//! Clients that do harm, or would: slow ones, vanished ones, floods.

use std::cell::Cell;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use blockjob::monitor::MonitorOptions;
use blockjob::runtime::io::Async;
use futures_lite::FutureExt;

use crate::toy::{Client, Toy, echo_reply, echo_request};

#[test]
fn a_client_that_does_not_read_is_not_read_and_harms_nobody() {
    let toy = Toy::new();
    toy.add("slow", &MonitorOptions::control());
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut slow = toy.client("slow").await;
        let mut client = toy.client("m").await;
        let blob = "{'execute': 'blob', 'arguments': {'count': 100000}}";
        slow.send(&blob.repeat(100)).await;
        for n in 0..100 {
            let text = n.to_string();
            assert_eq!(client.echo(&text).await, echo_reply(&text));
        }
        let blobs = || {
            toy.log
                .borrow()
                .iter()
                .filter(|what| *what == "blob")
                .count()
        };
        // A socket takes two or three of them, and one more waits in the queue.
        assert!(blobs() < 20, "{} were executed", blobs());
        for _ in 0..100 {
            assert_eq!(slow.line().await.len(), 100_000 + r#"{"return": ""}"#.len());
        }
        assert_eq!(slow.echo("well").await, echo_reply("well"));
    });
}

#[test]
fn one_who_lets_events_pile_up_is_sent_away_and_the_next_one_served() {
    let toy = Toy::new();
    toy.add("slow", &MonitorOptions::control());
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut slow = toy.client("slow").await;
        let mut client = toy.client("m").await;
        for number in 0..30 {
            toy.tick(number, 1 << 20);
            assert!(
                client
                    .line()
                    .await
                    .contains(&format!("\"number\": {number}}}"))
            );
        }
        toy.until(|| toy.monitors.clients() == 1).await;
        let mut lines = 0;
        while slow.maybe_line().await.is_some() {
            lines += 1;
        }
        assert!(lines < 2, "what was on its way is lost with the client");
        let mut next = toy.client("slow").await;
        assert_eq!(next.echo("hello").await, echo_reply("hello"));
    });
}

#[test]
fn events_are_kept_for_one_who_is_only_late() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.client("m").await;
        for number in 0..10_000 {
            toy.tick(number, 1000);
        }
        for number in 0..10_000 {
            assert!(
                client
                    .line()
                    .await
                    .contains(&format!("\"number\": {number}}}"))
            );
        }
    });
}

#[test]
fn what_waits_for_room_is_not_overtaken_when_there_is_some() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut client = toy.client("m").await;
        for number in 0..100 {
            toy.tick(number, 100_000);
            // Makes room, and the next event comes before whoever waits for that has had a turn.
            client.hear().await;
        }
        for number in 0..100 {
            let end = format!("\"number\": {number}}}}}");
            let line = client.line().await;
            let whole = line.starts_with(r#"{"timestamp""#) && line.matches("TICK").count() == 1;
            assert!(
                whole && line.ends_with(&end),
                "{number} is next, in one piece"
            );
        }
    });
}

#[test]
fn one_who_vanishes_makes_room_for_the_next() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.add("other", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut other = toy.negotiated("other", "['oob']").await;
        let mut client = toy.negotiated("m", "['oob']").await;
        client.send("{'execute': 'block'}").await;
        toy.until(|| !toy.log.borrow().is_empty()).await;
        let waits = toy.connect("m");
        drop(client);
        let mut waits = waits.await;
        toy.tick(1, 0);
        assert!(other.line().await.contains("TICK"));
        other.ask("{'exec-oob': 'open'}").await;
        assert!(waits.line().await.contains("QMP"));
        assert_eq!(
            waits.ask("{'execute': 'qmp_capabilities'}").await,
            r#"{"return": {}}"#,
            "the reply to the one before it has gone nowhere"
        );
        assert_eq!(other.echo("still here").await, echo_reply("still here"));
    });
}

#[test]
fn a_flood_of_garbage_waits_in_the_socket() {
    let toy = Toy::new();
    toy.add("flood", &MonitorOptions::control());
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut flood = toy.client("flood").await;
        let mut client = toy.client("m").await;
        let garbage = "%\n[]{\"execute\": 1}}\x01".repeat(1 << 12);
        let sent = Rc::new(Cell::new(0));
        let flooding = {
            let sent = sent.clone();
            async move {
                loop {
                    flood.send(&garbage).await;
                    sent.set(sent.get() + garbage.len());
                }
            }
        };
        let talking = async {
            for n in 0..2000 {
                let text = n.to_string();
                assert_eq!(client.echo(&text).await, echo_reply(&text));
            }
        };
        talking.or(flooding).await;
        // What fits into the sockets, and what was read while the answers to it did.
        assert!(sent.get() < 4 << 20, "{} bytes were taken", sent.get());
        let mut next = toy.client("flood").await;
        assert_eq!(next.echo("next").await, echo_reply("next"));
    });
}

#[test]
#[allow(clippy::disallowed_methods)] // A flood that never rests comes from a thread of its own.
fn a_flood_that_wants_no_answer_does_not_keep_others_waiting() {
    let toy = Toy::new();
    toy.add("flood", &MonitorOptions::control());
    toy.add("m", &MonitorOptions::control());
    // Connected before anything runs: a thread that came late would find nobody to take its
    // connection, nor anybody to end it.
    let mut stream = UnixStream::connect(toy.path("flood")).expect("it is connected");
    let flood = std::thread::spawn(move || {
        let blanks = " ".repeat(1 << 20);
        while stream.write_all(blanks.as_bytes()).is_ok() {}
    });
    toy.run(async |toy| {
        let mut client = toy.client("m").await;
        for n in 0..100 {
            let text = n.to_string();
            assert_eq!(client.echo(&text).await, echo_reply(&text));
        }
    });
    toy.monitors.close_all();
    flood.join().expect("it ends with the connection");
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answers() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.add("other", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut other = toy.negotiated("other", "['oob']").await;
        let stream = UnixStream::connect(toy.path("m")).expect("it is connected");
        let mouth = stream.try_clone().expect("it is cloned");
        let mut client = Client::new(&toy.ctx, Async::new(stream).expect("it is a socket"));
        client.line().await;
        let accept = "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}}";
        client.ask(accept).await;
        let blob = "{'execute': 'blob', 'arguments': {'count': 1000000}}";
        client
            .send(&(blob.to_owned() + &echo_request("a") + &echo_request("b")))
            .await;
        client.send("{'execute': 'block'}{'execute': 'ec").await;
        mouth.shutdown(Shutdown::Write).expect("it says no more");
        assert!(client.line().await.len() > 1_000_000);
        assert_eq!(client.line().await, echo_reply("a"));
        assert_eq!(client.line().await, echo_reply("b"));
        // Now it hears that there is no more, while the last command is being executed.
        toy.until(|| toy.log.borrow().contains(&"block begins".to_owned()))
            .await;
        other.ask("{'exec-oob': 'open'}").await;
        assert_eq!(client.line().await, r#"{"return": {}}"#);
        assert_eq!(client.maybe_line().await, None);
        toy.until(|| toy.monitors.clients() == 1).await;
    });
}
