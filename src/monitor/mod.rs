//! Monitors: where clients, programs and people, say what is to be done and are told what happens.
//!
//! A [`Chardev`] is a door; [`Monitors::add`] has a monitor answer at it. A monitor has one client at a
//! time, a *session*; who comes meanwhile waits before the door. Requests of all sessions are executed
//! one at a time, in turns, by a bottom half of the main context: never inside of a coroutine, so that
//! a command may poll. While it polls no other command begins, save those out of band.
//!
//! Events are written to every session that has agreed upon capabilities at the moment they happen, so
//! they stand in order with the replies. None is held back or merged with another: the peer does that
//! with some kinds, and who waits for such an event waits for ever if it is the one that is dropped.
//!
//! A client that does not read harms nobody. While 64 KiB of its replies are on their way nothing is
//! read from it; events pile up to 16 MiB, and then it is disconnected.
//!
//! QEMU: monitor/monitor.c, monitor/qmp.c, monitor/hmp.c.

mod capabilities;
mod chardev;
mod dispatch;
mod dispatcher;
mod events;
mod hmp;
mod latch;
mod monitors;
mod options;
mod output;
mod protocol;
mod request;
pub(crate) mod say;
mod session;
mod version;

pub use capabilities::qmp_capabilities;
pub use chardev::Chardev;
pub(crate) use chardev::{Io, Listener, Stream, listen};
pub use dispatch::Dispatch;
pub(crate) use latch::Latch;
pub use monitors::Monitors;
pub use options::{
    ChardevBackend, ChardevOptions, MonitorMode, MonitorOptions, SocketAddress, SocketOptions,
};
pub use version::{PACKAGE, version_info};
