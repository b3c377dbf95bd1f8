//! Bytes in pages that exist only where somebody wrote: the memory of `mem` and `overlay`.

use std::collections::BTreeMap;

/// What a page that is kept holds. Of a page that is not kept the owner knows what it reads as.
pub(super) enum Page {
    /// Zeroes, for which no memory is needed.
    Zero,
    /// Its own bytes.
    Data(Box<[u8]>),
}

/// The pages of one disk, by number.
pub(super) struct PageStore {
    page_bytes: u64,
    pages: BTreeMap<u64, Page>,
}

/// The part of a request that lies in one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The number of the page.
    pub(super) page: u64,
    /// Where the part begins in the page.
    pub(super) within: usize,
    /// Where the part begins in the request.
    pub(super) at: usize,
    /// How long it is.
    pub(super) bytes: usize,
}

impl PageStore {
    /// No pages yet.
    ///
    /// # Panics
    ///
    /// If `page_bytes` is not a power of two.
    pub(super) fn new(page_bytes: u64) -> Self {
        assert!(page_bytes.is_power_of_two(), "page of {page_bytes} bytes");
        PageStore {
            page_bytes,
            pages: BTreeMap::new(),
        }
    }

    pub(super) fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// Cuts a request at the borders of pages.
    pub(super) fn parts(&self, offset: u64, len: usize) -> impl Iterator<Item = Part> + use<> {
        let page_bytes = self.page_bytes;
        let mut at = 0;
        std::iter::from_fn(move || {
            if at == len {
                return None;
            }
            let place = offset + at as u64;
            let within = (place % page_bytes) as usize;
            let bytes = (len - at).min(page_bytes as usize - within);
            let part = Part {
                page: place / page_bytes,
                within,
                at,
                bytes,
            };
            at += bytes;
            Some(part)
        })
    }

    pub(super) fn get(&self, page: u64) -> Option<&Page> {
        self.pages.get(&page)
    }

    /// The bytes of a page, to be written to. One that was not kept is made by `fill` out of
    /// zeroes.
    pub(super) fn data_mut(&mut self, page: u64, fill: impl FnOnce(&mut [u8])) -> &mut [u8] {
        let page_bytes = self.page_bytes as usize;
        let zeroes = || vec![0; page_bytes].into_boxed_slice();
        let kept = self.pages.entry(page).or_insert_with(|| {
            let mut bytes = zeroes();
            fill(&mut bytes);
            Page::Data(bytes)
        });
        if let Page::Zero = kept {
            *kept = Page::Data(zeroes());
        }
        match kept {
            Page::Data(bytes) => bytes,
            Page::Zero => unreachable!("it was given bytes"),
        }
    }

    /// The page reads as zeroes from now on and takes no memory.
    pub(super) fn set_zero(&mut self, page: u64) {
        self.pages.insert(page, Page::Zero);
    }

    /// The page is not kept any more.
    pub(super) fn remove(&mut self, page: u64) {
        self.pages.remove(&page);
    }

    /// A disk ends at `len` from now on: nothing that lies behind is kept, and what is kept of
    /// the last page is zero behind the end.
    pub(super) fn cut(&mut self, len: u64) {
        drop(self.pages.split_off(&len.div_ceil(self.page_bytes)));
        let within = (len % self.page_bytes) as usize;
        if within != 0
            && let Some(Page::Data(bytes)) = self.pages.get_mut(&(len / self.page_bytes))
        {
            bytes[within..].fill(0);
        }
    }

    /// For how many bytes from `offset` on, at most `bytes`, `same` is true of the page number. Of
    /// the first page it must be.
    pub(super) fn run(&self, offset: u64, bytes: u64, same: impl Fn(u64) -> bool) -> u64 {
        let end = offset + bytes;
        let mut page = offset / self.page_bytes;
        debug_assert!(same(page));
        while page * self.page_bytes < end && same(page) {
            page += 1;
        }
        (page * self.page_bytes).min(end) - offset
    }

    /// How many bytes of memory the pages take up.
    pub(super) fn data_bytes(&self) -> u64 {
        let data = self.pages.values().filter(|p| matches!(p, Page::Data(_)));
        data.count() as u64 * self.page_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_cut_at_the_borders_of_pages() {
        let store = PageStore::new(16);
        let parts: Vec<_> = store
            .parts(14, 20)
            .map(|p| (p.page, p.within, p.at, p.bytes))
            .collect();
        assert_eq!(parts, [(0, 14, 0, 2), (1, 0, 2, 16), (2, 0, 18, 2)]);
        assert_eq!(store.parts(16, 0).count(), 0);
        assert_eq!(store.parts(16, 16).count(), 1);
    }

    #[test]
    fn what_was_cut_off_is_zero_when_the_disk_grows_again() {
        let mut store = PageStore::new(16);
        store.data_mut(0, |_| ()).fill(7);
        store.data_mut(1, |_| ()).fill(7);
        store.cut(4);
        assert!(store.get(1).is_none());
        let bytes = store.data_mut(0, |_| unreachable!("the page is kept"));
        assert_eq!(bytes[..4], [7; 4]);
        assert_eq!(bytes[4..], [0; 12]);
    }

    #[test]
    fn a_run_ends_with_its_kind_or_its_request() {
        let mut store = PageStore::new(16);
        store.set_zero(1);
        store.set_zero(2);
        let zero = |page| matches!(store.get(page), Some(Page::Zero));
        assert_eq!(store.run(20, 100, zero), 28);
        assert_eq!(store.run(20, 10, zero), 10);
        assert_eq!(store.run(0, 100, |page| store.get(page).is_none()), 16);
    }
}
