//! Flushing, and why a failed flush can never be made good.

use blockjob_runtime::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;

use super::handle::FileHandle;
use crate::error::BlockError;

/// Remembers that a flush has failed (QEMU: `page_cache_inconsistent` in `block/file-posix.c`).
///
/// When writeback fails, Linux marks the pages clean all the same and reports the failure once.
/// A second `fdatasync` would succeed although the data never reached the disk, so after the
/// first failure every later flush must fail too. With `O_DIRECT` there are no such pages.
#[derive(Debug)]
pub struct FlushState {
    bypasses_page_cache: bool,
    /// The errno of the first failure, 0 before it. The number stands for itself and publishes
    /// no other memory, so relaxed ordering is enough.
    failed_errno: AtomicI32,
}

impl FlushState {
    /// A state before any flush; `bypasses_page_cache` says whether the file is open with `O_DIRECT`.
    pub fn new(bypasses_page_cache: bool) -> Self {
        Self {
            bypasses_page_cache,
            failed_errno: AtomicI32::new(0),
        }
    }

    /// Calls `fdatasync_once`, again if it was interrupted, unless an earlier flush has failed.
    ///
    /// # Errors
    ///
    /// The errno of this flush, or that of the first one that failed.
    pub fn run(&self, fdatasync_once: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
        let earlier = self.failed_errno.load(Ordering::Relaxed);
        if earlier != 0 {
            return Err(Errno::from_raw_os_error(earlier));
        }
        let result = rustix::io::retry_on_intr(fdatasync_once);
        if let Err(errno) = result
            && !self.bypasses_page_cache
        {
            // The first failure is the cause; one that another thread meets meanwhile is not.
            let _ = self.failed_errno.compare_exchange(
                0,
                errno.raw_os_error(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        result
    }
}

impl FileHandle {
    /// Returns once all writes that were complete before the call are on stable storage (QEMU:
    /// `handle_aiocb_flush()` in `block/file-posix.c`).
    ///
    /// # Errors
    ///
    /// The errno of `fdatasync`, now and, without `O_DIRECT`, for ever after on this handle.
    pub fn flush(&self) -> Result<(), BlockError> {
        self.flush_state
            .run(|| rustix::fs::fdatasync(&self.fd))
            .map_err(|errno| self.failed("Could not flush", errno))
    }

    /// Asks the page cache to forget the image, so that what is read next comes from the storage. It
    /// keeps what is not written back yet, and may keep more: an advice cannot fail, and where the
    /// cache is the storage (tmpfs) it does nothing.
    pub fn forget_cached(&self) {
        if !self.direct {
            let advised = rustix::fs::fadvise(&self.fd, 0, None, rustix::fs::Advice::DontNeed);
            if let Err(errno) = advised {
                tracing::debug!(%errno, "the page cache keeps an image");
            }
        }
    }
}
