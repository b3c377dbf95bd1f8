//! The NBD server as its clients meet it: those of QEMU, libnbd and fio, one of our own that can be
//! kept waiting and misbehave, and hostile ones.
//!
//! Without a client on the machine its tests say so and do nothing. Every wait for another process is
//! bounded; nothing sleeps.

#[path = "nbd/bounded.rs"]
mod bounded;
#[path = "nbd/client.rs"]
mod client;
#[path = "nbd/clients.rs"]
mod clients;
#[path = "nbd/crowd.rs"]
mod crowd;
#[path = "nbd/drained.rs"]
mod drained;
#[path = "nbd/follows.rs"]
mod follows;
#[path = "nbd/replies.rs"]
mod replies;
#[path = "nbd/server.rs"]
mod server;
