//! On which threads the requests of an image are carried out.
//!
//! The kernel lets one thread at a time write to a file through the page cache; others that try only
//! wait for the same lock. So buffered writes take turns on one thread, and while there are any it
//! does not sleep. Reads do not shut each other out, and direct I/O none of all. A flush waits for
//! nobody's turn.

use std::cell::OnceCell;

use blockjob_runtime::{AioContext, BlockingTask, Lane};

/// Threads that read through the page cache, at most: it is about as fast as memory.
const BUFFERED_READERS: usize = 4;
/// Threads that read, or write, past the page cache, at most.
const DIRECT_WORKERS: usize = 16;

/// What a request does, as far as its thread matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Read,
    /// Writes, zeroes, discards, changes the length.
    Write,
    Flush,
}

/// The lanes of one image; they are made when the first request comes, in its context.
pub(super) struct Lanes {
    direct: bool,
    lanes: OnceCell<(Lane, Lane)>,
}

impl Lanes {
    pub(super) fn new(direct: bool) -> Self {
        Lanes {
            direct,
            lanes: OnceCell::new(),
        }
    }

    /// True if no thread changes the image now, nor will before the caller is done.
    pub(super) fn no_writes(&self) -> bool {
        self.lanes.get().is_none_or(|(_, writes)| writes.is_idle())
    }

    pub(super) fn spawn<T: Send + 'static>(
        &self,
        context: &AioContext,
        way: Way,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> BlockingTask<T> {
        let (reads, writes) = self.lanes.get_or_init(|| match self.direct {
            true => (context.lane(DIRECT_WORKERS), context.lane(DIRECT_WORKERS)),
            false => (context.lane(BUFFERED_READERS), context.lane(1)),
        });
        match way {
            Way::Read => reads.spawn(job),
            Way::Write => writes.spawn(job),
            Way::Flush => context.spawn_blocking(job),
        }
    }
}
