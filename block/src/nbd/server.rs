//! The server's side of the protocol.
//!
//! A connection is an [`Inbox`] that whoever has the socket reads into, first a [`Handshake`] and
//! then a [`Requests`] that take from it, and an [`Outbox`] that is written to the socket. None of
//! them waits, and none has more memory than the client has earned: an option is at most
//! [`MAX_OPTION_DATA`](super::proto::MAX_OPTION_DATA) long, a payload at most
//! [`MAX_PAYLOAD`](super::proto::MAX_PAYLOAD), and its buffer is touched only as the bytes come.
//!
//! QEMU: nbd/server.c.

mod check;
mod handshake;
mod inbox;
mod options;
mod outbox;
mod reply;
mod requests;
#[cfg(test)]
mod tests;

pub use check::{Refusal, check};
pub use handshake::{Ended, Exported, Exports, Handshake, Mode, Step};
pub use inbox::Inbox;
pub use outbox::Outbox;
pub use reply::{MAX_EXTENTS, Replies};
pub use requests::{Lost, Next, Request, Requests};
