//! Monitors over real sockets, with commands that are toys.
//!
//! Server and clients live in one context: a client is a coroutine, so nobody needs to sleep in order
//! to wait for somebody.

#[path = "monitor/bounds.rs"]
mod bounds;
#[path = "monitor/client.rs"]
mod client;
#[path = "monitor/doors.rs"]
mod doors;
#[path = "monitor/order.rs"]
mod order;
#[path = "monitor/people.rs"]
mod people;
#[path = "monitor/qmp.rs"]
mod qmp;
#[path = "monitor/toy.rs"]
mod toy;
