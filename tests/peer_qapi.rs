//! Our JSON and our schema beside those of `qemu-storage-daemon`: the same bytes go to its parser and to
//! ours, and what we announce must exist there.
//!
//! Without the peer on the machine these tests say so and do nothing.

#[path = "peer_qapi/json.rs"]
mod json;
#[path = "peer_qapi/peer.rs"]
mod peer;
#[path = "peer_qapi/schema.rs"]
mod schema;
