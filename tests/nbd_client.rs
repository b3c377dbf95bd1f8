//! The NBD client with real servers: `qemu-nbd` and `nbdkit` on unix sockets, whole, killed and stopped.
//!
//! Without the servers on the machine these tests say so and do nothing.

#[path = "nbd_client/copies.rs"]
mod copies;
#[path = "nbd_client/kills.rs"]
mod kills;
#[path = "nbd_client/kinds.rs"]
mod kinds;
#[path = "nbd_client/server.rs"]
mod server;
#[path = "nbd_client/world.rs"]
mod world;
