//! Doors: sockets of all kinds, who may come in, and what is left behind.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use blockjob::monitor::{
    Chardev, ChardevBackend, ChardevOptions, MonitorOptions, SocketAddress, SocketOptions,
};
use blockjob::runtime::io::Async;
use blockjob::sockets;

use crate::toy::{Client, Toy, echo_reply};

fn unix(toy: &Toy, name: &str) -> SocketAddress {
    let path = toy.path(name);
    SocketAddress::Unix { path }
}

#[test]
fn a_unix_socket_is_its_owners_alone_and_goes_in_the_end() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    let mode = fs::metadata(toy.path("m"))
        .expect("it is there")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    toy.monitors.close_all();
    assert!(!toy.path("m").exists());
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let toy = Toy::new();
    let path = toy.path("m");
    drop(UnixListener::bind(&path).expect("it is bound"));
    assert!(path.exists());
    toy.add("m", &MonitorOptions::control());
    let error = toy.socket("m", SocketOptions::server(unix(&toy, "m")));
    let text = format!(
        "Failed to bind socket to {}: Address already in use",
        path.display()
    );
    assert_eq!(error.err().expect("it is in use").desc, text);
    toy.run(async |toy| {
        let mut client = toy.client("m").await;
        assert_eq!(client.echo("hello").await, echo_reply("hello"));
    });
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let toy = Toy::new();
    let path = toy.path("file");
    fs::write(&path, "precious").expect("it is written");
    let error = toy.socket("m", SocketOptions::server(unix(&toy, "file")));
    assert!(
        error
            .err()
            .expect("it is in use")
            .desc
            .ends_with(": Address already in use")
    );
    assert_eq!(fs::read(&path).expect("it is there"), b"precious");
    toy.add("m", &MonitorOptions::control());
    fs::rename(&path, toy.path("m")).expect("it is renamed");
    toy.monitors.close_all();
    assert_eq!(fs::read(toy.path("m")).expect("it is there"), b"precious");
}

#[test]
fn a_door_that_cannot_be_opened_says_why_as_the_peer_does() {
    let toy = Toy::new();
    let server = |path: &str| {
        let path = path.into();
        SocketOptions::server(SocketAddress::Unix { path })
    };
    let client = |path: &str| SocketOptions {
        server: false,
        ..server(path)
    };
    let inherited = |fd| SocketOptions::server(SocketAddress::Fd { fd });
    let long = "a".repeat(120);
    for (socket, desc) in [
        (
            server("/nonexistent/x"),
            "Failed to bind socket to /nonexistent/x: No such file or directory".to_owned(),
        ),
        (
            client("/nonexistent/x"),
            "Failed to connect to '/nonexistent/x': No such file or directory".to_owned(),
        ),
        (
            server(&long),
            format!("UNIX socket path '{long}' is too long"),
        ),
        (
            inherited(9999),
            "File descriptor '9999' is not a socket".to_owned(),
        ),
    ] {
        let error = toy.socket("m", socket).err().expect("it cannot be opened");
        assert_eq!(error.desc, desc);
    }
    let options = ChardevOptions {
        id: "m".to_owned(),
        backend: ChardevBackend::Pipe {
            path: "/nonexistent/x".into(),
        },
    };
    let error = Chardev::open(&toy.ctx, &options).err();
    let desc = "Could not open '/nonexistent/x': No such file or directory";
    assert_eq!(error.expect("it is not there").desc, desc);
}

#[test]
fn a_second_client_waits_before_the_door() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.run(async |toy| {
        let mut first = toy.client("m").await;
        let mut second = toy.connect("m").await;
        assert_eq!(first.echo("first").await, echo_reply("first"));
        assert_eq!(toy.monitors.clients(), 1);
        drop(first);
        assert!(second.line().await.contains("QMP"));
    });
}

