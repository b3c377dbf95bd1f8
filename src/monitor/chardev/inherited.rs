//! Sockets that this process was born with.
//!
//! QEMU: `socket_get_fd` (util/qemu-sockets.c).

use std::io;

use rustix::fd::OwnedFd;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{Listener, Stream, generic};
use crate::qapi::{QmpError, QmpResult};

/// A descriptor of our own for what `fd` names. The number itself belongs to whoever started us: we ask
/// the system for a second descriptor of the same socket, as for that of another process.
fn duplicate(fd: i32) -> rustix::io::Result<OwnedFd> {
    let myself = pidfd_open(getpid(), PidfdFlags::empty())?;
    pidfd_getfd(myself, fd, PidfdGetfdFlags::empty())
}

fn socket(fd: i32) -> QmpResult<OwnedFd> {
    let no_socket = || QmpError::generic(format!("File descriptor '{fd}' is not a socket"));
    let found = match duplicate(fd) {
        Ok(found) => found,
        Err(rustix::io::Errno::BADF) => return Err(no_socket()),
        Err(errno) => {
            let what = format!("Failed to use file descriptor '{fd}'");
            return Err(generic(&what, &io::Error::from(errno)));
        }
    };
    match rustix::net::sockopt::socket_type(&found) {
        Ok(_) => Ok(found),
        Err(_) => Err(no_socket()),
    }
}

/// A socket on which somebody has begun to listen for us.
pub(super) fn listen(fd: i32) -> QmpResult<Listener> {
    let socket = socket(fd)?;
    let listening = rustix::net::listen(&socket, super::unix::BACKLOG).map_err(io::Error::from);
    listening
        .and_then(|()| Listener::new(socket, None))
        .map_err(|error| generic("Failed to listen on socket", &error))
}

/// A socket that somebody has connected for us.
pub(super) fn connected(fd: i32) -> QmpResult<Stream> {
    let what = format!("Failed to use file descriptor '{fd}'");
    Stream::both_ways(socket(fd)?).map_err(|error| generic(&what, &error))
}
