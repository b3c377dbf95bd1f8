//! The client's side of NBD: the codec against hostile servers, and the driver over streams in memory to
//! a server that dies, hangs and changes as a test wants it. Time is virtual, so a wait for ever is a
//! panic.

#[path = "../common/mod.rs"]
mod common;

mod cancel;
mod dying;
mod fake;
mod garbage;
mod handshakes;
mod pipe;
mod reconnects;
mod replies;
mod requests;
