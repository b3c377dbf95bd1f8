//! What a `mem` node stores: a sparse disk that can also be looked at from outside.

use std::cell::{Cell, RefCell};

use super::fill::Fill;
use crate::driver::BlockStatus;
use crate::driver::pages::{Page, PageStore};

/// A disk in memory. It costs what was written to it, whatever its length.
///
/// All methods work at once: tests and simulated disks use them to look behind a node's back.
pub struct MemDisk {
    fill: Fill,
    /// Up to here, pages that were never written show the filling; behind it, zeroes: the disk
    /// was once shorter.
    fill_end: Cell<u64>,
    len: Cell<u64>,
    store: RefCell<PageStore>,
}

impl MemDisk {
    /// A disk of `len` bytes that shows `fill` until it is written to, kept in pages of
    /// `page_bytes`, a power of two.
    pub fn new(len: u64, fill: Fill, page_bytes: u64) -> Self {
        MemDisk {
            fill,
            fill_end: Cell::new(len),
            len: Cell::new(len),
            store: RefCell::new(PageStore::new(page_bytes)),
        }
    }

    /// Takes all of it out; an empty one is left.
    pub(super) fn take(&self) -> MemDisk {
        let page_bytes = self.store.borrow().page_bytes();
        MemDisk {
            fill: self.fill,
            fill_end: Cell::new(self.fill_end.take()),
            len: Cell::new(self.len.take()),
            store: RefCell::new(self.store.replace(PageStore::new(page_bytes))),
        }
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len.get()
    }

    /// True if it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if all of `bytes` from `offset` on lie in the disk.
    pub fn contains(&self, offset: u64, bytes: u64) -> bool {
        offset
            .checked_add(bytes)
            .is_some_and(|end| end <= self.len())
    }

    /// Fills `buf` from `offset` on; behind the end are zeroes.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) {
        let store = self.store.borrow();
        for part in store.parts(offset, buf.len()) {
            let out = &mut buf[part.at..part.at + part.bytes];
            match store.get(part.page) {
                Some(Page::Data(bytes)) => {
                    out.copy_from_slice(&bytes[part.within..part.within + part.bytes]);
                }
                Some(Page::Zero) => out.fill(0),
                None => self.read_filling(offset + part.at as u64, out),
            }
        }
    }

    fn read_filling(&self, offset: u64, out: &mut [u8]) {
        let filled = self.fill_end.get().saturating_sub(offset);
        let (shown, behind) = out.split_at_mut(out.len().min(filled as usize));
        self.fill.show(offset, shown);
        behind.fill(0);
    }

    /// Writes `data` at `offset`.
    ///
    /// # Panics
    ///
    /// If it ends behind the end of the disk.
    pub fn write_at(&self, offset: u64, data: &[u8]) {
        self.check(offset, data.len() as u64);
        let mut store = self.store.borrow_mut();
        for part in store.parts(offset, data.len()) {
            let bytes = self.page_mut(&mut store, part.page, part.bytes);
            bytes[part.within..part.within + part.bytes]
                .copy_from_slice(&data[part.at..part.at + part.bytes]);
        }
    }

    /// Makes a range read as zeroes. Whole pages lose their memory if `unmap` says so, and no page
    /// gets any for it that had none.
    ///
    /// # Panics
    ///
    /// If it ends behind the end of the disk.
    pub fn zero_at(&self, offset: u64, bytes: u64, unmap: bool) {
        self.check(offset, bytes);
        let mut store = self.store.borrow_mut();
        for part in store.parts(offset, bytes as usize) {
            let is_whole = self.is_whole(&store, part.page, part.within, part.bytes);
            let is_data = matches!(store.get(part.page), Some(Page::Data(_)));
            if is_whole && (unmap || !is_data) {
                self.free(&mut store, part.page);
            } else if is_data || !self.reads_as_zero(&store, part.page) {
                let page = self.page_mut(&mut store, part.page, part.bytes);
                page[part.within..part.within + part.bytes].fill(0);
            }
        }
    }

    /// Gives a range up: whole pages read as zeroes and take no memory, parts of pages stay as
    /// they are.
    ///
    /// # Panics
    ///
    /// If it ends behind the end of the disk.
    pub fn discard_at(&self, offset: u64, bytes: u64) {
        self.check(offset, bytes);
        let mut store = self.store.borrow_mut();
        for part in store.parts(offset, bytes as usize) {
            if self.is_whole(&store, part.page, part.within, part.bytes) {
                self.free(&mut store, part.page);
            }
        }
    }

    /// Changes the length. New bytes are zeroes.
    pub fn set_len(&self, len: u64) {
        self.fill_end.set(self.fill_end.get().min(len));
        self.store.borrow_mut().cut(len);
        self.len.set(len);
    }

    /// What is known of `bytes`, more than 0, from `offset` on.
    pub fn status_at(&self, offset: u64, bytes: u64) -> BlockStatus {
        let store = self.store.borrow();
        let zero = self.reads_as_zero(&store, offset / store.page_bytes());
        let run = store.run(offset, bytes, |page| {
            self.reads_as_zero(&store, page) == zero
        });
        if zero {
            BlockStatus::zero(run)
        } else {
            BlockStatus::data(run)
        }
    }

    /// True if all of a page is known to be zeroes.
    fn reads_as_zero(&self, store: &PageStore, page: u64) -> bool {
        match (store.get(page), self.fill) {
            (Some(Page::Data(_)), _) => false,
            (Some(Page::Zero), _) | (None, Fill::Zeroes) => true,
            (None, Fill::Noise(_)) => page * store.page_bytes() >= self.fill_end.get(),
        }
    }

    /// How many bytes of memory the disk takes up.
    pub fn allocated_bytes(&self) -> u64 {
        self.store.borrow().data_bytes()
    }

    fn check(&self, offset: u64, bytes: u64) {
        assert!(
            self.contains(offset, bytes),
            "{bytes} bytes at {offset} of a disk of {}",
            self.len()
        );
    }

    fn is_whole(&self, store: &PageStore, page: u64, within: usize, bytes: usize) -> bool {
        let page_bytes = store.page_bytes();
        let end = page * page_bytes + (within + bytes) as u64;
        // The last page may end with the disk.
        within == 0 && (bytes as u64 == page_bytes || end == self.len())
    }

    fn free(&self, store: &mut PageStore, page: u64) {
        match self.fill {
            Fill::Zeroes => store.remove(page),
            Fill::Noise(_) => store.set_zero(page),
        }
    }

    /// A page to write `bytes` of to.
    fn page_mut<'a>(&self, store: &'a mut PageStore, page: u64, bytes: usize) -> &'a mut [u8] {
        let page_bytes = store.page_bytes();
        store.data_mut(page, |filling| {
            // What is about to be overwritten need not be made up first.
            if bytes < filling.len() {
                self.read_filling(page * page_bytes, filling);
            }
        })
    }
}
