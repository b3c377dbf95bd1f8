//! The block layer: nodes and the graph they make, requests, drained sections, dirty bitmaps.
//!
//! This is QEMU's block layer in async Rust, as far as jobs need it. A [`Node`] has a
//! [`Driver`](driver::Driver) and children; guests, exports and jobs use it through a
//! [`BlockBackend`]. A [`Graph`] is changed only in its context and only around nodes that are drained
//! ([`Drained`]), which is why it needs no lock. Nodes that are connected live in one context, and go to
//! another one as a family ([`moving`]).
#![forbid(unsafe_code)]

pub mod backend;
pub mod bitmap;
pub mod buf;
pub mod child;
pub mod directory;
pub mod dirty_bitmap;
mod drain;
pub mod driver;
pub mod error;
pub mod error_policy;
mod filters;
pub mod graph;
mod graph_change;
mod graph_edge;
pub mod io;
pub mod marks;
pub mod moving;
pub mod nbd;
pub mod node;
mod oneshot;
pub mod op_blocker;
pub mod perm;
mod perm_update;
pub mod probe;
mod read_only;
pub mod request;
pub mod section;
pub mod settings;
mod status;
mod to_the_end;

pub use backend::BlockBackend;
pub use drain::Drained;
pub use error::{BlockError, BlockResult, ErrorKind};
pub use graph::Graph;
pub use node::Node;
pub use perm::{Perm, PermPair};
