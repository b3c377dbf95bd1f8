//! Unix sockets: made for their owner alone, told apart from stale ones, and removed at the end.
//!
//! QEMU: `unix_listen_saddr`, `unix_connect_saddr` (util/qemu-sockets.c).

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::{Listener, Stream, generic, reason};
use crate::qapi::{QmpError, QmpResult};
use crate::sockets;

/// How many clients may wait to be let in.
pub(super) const BACKLOG: i32 = 16;
/// A name with its end must fit into `sockaddr_un`.
const PATH_MAX_BYTES: usize = 108;

/// The name of a socket in the file system. It is removed when this is dropped, unless somebody has put
/// something else in its place meanwhile.
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<SocketFile> {
        let found = fs::symlink_metadata(path)?;
        // The working directory of a daemon changes; its socket stays.
        let path = std::path::absolute(path)?;
        Ok(SocketFile {
            path,
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if ours {
            // If it cannot be removed, the next server finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn check_length(path: &Path) -> QmpResult<()> {
    if path.as_os_str().len() < PATH_MAX_BYTES {
        return Ok(());
    }
    let error = QmpError::generic(format!("UNIX socket path '{}' is too long", path.display()));
    Err(error.with_hint(format!("Path must be less than {PATH_MAX_BYTES} bytes")))
}

/// Makes a socket that clients can connect to, if they are its owner.
pub(super) fn listen(path: &Path) -> QmpResult<Listener> {
    check_length(path)?;
    let failed = |error| {
        generic(
            &format!("Failed to bind socket to {}", path.display()),
            &error,
        )
    };
    let socket = match bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            fs::remove_file(path).map_err(failed)?;
            bind(path)
        }
        result => result,
    };
    let socket = socket.map_err(failed)?;
    let file = SocketFile::new(path).map_err(failed)?;
    let listening = rustix::net::listen(&socket, BACKLOG).map_err(io::Error::from);
    listening
        .and_then(|()| Listener::new(socket, Some(file)))
        .map_err(|error| generic("Failed to listen on socket", &error))
}

fn bind(path: &Path) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // The name is made with the mode that the socket has: so there is no moment at which others could
    // connect, and the mask of the whole process need not change.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// True for a socket that nobody listens on any more. The peer would take the name of a live one, too.
fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket && connects(path) == Err(io::ErrorKind::ConnectionRefused)
}

/// Whether somebody lets clients in there, without waiting for a place in their queue.
fn connects(path: &Path) -> Result<(), io::ErrorKind> {
    let probe = || -> rustix::io::Result<()> {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
    };
    probe().map_err(|errno| io::Error::from(errno).kind())
}

/// Connects to a server.
pub(super) async fn connect(path: &Path) -> QmpResult<Stream> {
    check_length(path)?;
    sockets::connect_unix(path)
        .await
        .and_then(|stream| Stream::both_ways(stream.into_inner().into()))
        .map_err(|error| {
            let (path, reason) = (path.display(), reason(&error));
            QmpError::generic(format!("Failed to connect to '{path}': {reason}"))
        })
}
