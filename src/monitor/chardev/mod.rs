//! Doors: what a monitor is reached by.
//!
//! QEMU: chardev/char.c, chardev/char-socket.c, chardev/char-fd.c.

mod files;
mod inet;
mod inherited;
mod io;
mod stdio;
mod unix;

use std::rc::Rc;

use blockjob_runtime::AioContext;
use blockjob_runtime::io::Async;
use rustix::fd::OwnedFd;

use super::options::{ChardevBackend, ChardevOptions, SocketAddress, SocketOptions};
use super::say;
use crate::qapi::{QmpError, QmpResult};
pub(crate) use io::Io;
pub(crate) use stdio::Terminal;
pub(crate) use unix::SocketFile;

/// Both directions to one client.
#[derive(Clone)]
pub(crate) struct Stream {
    /// Where requests come from; without it, none come.
    pub(crate) input: Option<Rc<Io>>,
    /// Where replies go; without it, they are thrown away.
    pub(crate) output: Option<Rc<Io>>,
}

impl Stream {
    fn both_ways(fd: OwnedFd) -> std::io::Result<Stream> {
        let io = Some(Rc::new(Io::new(fd)?));
        Ok(Stream {
            input: io.clone(),
            output: io,
        })
    }
}

/// A socket on which clients are waited for.
pub(crate) struct Listener {
    socket: Async<OwnedFd>,
    /// Its name in the file system, which goes with it.
    pub(crate) file: Option<SocketFile>,
}

impl Listener {
    fn new(socket: OwnedFd, file: Option<SocketFile>) -> std::io::Result<Listener> {
        Ok(Listener {
            socket: Async::new(socket)?,
            file,
        })
    }

    /// The next client. One that is gone again before it was let in does not count.
    pub(crate) async fn accept(&self) -> std::io::Result<Stream> {
        use rustix::io::Errno;
        let fd = self.socket.read_with(|socket| {
            loop {
                match rustix::net::accept_with(socket, rustix::net::SocketFlags::CLOEXEC) {
                    Err(Errno::CONNABORTED) => continue,
                    result => return Ok(result?),
                }
            }
        });
        let fd = fd.await?;
        inet::set_nodelay(&fd);
        Stream::both_ways(fd)
    }

    fn address(&self) -> String {
        inet::shown(self.socket.get_ref())
    }
}

pub(crate) enum Kind {
    /// Clients come, one at a time; the first one may be there.
    Server(Listener, Option<Stream>),
    /// We are the client; without a stream, we are yet to connect.
    Client(SocketOptions, Option<Stream>),
    /// The other side is there from the beginning, and there is no other.
    Fixed(Stream, Option<Terminal>),
}

/// An open door. It is given to one monitor, by [`Monitors::add`](super::Monitors::add); if it is
/// dropped, it closes.
///
/// QEMU: `Chardev` (include/chardev/char.h).
pub struct Chardev {
    pub(crate) id: String,
    pub(crate) kind: Kind,
}

impl Chardev {
    /// Opens a door. A server that is to wait polls `ctx` until its first client is there.
    ///
    /// QEMU: `qemu_chardev_new` (chardev/char.c).
    ///
    /// # Errors
    ///
    /// It cannot be opened; the text is the peer's.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn open(ctx: &AioContext, options: &ChardevOptions) -> QmpResult<Chardev> {
        let _current = ctx.make_current();
        let kind = match &options.backend {
            ChardevBackend::Socket(socket) if socket.server => open_server(ctx, socket)?,
            ChardevBackend::Socket(socket) => open_client(ctx, &options.id, socket)?,
            ChardevBackend::Stdio { signal } => stdio::open(*signal)?,
            ChardevBackend::File {
                path,
                input,
                append,
            } => Kind::Fixed(files::open_file(path, input.as_deref(), *append)?, None),
            ChardevBackend::Pipe { path } => Kind::Fixed(files::open_pipe(path)?, None),
            ChardevBackend::Null => {
                let nobody = Stream {
                    input: None,
                    output: None,
                };
                Kind::Fixed(nobody, None)
            }
        };
        Ok(Chardev {
            id: options.id.clone(),
            kind,
        })
    }

    /// The name by which it was asked for.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where clients reach it, if it is a server's: `unix:PATH` or `tcp:HOST:PORT`.
    pub fn address(&self) -> Option<String> {
        match &self.kind {
            Kind::Server(listener, _) => Some(listener.address()),
            _ => None,
        }
    }
}

/// Makes a socket to which clients of `whom` can connect, and has the current context watch it; over TCP,
/// people are told that everybody `can`.
pub(crate) fn listen(address: &SocketAddress, whom: &str, can: &str) -> QmpResult<Listener> {
    match address {
        SocketAddress::Unix { path } => unix::listen(path),
        SocketAddress::Inet { host, port } => inet::listen(host, *port, whom, can),
        SocketAddress::Fd { fd } => inherited::listen(*fd),
    }
}

fn open_server(ctx: &AioContext, options: &SocketOptions) -> QmpResult<Kind> {
    let listener = listen(&options.address, "the monitor", "command this program")?;
    if !options.wait {
        return Ok(Kind::Server(listener, None));
    }
    let address = listener.address();
    say::line(&format!(
        "info: waiting for connection on: disconnected:{address},server=on"
    ));
    let (listener, first) = ctx.run("first client", async move {
        let first = listener.accept().await;
        (listener, first)
    });
    let first = first.map_err(|error| generic("Failed to accept a connection", &error))?;
    Ok(Kind::Server(listener, Some(first)))
}

fn open_client(ctx: &AioContext, id: &str, options: &SocketOptions) -> QmpResult<Kind> {
    let wanted = options.clone();
    match ctx.run("connect", async move { connect(&wanted).await }) {
        Ok(stream) => Ok(Kind::Client(options.clone(), Some(stream))),
        Err(error) if options.reconnect_ms > 0 => {
            say::line(&format!("Unable to connect character device {id}: {error}"));
            Ok(Kind::Client(options.clone(), None))
        }
        Err(error) => Err(error),
    }
}

/// Connects to a server.
pub(crate) async fn connect(options: &SocketOptions) -> QmpResult<Stream> {
    match &options.address {
        SocketAddress::Unix { path } => unix::connect(path).await,
        SocketAddress::Inet { host, port } => inet::connect(host, *port).await,
        SocketAddress::Fd { fd } => inherited::connected(*fd),
    }
}

/// An error of the system behind what was tried, as the peer writes it.
///
/// QEMU: `error_setg_errno` (include/qapi/error.h).
fn generic(what: &str, error: &std::io::Error) -> QmpError {
    QmpError::generic(format!("{what}: {}", reason(error)))
}

/// The text that the system has for an error, without Rust's number behind it.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}
