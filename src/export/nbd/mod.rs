//! The export kind `nbd`: a node over the network block device protocol.
//!
//! The protocol itself is in `blockjob_block::nbd`, without sockets; here are the sockets, the
//! coroutines and the requests to the node. docs/nbd.md says what is spoken.
//!
//! QEMU: nbd/server.c, blockdev-nbd.c.

mod client;
mod connection;
mod export;
mod known;
mod moving;
mod request;
mod room;
mod server;
mod session;
mod socket;

pub use connection::Channel;
pub use export::{NbdExport, NbdExportOptions};
pub use server::{
    DEFAULT_HANDSHAKE_MAX_SECS, DEFAULT_MAX_CONNECTIONS, NbdServer, NbdServerOptions,
};
