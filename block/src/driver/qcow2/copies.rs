//! Copies of the guest's past, which tables in the file may only follow.
//!
//! A write to a part of a cluster that the image did not have yet fills the rest of it with what the guest reads
//! there. The guest may have flushed that long ago, so it must not be lost: no table that points to the
//! cluster may reach the disk before the copy does. A flush sees to that for all tables. But `imago` also writes
//! tables on its own: when its caches are full, and when clusters are given out after others were given up.
//! Before such a write two things are waited for: the copies that have a mapping and no data yet, and a flush
//! of the file.
//!
//! Whoever copies asks nothing of `imago` between the mapping and the end of the data, so nobody waits in a ring.
//!
//! QEMU links the cluster only when its data is there (`qcow2_alloc_cluster_link_l2`, block/qcow2-cluster.c), and has
//! the table wait for a flush (`qcow2_cache_depends_on_flush`, block/qcow2-cache.c).

use std::cell::{Cell, RefCell};

use blockjob_runtime::CoQueue;

use super::file::File;
use crate::error::{BlockError, BlockResult};

/// See the module.
#[derive(Default)]
pub(super) struct Copies {
    /// So many have a mapping, and their data is on its way.
    open: Cell<u64>,
    /// So many have their data in the file, and of so many that is known to be safe from a crash.
    landed: Cell<u64>,
    safe: Cell<u64>,
    /// Data that did not get there, and whose mapping was not taken back yet.
    failed: RefCell<Option<BlockError>>,
    closed: CoQueue,
}

impl Copies {
    /// What was known in another context, where none is open any more: something has landed, and may not be safe.
    pub(super) fn again(landed: bool) -> Copies {
        let copies = Copies::default();
        copies.landed.set(u64::from(landed));
        copies
    }

    /// Whether a table written now could point to what a crash would lose.
    pub(super) fn are_owed(&self) -> bool {
        self.open.get() > 0 || self.have_landed() || self.failed.borrow().is_some()
    }

    /// Whether some have their data in the file, but perhaps not on the disk.
    pub(super) fn have_landed(&self) -> bool {
        self.landed.get() != self.safe.get()
    }

    /// Brings data to clusters that were mapped for it at this moment, and which it fills.
    pub(super) async fn land(
        &self,
        write: impl Future<Output = BlockResult<()>>,
    ) -> BlockResult<()> {
        self.open.set(self.open.get() + 1);
        let open = Open(self);
        let written = write.await;
        match &written {
            Ok(()) => self.have_come(),
            Err(error) => {
                self.failed.borrow_mut().get_or_insert(error.clone());
            }
        }
        drop(open);
        written
    }

    /// Data is in the file, to which a table may point from now on.
    pub(super) fn have_come(&self) {
        self.landed.set(self.landed.get() + 1);
    }

    /// The mappings of those that have failed are being taken back by whoever has the image alone.
    pub(super) fn are_taken_back(&self) {
        self.failed.take();
    }

    /// Flushes the file if something has landed there since that was last done well.
    pub(super) async fn make_safe(&self, file: &File) -> BlockResult<()> {
        let landed = self.landed.get();
        if landed != self.safe.get() {
            file.flush().await?;
            self.safe.set(landed);
        }
        Ok(())
    }

    /// Returns when a table may be written as it was when this was called.
    ///
    /// # Errors
    ///
    /// If the data of a copy could not be written, or not be made safe: then nothing may point to it.
    pub(super) async fn settle(&self, file: &File) -> BlockResult<()> {
        while self.open.get() > 0 {
            self.closed.wait().await;
        }
        if let Some(error) = &*self.failed.borrow() {
            return Err(error.clone());
        }
        self.make_safe(file).await
    }
}

/// Data on its way.
struct Open<'a>(&'a Copies);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        if self.0.open.get() == 0 {
            self.0.closed.wake_all();
        }
    }
}
