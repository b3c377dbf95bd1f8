//! Connections to servers, made without blocking, and watched by the current context.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use blockjob_runtime::io::Async;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Connects to the server behind a unix socket.
///
/// QEMU: `unix_connect_saddr` (util/qemu-sockets.c).
///
/// # Errors
///
/// Nobody is there, or lets us in; `NotConnected` if too many others wait to be let in.
///
/// # Panics
///
/// If no context is current.
pub async fn connect_unix(path: impl AsRef<Path>) -> io::Result<Async<UnixStream>> {
    let address = SocketAddrUnix::new(path.as_ref())?;
    let socket = begin(AddressFamily::UNIX, &address)?;
    connected(UnixStream::from(socket)).await
}

/// Connects to a server over TCP.
///
/// QEMU: `inet_connect_addr` (util/qemu-sockets.c).
///
/// # Errors
///
/// Nobody is there, or lets us in.
///
/// # Panics
///
/// If no context is current.
pub async fn connect_inet(address: impl Into<SocketAddr>) -> io::Result<Async<TcpStream>> {
    let address = address.into();
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = begin(family, &address)?;
    connected(TcpStream::from(socket)).await
}

fn begin(family: AddressFamily, address: &impl SocketAddrArg) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, address) {
        // Of a unix socket, the second one says that the queue is full: see below.
        Ok(()) | Err(Errno::INPROGRESS | Errno::AGAIN) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the end of what was begun.
async fn connected<T: AsFd>(socket: T) -> io::Result<Async<T>> {
    let socket = Async::new(socket)?;
    socket.writable().await?;
    rustix::net::sockopt::socket_error(socket.get_ref())??;
    // Where there was no place in the queue, nothing was begun, and the socket is writable all the same.
    rustix::net::getpeername(socket.get_ref())?;
    Ok(socket)
}
