//! The server: who is let in, the handshakes, and the end.
//!
//! QEMU: blockdev-nbd.c, `nbd_client_new` (nbd/server.c).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};

use blockjob_block::nbd::server::{
    Exported, Exports as KnownExports, Handshake, Inbox, Mode, Step,
};
use blockjob_runtime::{AioContext, CoQueue, Coroutine};
use futures_lite::FutureExt;

use super::connection::{Channel, Connection};
use super::export::NbdExport;
use super::session::Session;
use super::socket::Socket;
use crate::daemon::Daemon;
use crate::monitor::{Latch, Listener, SocketAddress, listen, say};
use crate::qapi::QmpResult;

/// How many connections there may be if nobody says (`NBD_DEFAULT_MAX_CONNECTIONS`).
pub const DEFAULT_MAX_CONNECTIONS: u32 = 100;
/// How long a handshake may take if nobody says, in seconds (`NBD_DEFAULT_HANDSHAKE_MAX_SECS`).
pub const DEFAULT_HANDSHAKE_MAX_SECS: u64 = 10;

const NS_PER_S: u64 = 1_000_000_000;
/// How long the server rests when the system has refused it a connection, for lack of descriptors.
const ACCEPT_REST_NS: u64 = 100_000_000;
/// Read at a time during a handshake: as much as the longest option that is answered.
const HANDSHAKE_CHUNK_BYTES: usize = 16 << 10;

/// What makes a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NbdServerOptions {
    /// Connections at a time at most; 0 is no limit. Others wait in the queue of the system.
    pub max_connections: u32,
    /// How long a handshake may take, in seconds; 0 is no limit.
    pub handshake_max_secs: u64,
}

impl Default for NbdServerOptions {
    fn default() -> Self {
        NbdServerOptions {
            max_connections: DEFAULT_MAX_CONNECTIONS,
            handshake_max_secs: DEFAULT_HANDSHAKE_MAX_SECS,
        }
    }
}

/// A server without a door: clients are brought to it by [`serve`](Self::serve) or a listener.
pub struct NbdServer {
    context: AioContext,
    daemon: Weak<Daemon>,
    options: NbdServerOptions,
    connections: RefCell<Vec<Rc<Connection>>>,
    /// Waits until another client may be let in.
    room: CoQueue,
    closing: Latch,
    /// Listeners that have not ended.
    doors: Cell<usize>,
}

impl NbdServer {
    /// A server of all NBD exports of `daemon`.
    pub fn new(daemon: &Rc<Daemon>, options: NbdServerOptions) -> Rc<Self> {
        Rc::new(NbdServer {
            context: daemon.context().clone(),
            daemon: Rc::downgrade(daemon),
            options,
            connections: RefCell::default(),
            room: CoQueue::new(),
            closing: Latch::default(),
            doors: Cell::new(0),
        })
    }

    /// What it was made with.
    pub fn options(&self) -> NbdServerOptions {
        self.options
    }

