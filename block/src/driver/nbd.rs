//! The driver `nbd`: an export of a server, over whatever carries bytes there.
//!
//! [`NbdDriver::connect`] is given a [`Transport`], which opens a stream of bytes; nothing here knows
//! what it is made of. Requests of the node become commands of a
//! [`Transmission`](crate::nbd::client::Transmission), up to 16 at a time; those that come together go
//! out in one write.
//!
//! A connection may be lost at any byte. What becomes of requests then is one state:
//!
//! ```text
//!        connected                                  lost, and reconnect-delay > 0
//! ----> Up <------------------------------- Waiting <----------------------------- Up
//!       ^ |                                    |
//!       | | lost, and no reconnect-delay;      | reconnect-delay is over; cancel_in_flight
//!       | | cancel_in_flight                   v
//!       | +-----------------------------------> Down
//!       +-----------------------------------------+
//!        connected
//!
//! Up ----the server breaks the protocol----> Over
//! ```
//!
//! | state | what is in flight | what comes |
//! |---|---|---|
//! | `Up` | at the server | is sent |
//! | `Waiting` | is kept, and sent again on the next connection | is kept as well |
//! | `Down` | has failed, with `EIO` | fails, with `EIO` |
//! | `Over` | has failed, with `EIO` | fails, with `EIO`, for ever |
//!
//! In `Waiting` and `Down` a coroutine tries to connect, with growing pauses. It is no request: a
//! drained section does not wait for it, only for requests, and those end with the delay.
//!
//! When the node moves to another context its socket moves along, if the transport can hand it over: a
//! server that serves one client and ends with it must not notice. See `nbd/moving.rs`.
//!
//! QEMU: block/nbd.c, nbd/client-connection.c.

mod channel;
mod connect;
mod device;
mod engine;
mod moving;
mod outbox;
mod reconnect;
mod request;
mod transport;

pub use device::NbdDriver;
pub use transport::{ByteStream, Connecting, PackedStream, PackedTransport, Transport};

/// How an `nbd` node is made; the names are QEMU's options.
///
/// QEMU: `BlockdevOptionsNbd` (qapi/block-core.json).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NbdOptions {
    /// Which export of the server; the empty name is its default.
    pub export: String,
    /// For how long requests wait for a connection that was lost, in nanoseconds; 0 not to wait.
    pub reconnect_delay_ns: u64,
    /// For how long a node that is being made tries to connect again, in nanoseconds; 0 to try once.
    pub open_timeout_ns: u64,
}
