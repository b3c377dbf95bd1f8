//! Entries of the tables of the first level that did not reach the file.
//!
//! `imago` enters a new table in the one above it, and then writes that entry. If the write fails, the
//! request does; but the entry stays in memory, the next request uses the new table, and nobody ever
//! writes the entry again. So a later flush would say that all is well, and whoever opens the image then
//! would find nothing of what that table maps. What was not written is kept here, and written by the
//! next flush, which fails if it cannot be.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::header::Header;

/// What is owed to the file, by its offset there; see the module.
#[derive(Default)]
pub(super) struct Owed(RefCell<BTreeMap<u64, Bytes>>);

impl Owed {
    /// All of it, for an image in another context.
    pub(super) fn take(&self) -> BTreeMap<u64, Bytes> {
        self.0.take()
    }

    /// What was owed in another context.
    pub(super) fn again(owed: BTreeMap<u64, Bytes>) -> Owed {
        Owed(RefCell::new(owed))
    }

    /// A write of `imago` has ended.
    pub(super) fn note(&self, header: &Header, offset: u64, data: &Bytes, done: bool) {
        let mut owed = self.0.borrow_mut();
        if done && owed.is_empty() {
            return;
        }
        let end = offset + data.len() as u64;
        // The newest counts, whether it was written or not.
        owed.retain(|at, old| at + (old.len() as u64) <= offset || end <= *at);
        if !done && is_in_a_table(header, offset, end) {
            owed.insert(offset, data.clone());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// What belongs to the tables as they are now. One that has moved was written as a whole.
    pub(super) fn of(&self, header: &Header) -> Vec<(u64, Bytes)> {
        let mut owed = self.0.borrow_mut();
        owed.retain(|at, data| is_in_a_table(header, *at, at + data.len() as u64));
        let owed = owed.iter();
        owed.map(|(at, data)| (*at, data.clone())).collect()
    }
}

/// Whether a range lies in the L1 table or in the refcount table. Tables further down are in caches, and
/// stay dirty there until they are written.
fn is_in_a_table(header: &Header, start: u64, end: u64) -> bool {
    let tables = [
        (header.l1_table_offset, u64::from(header.l1_entries) * 8),
        (
            header.refcount_table_offset,
            u64::from(header.refcount_table_clusters) * header.cluster_size(),
        ),
    ];
    tables
        .iter()
        .any(|(offset, bytes)| *offset <= start && end <= offset + bytes)
}
