//! Sockets, pipes and terminals of a context.
//!
//! Each real context watches its own descriptors, in its own thread: nobody else hears of them, and
//! nothing that happens to them crosses threads. [`Async`] makes a descriptor one of the current
//! context's; [`Async::into_inner`] gives it back, bare, to be sent wherever it may be needed.
//!
//! QEMU: `aio_set_fd_handler` (util/aio-posix.c), with util/fdmon-epoll.c behind it.

mod descriptor;
mod descriptors;
mod source;
mod stream;

pub use descriptor::Async;
pub use descriptors::Descriptors;
pub(crate) use descriptors::Look;
