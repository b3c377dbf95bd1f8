//! The network block device protocol: a codec for both sides, without sockets, clock or tasks.
//!
//! Bytes go in, events and bytes come out. What a side remembers between two calls is bounded by
//! the limits in [`proto`], whatever the other side sends, and no input makes it panic.
//!
//! Facts from the protocol's document, `doc/proto.md` of the NBD project; QEMU: include/block/nbd.h,
//! nbd/.

pub mod client;
pub mod proto;
pub mod server;