#[test]
fn tcp_is_bound_to_this_machine_if_nobody_says_where() {
    let toy = Toy::new();
    let host = String::new();
    let socket = SocketOptions::server(SocketAddress::Inet { host, port: 0 });
    let chardev = toy.socket("m", socket).expect("it is opened");
    let address = chardev.address().expect("it has one");
    let port = address
        .strip_prefix("tcp:127.0.0.1:")
        .expect("it is the loopback");
    let port: u16 = port.parse().expect("it is a number");
    toy.monitors.add(chardev, &MonitorOptions::control());
    toy.run(async move |toy| {
        let stream = sockets::connect_inet(([127, 0, 0, 1], port)).await;
        let mut client = Client::new(&toy.ctx, stream.expect("it is connected"));
        client.line().await;
        let accept = "{'execute': 'qmp_capabilities'}";
        assert_eq!(client.ask(accept).await, r#"{"return": {}}"#);
        assert_eq!(client.echo("tcp").await, echo_reply("tcp"));
    });
    let host = "127.0.0.1".to_owned();
    let socket = SocketOptions::server(SocketAddress::Inet { host, port });
    let error = toy.socket("n", socket).err().expect("it is in use");
    assert_eq!(
        error.desc,
        "Failed to find an available port: Address already in use"
    );
}

fn listen(toy: &Toy) -> Async<UnixListener> {
    let _current = toy.ctx.make_current();
    let listener = UnixListener::bind(toy.path("m")).expect("it is bound");
    Async::new(listener).expect("it can be watched")
}

async fn accept(toy: &Toy, listener: &Async<UnixListener>) -> Client {
    let accepted = toy.patiently(listener.read_with(UnixListener::accept));
    let (stream, _) = accepted.await.expect("somebody comes");
    let stream = Async::new(stream).expect("it can be watched");
    Client::new(&toy.ctx, stream)
}

#[test]
fn a_monitor_may_be_the_one_who_connects_and_connects_again() {
    let toy = Toy::new();
    let listener = listen(&toy);
    let socket = SocketOptions {
        reconnect_ms: 1,
        ..SocketOptions::client(unix(&toy, "m"))
    };
    let chardev = toy.socket("m", socket).expect("it is opened");
    toy.monitors.add(chardev, &MonitorOptions::control());
    toy.run(async move |toy| {
        for _ in 0..3 {
            let mut client = accept(&toy, &listener).await;
            assert!(client.line().await.contains("QMP"));
        }
        // While nobody listens it tries on.
        drop(listener);
        fs::remove_file(toy.path("m")).expect("it is there");
        toy.until(|| toy.monitors.clients() == 0).await;
        // Time for some attempts that fail. If there is none, this tests less and still passes.
        toy.ctx.sleep(20_000_000).await;
        let listener = listen(&toy);
        let mut client = accept(&toy, &listener).await;
        assert!(client.line().await.contains("QMP"));
    });
}

#[test]
fn opening_a_door_may_last_until_somebody_has_come() {
    let toy = Toy::new();
    let path = toy.path("m");
    let connecting = {
        let toy = toy.ctx.clone();
        async move {
            loop {
                if let Ok(stream) = sockets::connect_unix(&path).await {
                    let mut client = Client::new(&toy, stream);
                    assert!(client.line().await.contains("QMP"));
                    break;
                }
                toy.sleep(1_000_000).await;
            }
        }
    };
    let connecting = toy.ctx.coroutine("client", connecting);
    connecting.wake();
    let socket = SocketOptions {
        wait: true,
        ..SocketOptions::server(unix(&toy, "m"))
    };
    let chardev = toy.socket("m", socket).expect("it is opened");
    toy.monitors.add(chardev, &MonitorOptions::control());
    let _current = toy.ctx.make_current();
    toy.ctx.poll_while(|| !connecting.ended());
}

#[test]
fn a_socket_may_be_inherited() {
    let toy = Toy::new();
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let fd = theirs.as_raw_fd();
    let chardev = toy.socket("m", SocketOptions::client(SocketAddress::Fd { fd }));
    toy.monitors
        .add(chardev.expect("it is one"), &MonitorOptions::control());
    let listener = UnixListener::bind(toy.path("n")).expect("it is bound");
    let fd = listener.as_raw_fd();
    let chardev = toy.socket("n", SocketOptions::server(SocketAddress::Fd { fd }));
    toy.monitors
        .add(chardev.expect("it is one"), &MonitorOptions::control());
    toy.run(async move |toy| {
        let mut client = toy.client("n").await;
        assert_eq!(client.echo("n").await, echo_reply("n"));
        let stream = Async::new(ours).expect("it is a socket");
        let mut client = Client::new(&toy.ctx, stream);
        assert!(client.line().await.contains("QMP"));
    });
}

#[test]
fn a_script_in_a_file_is_executed_and_answered_in_another() {
    let toy = Toy::new();
    let script = "{'execute': 'qmp_capabilities'} {'execute': 'blob', 'arguments': {'count': 3}}";
    fs::write(toy.path("in"), script).expect("it is written");
    let options = ChardevOptions {
        id: "m".to_owned(),
        backend: ChardevBackend::File {
            path: toy.path("out"),
            input: Some(toy.path("in")),
            append: false,
        },
    };
    let chardev = Chardev::open(&toy.ctx, &options).expect("it is opened");
    toy.monitors.add(chardev, &MonitorOptions::control());
    toy.ctx.poll_while(|| toy.log.borrow().is_empty());
    toy.ctx.poll_while(|| toy.monitors.clients() > 0);
    let out = fs::read_to_string(toy.path("out")).expect("it is there");
    assert!(
        out.ends_with("\r\n{\"return\": {}}\r\n{\"return\": \"xxx\"}\r\n"),
        "{out}"
    );
}

#[test]
fn the_end_waits_for_replies_that_are_on_their_way_but_not_for_ever() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::control());
    toy.add("deaf", &MonitorOptions::control());
    let blob = "{'execute': 'blob', 'arguments': {'count': 3000000}}";
    let (mut client, deaf) = toy.run(async move |toy| {
        let mut client = toy.client("m").await;
        let mut deaf = toy.client("deaf").await;
        client.send(blob).await;
        deaf.send(blob).await;
        toy.until(|| toy.log.borrow().len() == 2).await;
        (client, deaf)
    });
    let reading = toy.ctx.coroutine("client", async move {
        assert!(client.line().await.len() > 3_000_000);
        assert_eq!(client.maybe_line().await, None);
    });
    reading.wake();
    toy.monitors.close_all();
    let _current = toy.ctx.make_current();
    toy.ctx.poll_while(|| !reading.ended());
    drop(deaf);
}
