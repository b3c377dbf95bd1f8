//! Small requests that are done at once, in the thread of the event loop, because nothing can make
//! them wait: what lives in memory, and what the page cache holds. A thread would be asked, woken and
//! listened to for longer than the work takes.
//!
//! Nobody may keep the loop to himself by it: so much of an image in one pass, and the rest takes the
//! long way, which gives others their turn.

use std::cell::Cell;
use std::io::IoSliceMut;

use blockjob_runtime::AioContext;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use rustix::io::ReadWriteFlags;

use super::handle::FileHandle;
use crate::error::BlockError;

/// The longest request that is done at once.
const MAX_BYTES: usize = 16 << 10;
/// So much is done at once in one pass of the loop, and for one image.
const MAX_PASS_BYTES: usize = 256 << 10;

/// How much of an image was done at once in the present pass.
#[derive(Clone, Default)]
pub(super) struct AtOnce {
    pass_ns: Cell<u64>,
    spent_bytes: Cell<usize>,
    /// Requests done at once so far.
    requests: Cell<u64>,
}

impl AtOnce {
    /// Whether a request of so many bytes may be done in this pass; if so, it counts.
    pub(super) fn may(&self, context: &AioContext, bytes: usize) -> bool {
        if bytes > MAX_BYTES {
            return false;
        }
        let pass_ns = context.pass_ns();
        if self.pass_ns.replace(pass_ns) != pass_ns {
            self.spent_bytes.set(0);
        }
        let spent = self.spent_bytes.get() + bytes;
        if spent > MAX_PASS_BYTES {
            return false;
        }
        self.spent_bytes.set(spent);
        true
    }

    /// One was done.
    pub(super) fn done(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// Requests done at once so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.get()
    }
}

impl FileHandle {
    /// Whether the file lives in memory, so that no request waits for a device.
    pub(super) fn find_out_if_in_memory(&mut self) {
        let statfs = fstatfs(&self.fd);
        let tmpfs = statfs.is_ok_and(|statfs| statfs.filesystem_type() == TMPFS_MAGIC);
        self.in_memory = tmpfs && self.is_regular() && !self.direct;
    }

    /// See [`find_out_if_in_memory`](Self::find_out_if_in_memory).
    pub(super) fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// Fills `buffer` from `offset_bytes` on, if that needs no waiting; else `None`, and the buffer holds
    /// anything.
    pub(super) fn pread_at_once(
        &self,
        offset_bytes: u64,
        buffer: &mut [u8],
    ) -> Option<Result<(), BlockError>> {
        if self.in_memory {
            return Some(self.pread(offset_bytes, buffer));
        }
        if self.direct || !self.is_regular() {
            return None;
        }
        let len = buffer.len();
        let slices = &mut [IoSliceMut::new(buffer)];
        let read = rustix::io::preadv2(&self.fd, slices, offset_bytes, ReadWriteFlags::NOWAIT);
        // A short read may end where the cache does, or the file: the long way finds out.
        // If it fails, the long way fails as well, and has the words for it.
        (read == Ok(len)).then_some(Ok(()))
    }
}
