//! The server: who is let in, the handshakes, and the end.
//!
//! It is in the main context. A client that has chosen an export goes to where that is.
//!
//! QEMU: blockdev-nbd.c, `nbd_client_new` (nbd/server.c).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};

use blockjob_block::nbd::server::{Handshake, Inbox, Mode, Step};
use blockjob_runtime::{AioContext, Coroutine, Resident};
use futures_lite::FutureExt;

use super::client::{PackedClient, bring};
use super::connection::{Channel, Connection, Line};
use super::known::Known;
use super::room::Room;
use super::session::{Session, Standing};
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
    /// Those in this context: handshakes, and clients of exports here.
    connections: RefCell<Vec<Rc<Connection>>>,
    room: Rc<Room>,
    /// By which the clients in all contexts know it.
    room_name: Resident<Room>,
    closing: Latch,
    /// Listeners that have not ended.
    doors: Cell<usize>,
}

impl NbdServer {
    /// A server of all NBD exports of `daemon`.
    pub fn new(daemon: &Rc<Daemon>, options: NbdServerOptions) -> Rc<Self> {
        let room = Rc::<Room>::default();
        let room_name = daemon.context().settle(room.clone());
        Rc::new(NbdServer {
            context: daemon.context().clone(),
            daemon: Rc::downgrade(daemon),
            options,
            connections: RefCell::default(),
            room,
            room_name,
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
        self.room.taken()
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
                        self.serve_line(Line::Socket(Socket::new(io)));
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
                self.room.queue.wait().await;
            }
            Some(listener.accept().await)
        };
        closing.or(client).await
    }

    /// Serves a client whose stream stays in this context; so it can use the exports there, and keeps them
    /// from going elsewhere.
    pub fn serve(self: &Rc<Self>, channel: Box<dyn Channel>) {
        self.serve_line(Line::Other(channel));
    }

    /// QEMU: `nbd_client_new` (nbd/server.c).
    fn serve_line(self: &Rc<Self>, line: Line) {
        let ticket = self.room.take(&self.room_name);
        let connection = Rc::new(Connection::new(line, ticket));
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
            // Unless it has gone to another context.
            drop(client.ticket.take());
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
        let (Some((name, mode)), Some(daemon)) = (agreed, self.daemon.upgrade()) else {
            return;
        };
        let standing = Standing::new(mode, inbox);
        let Some(export) = daemon.exports.find_nbd(&name) else {
            // It is elsewhere, unless it has been closed meanwhile.
            if let Some(client) = PackedClient::take(connection, || standing) {
                bring(&daemon, name, client);
            }
            return;
        };
        drop(daemon);
        let session = Session::new(&export, connection, standing);
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
    ) -> Option<(String, Mode)> {
        let mut handshake = Handshake::new(&mut connection.outbox.borrow_mut());
        loop {
            let known = Known::of(&self.daemon.upgrade()?).await;
            let step = {
                let mut outbox = connection.outbox.borrow_mut();
                handshake.step(inbox, &known, &mut outbox)
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
                Step::Transmission { export, mode } => return Some((export, mode)),
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

impl Drop for NbdServer {
    fn drop(&mut self) {
        let _room = self.context.evict(&self.room_name);
    }
}
