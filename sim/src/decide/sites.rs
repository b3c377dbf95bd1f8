//! The sites that were seen, each with a small number.

use blockjob_runtime::decide::Site;

use super::digest::fnv64;

/// A site that has asked.
pub(crate) struct Known {
    /// The site itself, or the first of those that share its name.
    pub(crate) site: &'static Site,
    /// A hash of its name: what digests know it by, since numbers depend on who asked first.
    pub(crate) hash: u64,
    /// How often it wants another answer than 0 when its question does not say.
    pub(crate) odds: Option<u32>,
}

#[derive(Clone, Copy)]
struct Slot {
    /// The address of a site; 0 where the slot is free.
    address: usize,
    number: u16,
}

const FREE: Slot = Slot {
    address: 0,
    number: 0,
};

/// Numbers for sites, in the order in which they first asked.
///
/// A site is found by its address, which costs one multiplication. Addresses differ from process to
/// process, but they only decide where in the table a number stands, never which number it is.
pub(crate) struct SiteTable {
    /// A power of two of slots, at least half of them free.
    slots: Vec<Slot>,
    addresses: usize,
    known: Vec<Known>,
}

impl SiteTable {
    pub(crate) fn new() -> Self {
        SiteTable {
            slots: vec![FREE; 64],
            addresses: 0,
            known: Vec::new(),
        }
    }

    /// The number of `site`, which is given one if it has none.
    ///
    /// # Panics
    ///
    /// If the name has characters that no log can carry, or there are more than 65,536 names.
    #[inline]
    pub(crate) fn number(&mut self, site: &'static Site) -> u16 {
        let address = address(site);
        let mut at = self.home(address);
        loop {
            let slot = self.slots[at];
            if slot.address == address {
                return slot.number;
            }
            if slot.address == 0 {
                return self.add(site);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    #[inline]
    pub(crate) fn known(&self, number: u16) -> &Known {
        &self.known[usize::from(number)]
    }

    pub(crate) fn known_mut(&mut self, number: u16) -> &mut Known {
        &mut self.known[usize::from(number)]
    }

    pub(crate) fn all_mut(&mut self) -> &mut [Known] {
        &mut self.known
    }

    #[inline]
    fn home(&self, address: usize) -> usize {
        let spread = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (spread >> 32) as usize & (self.slots.len() - 1)
    }

    #[cold]
    fn add(&mut self, site: &'static Site) -> u16 {
        // The compiler may give a site that is no `static` several addresses: the name decides.
        let known = self.known.iter().position(|it| it.site == site);
        let index = known.unwrap_or_else(|| {
            assert!(
                is_site_name(site.name),
                "a site has the name {:?}, which a decision log cannot carry: letters, digits, '.', \
                 '_' and '-' alone",
                site.name
            );
            self.known.push(Known {
                site,
                hash: fnv64(site.name.as_bytes()),
                odds: None,
            });
            self.known.len() - 1
        });
        let number = u16::try_from(index).expect("a program has fewer than 65,536 sites");
        self.addresses += 1;
        if self.addresses * 2 > self.slots.len() {
            let old = std::mem::take(&mut self.slots);
            self.slots = vec![FREE; old.len() * 2];
            for slot in old.into_iter().filter(|slot| slot.address != 0) {
                self.place(slot);
            }
        }
        self.place(Slot {
            address: address(site),
            number,
        });
        number
    }

    fn place(&mut self, slot: Slot) {
        let mut at = self.home(slot.address);
        while self.slots[at].address != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = slot;
    }
}

#[inline]
fn address(site: &'static Site) -> usize {
    std::ptr::from_ref(site).addr()
}

/// Whether a log can name a site so: letters, digits, '.', '_' and '-', at least one.
pub(crate) fn is_site_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.bytes().all(fits)
}
