//! A client on its way from one context to another.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use blockjob_block::nbd::server::Outbox;

use super::connection::{Connection, Line};
use super::export::NbdExport;
use super::room::Ticket;
use super::session::{Session, Standing};
use super::socket::Socket;
use crate::daemon::Daemon;
use crate::monitor::{Io, say};

/// A client that no context has: its socket, and how far it has come.
pub(super) struct PackedClient {
    socket: OwnedFd,
    ticket: Ticket,
    standing: Standing,
    /// Replies that have not gone.
    outbox: Outbox,
}

impl PackedClient {
    /// Takes the client of `connection`; none if it has gone already.
    pub(super) fn take(
        connection: &Connection,
        standing: impl FnOnce() -> Standing,
    ) -> Option<PackedClient> {
        let (socket, ticket) = connection.take_socket()?;
        Some(PackedClient {
            socket,
            ticket,
            standing: standing(),
            outbox: connection.outbox.take(),
        })
    }

    /// Goes on with it here, in a coroutine of its own.
    pub(super) fn unpack(self, export: &Rc<NbdExport>) {
        let io = match Io::new(self.socket) {
            Ok(io) => io,
            // The client sees the end.
            Err(error) => return say::line(&format!("NBD server: {error}")),
        };
        let line = Line::Socket(Socket::new(Rc::new(io)));
        let connection = Rc::new(Connection::new(line, self.ticket));
        connection.outbox.replace(self.outbox);
        let session = Session::new(export, &connection, self.standing);
        let (client, of) = (connection.clone(), export.clone());
        export.add(&session);
        let coroutine = export.context().coroutine("nbd_client", async move {
            session.run().await;
            of.remove(&session);
            client.close();
            client.reader.replace(None);
            drop(client.ticket.take());
        });
        connection.reader.replace(Some(coroutine.clone()));
        coroutine.wake();
    }
}

/// Brings a client to the export that it knows as `name`, wherever that is: it may be on its way
/// somewhere else meanwhile, and then this goes after it. If there is none, the client is hung up on.
/// Called in the main context.
pub(super) fn bring(daemon: &Rc<Daemon>, name: String, client: PackedClient) {
    let names = daemon.common().names.lock();
    let Some(home) = names.nbd_export(&name).map(|named| named.home.clone()) else {
        return;
    };
    drop(names);
    let Some(other) = daemon.contexts.daemon_of(&home) else {
        match daemon.exports.find_nbd(&name) {
            Some(export) => client.unpack(&export),
            // It has left, and not arrived.
            None => daemon
                .common()
                .post_to_main("nbd client", move |daemon| bring(daemon, name, client)),
        }
        return;
    };
    other.post("nbd client", move |daemon| {
        match daemon.exports.find_nbd(&name) {
            Some(export) => client.unpack(&export),
            None => daemon
                .common()
                .post_to_main("nbd client", move |daemon| bring(daemon, name, client)),
        }
    });
}
