//! TCP. Nothing on it asks for a password, so it stays on this machine unless told otherwise.
//!
//! QEMU: `inet_listen_saddr`, `inet_connect_saddr` (util/qemu-sockets.c).

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{SocketAddrAny, SocketAddrUnix};

use super::{Listener, Stream, generic, reason};
use crate::monitor::say;
use crate::qapi::{QmpError, QmpResult};
use crate::sockets;

/// What a server is bound to if nobody says what.
const LOOPBACK: &str = "127.0.0.1";

fn resolve(host: &str, port: u16) -> QmpResult<Vec<SocketAddr>> {
    let host = if host.is_empty() { LOOPBACK } else { host };
    let failed = |error: io::Error| {
        let reason = reason(&error);
        // Rust puts its own words before those of the resolver.
        let reason = reason.rsplit(": ").next().unwrap_or_default();
        QmpError::generic(format!(
            "address resolution failed for {host}:{port}: {reason}"
        ))
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host, port).to_socket_addrs().map_err(failed)?.collect())
}

/// Makes a socket that clients of `whom` can connect to. Whoever reaches the address may, and people are
/// told that he `can`.
pub(super) fn listen(host: &str, port: u16, whom: &str, can: &str) -> QmpResult<Listener> {
    let addresses = resolve(host, port)?;
    let listening = TcpListener::bind(&*addresses)
        .map_err(|error| generic("Failed to find an available port", &error))?;
    let listener = Listener::new(listening.into(), None)
        .map_err(|error| generic("Failed to listen on socket", &error))?;
    let who = if addresses.iter().all(|address| address.ip().is_loopback()) {
        "every user of this machine"
    } else {
        "everybody who reaches this machine over the network"
    };
    say::line(&format!(
        "warning: {whom} on {} has no password: {who} can {can}",
        listener.address()
    ));
    Ok(listener)
}

/// Connects to a server.
pub(super) async fn connect(host: &str, port: u16) -> QmpResult<Stream> {
    let mut result = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in resolve(host, port)? {
        result = sockets::connect_inet(address).await;
        if result.is_ok() {
            break;
        }
    }
    let stream = result.and_then(|stream| {
        let fd = OwnedFd::from(stream.into_inner());
        set_nodelay(&fd);
        Stream::both_ways(fd)
    });
    stream.map_err(|error| {
        let reason = reason(&error);
        QmpError::generic(format!("Failed to connect to '{host}:{port}': {reason}"))
    })
}

/// Has small replies go out at once. Means nothing to other sockets.
pub(super) fn set_nodelay(socket: &OwnedFd) {
    let _ = rustix::net::sockopt::set_tcp_nodelay(socket, true);
}

/// The address of a socket as people write it.
pub(super) fn shown(socket: impl AsFd) -> String {
    let Ok(address) = rustix::net::getsockname(socket) else {
        return "?".to_owned();
    };
    match SocketAddr::try_from(address.clone()) {
        Ok(address) => format!("tcp:{address}"),
        Err(_) => format!("unix:{}", unix_path(address).unwrap_or_default()),
    }
}

fn unix_path(address: SocketAddrAny) -> Option<String> {
    let address = SocketAddrUnix::try_from(address).ok()?;
    let path = address.path()?;
    Some(path.to_string_lossy().into_owned())
}
