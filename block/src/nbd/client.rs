//! The client's side of the protocol: bytes in, events and bytes out.
//!
//! First a [`Handshake`] asks for an export and learns its [`ExportInfo`]; then a [`Transmission`]
//! turns [`Command`]s into requests and replies back into [`Finished`] commands. Neither knows a
//! socket or a clock, waits for anything, or panics, whatever comes. Memory is bounded: by one reply
//! to an option in the handshake, and afterwards by the commands that are under way, of which there
//! are at most [`MAX_REQUESTS`](super::proto::MAX_REQUESTS).
//!
//! A server is trusted with the data alone. What it says about requests is checked against what was
//! asked: [`Violation`] is the one reason for which a connection ends before the other side ends it.
//!
//! QEMU: nbd/client.c, block/nbd.c.

mod command;
mod coverage;
mod export;
mod handshake;
mod option_reply;
mod transmission;
mod violation;

pub use command::Command;
pub use export::ExportInfo;
pub use handshake::{Handshake, HandshakeError};
pub use transmission::{Finished, Outcome, ServerError, Transmission};
pub use violation::Violation;