    /// How many clients there are, with those whose handshake is under way.
    pub fn clients(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Lets clients in that come to `address`, until the server is closed.
    ///
    /// QEMU: `nbd_server_start` (blockdev-nbd.c).
    ///
    /// # Errors
    ///
    /// In the peer's words, if nobody can listen there.
    pub fn listen(self: &Rc<Self>, address: &SocketAddress) -> QmpResult<()> {
        let whom = "the NBD server";
        let listener = listen(address, whom, "read and write what it exports")?;
        let server = self.clone();
        self.doors.set(self.doors.get() + 1);
        let accept = async move { server.accept(listener).await };
        self.context.coroutine("nbd_accept", accept).wake();
        Ok(())
    }

    /// QEMU: `nbd_accept`, `nbd_update_server_watch` (blockdev-nbd.c).
    async fn accept(self: Rc<Self>, listener: Listener) {
        while let Some(accepted) = self.next_client(&listener).await {
            match accepted {
                Ok(stream) => {
                    if let Some(io) = stream.output {
                        self.serve(Box::new(Socket::new(io)));
                    }
                }
                Err(error) => {
                    say::line(&format!("NBD server: {error}"));
                    let closing = self.closing.wait();
                    let rest = self.context.sleep(ACCEPT_REST_NS);
                    closing.or(rest).await;
                }
            }
        }
        // The name of the socket goes with the listener; who closes the server waits for that.
        drop(listener);
        self.doors.set(self.doors.get() - 1);
    }

    /// The next client, when there is room for it; none when the server is closed.
    async fn next_client(
        &self,
        listener: &Listener,
    ) -> Option<std::io::Result<crate::monitor::Stream>> {
        let closing = async {
            self.closing.wait().await;
            None
        };
        let client = async {
            let max = self.options.max_connections as usize;
            while max != 0 && self.clients() >= max {
                self.room.wait().await;
            }
            Some(listener.accept().await)
        };
        closing.or(client).await
    }

    /// Serves a client.
    ///
    /// QEMU: `nbd_client_new` (nbd/server.c).
    pub fn serve(self: &Rc<Self>, channel: Box<dyn Channel>) {
        let connection = Rc::new(Connection::new(channel));
        self.connections.borrow_mut().push(connection.clone());
        let server = self.clone();
        let client = connection.clone();
        let coroutine: Coroutine = self.context.coroutine("nbd_client", async move {
            server.converse(&client).await;
            client.close();
            client.reader.replace(None);
            let mut connections = server.connections.borrow_mut();
            connections.retain(|other| !Rc::ptr_eq(other, &client));
            drop(connections);
            server.room.wake_next();
        });
        connection.reader.replace(Some(coroutine.clone()));
        coroutine.wake();
    }

    /// QEMU: `nbd_co_client_start` (nbd/server.c).
    async fn converse(&self, connection: &Rc<Connection>) {
        let mut inbox = Inbox::new(HANDSHAKE_CHUNK_BYTES);
        let agreed = match self.options.handshake_max_secs {
            0 => self.handshake(connection, &mut inbox).await,
            secs => {
                let late = async {
                    self.context.sleep(secs.saturating_mul(NS_PER_S)).await;
                    None
                };
                self.handshake(connection, &mut inbox).or(late).await
            }
        };
        // It may have been closed meanwhile.
        let Some((export, mode)) = agreed.filter(|(export, _)| export.is_open()) else {
            return;
        };
        let session = Session::new(&export, connection, mode, inbox);
        export.add(&session);
        session.run().await;
        export.remove(&session);
    }

    /// Agrees with a client on an export; none if that comes to nothing.
    ///
    /// QEMU: `nbd_negotiate` (nbd/server.c).
    async fn handshake(
        &self,
        connection: &Connection,
        inbox: &mut Inbox,
    ) -> Option<(Rc<NbdExport>, Mode)> {
        let mut handshake = Handshake::new(&mut connection.outbox.borrow_mut());
        loop {
            let step = {
                let mut outbox = connection.outbox.borrow_mut();
                handshake.step(inbox, &Known(&self.daemon), &mut outbox)
            };
            poll_fn(|cx| connection.poll_send(cx, drop)).await.ok()?;
            match step.ok()? {
                Step::Answered => {}
                Step::Read => {
                    let read = poll_fn(|cx| connection.poll_read(cx, inbox.space())).await;
                    if read == 0 {
                        return None;
                    }
                    inbox.filled(read);
                }
                Step::Transmission { export, mode } => {
                    let daemon = self.daemon.upgrade()?;
                    return Some((daemon.exports.find_nbd(&export)?, mode));
                }
            }
        }
    }

    /// Lets nobody in any more and hangs up on all that are there. Polls until their requests have
    /// ended and the socket is gone.
    ///
    /// QEMU: `nbd_server_free` (blockdev-nbd.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn close(&self) {
        self.closing.close();
        let connections = self.connections.borrow().clone();
        for connection in connections {
            connection.close();
        }
        self.context
            .poll_while(|| self.doors.get() > 0 || self.clients() > 0);
    }
}

/// The exports as the handshake asks for them.
struct Known<'a>(&'a Weak<Daemon>);

impl KnownExports for Known<'_> {
    fn list(&self) -> Vec<(String, Option<String>)> {
        let Some(daemon) = self.0.upgrade() else {
            return Vec::new();
        };
        let open = daemon.exports.open_nbd();
        open.iter()
            .map(|export| (export.name().to_owned(), export.description()))
            .collect()
    }

    fn find(&self, name: &str) -> Option<Exported> {
        let daemon = self.0.upgrade()?;
        Some(daemon.exports.find_nbd(name)?.told())
    }
}
