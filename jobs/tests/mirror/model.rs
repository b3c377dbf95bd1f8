//! What a disk may read as, given what its guests were told.
//!
//! A sector holds one of a few *contents*. A write that has ended leaves its own, unless others
//! overlapped with it: then any of theirs. A read returns one of those that were possible at some
//! moment while it was under way.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

pub(crate) const SECTOR: u64 = 512;

/// A byte that fills a sector; or [`INITIAL`], what was there in the beginning.
pub(crate) type Content = u16;
const INITIAL: Content = 256;

#[derive(Clone)]
struct Sector {
    possible: Vec<Content>,
    /// Those of the writes since there was last none under way.
    group: Vec<Content>,
    under_way: u32,
    /// A discard is in the group: what was there may still be.
    keeps_old: bool,
}

struct Reading {
    first: usize,
    allowed: Vec<Vec<Content>>,
}

/// A write under way.
pub(crate) struct Writing {
    first: usize,
    last: usize,
}

pub(crate) struct Model {
    initial: Vec<u8>,
    sectors: RefCell<Vec<Sector>>,
    readings: RefCell<BTreeMap<u64, Reading>>,
    next_reading: Cell<u64>,
}

fn add(contents: &mut Vec<Content>, more: &[Content]) {
    for content in more {
        if !contents.contains(content) {
            contents.push(*content);
        }
    }
}

impl Model {
    pub(crate) fn new(initial: Vec<u8>) -> Self {
        let sectors = initial.len().div_ceil(SECTOR as usize);
        let sector = Sector {
            possible: vec![INITIAL],
            group: Vec::new(),
            under_way: 0,
            keeps_old: false,
        };
        Model {
            initial,
            sectors: RefCell::new(vec![sector; sectors]),
            readings: RefCell::default(),
            next_reading: Cell::new(0),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.initial.len() as u64
    }

    /// A write of whole sectors begins; `discards` says that it may leave what is there.
    pub(crate) fn begin_write(
        &self,
        offset: u64,
        bytes: u64,
        content: Content,
        discards: bool,
    ) -> Writing {
        let first = (offset / SECTOR) as usize;
        let last = ((offset + bytes - 1) / SECTOR) as usize;
        for sector in &mut self.sectors.borrow_mut()[first..=last] {
            sector.under_way += 1;
            sector.keeps_old |= discards;
            add(&mut sector.group, &[content]);
        }
        for reading in self.readings.borrow_mut().values_mut() {
            let end = reading.first + reading.allowed.len();
            for sector in first.max(reading.first)..(last + 1).min(end) {
                add(&mut reading.allowed[sector - reading.first], &[content]);
            }
        }
        Writing { first, last }
    }

    /// The guest was told that the write has ended.
    pub(crate) fn end_write(&self, writing: &Writing) {
        for sector in &mut self.sectors.borrow_mut()[writing.first..=writing.last] {
            sector.under_way -= 1;
            if sector.under_way > 0 {
                continue;
            }
            let group = std::mem::take(&mut sector.group);
            if std::mem::take(&mut sector.keeps_old) {
                add(&mut sector.possible, &group);
            } else {
                sector.possible = group;
            }
        }
    }

    pub(crate) fn begin_read(&self, offset: u64, bytes: u64) -> u64 {
        let first = (offset / SECTOR) as usize;
        let last = ((offset + bytes - 1) / SECTOR) as usize;
        let sectors = self.sectors.borrow();
        let allowed = sectors[first..=last].iter().map(|sector| {
            let mut allowed = sector.possible.clone();
            add(&mut allowed, &sector.group);
            allowed
        });
        let reading = Reading {
            first,
            allowed: allowed.collect(),
        };
        let id = self.next_reading.get();
        self.next_reading.set(id + 1);
        self.readings.borrow_mut().insert(id, reading);
        id
    }

    pub(crate) fn end_read(&self, id: u64, data: &[u8]) {
        let reading = self.readings.borrow_mut().remove(&id);
        let reading = reading.expect("it was begun");
        for (index, (data, allowed)) in data
            .chunks(SECTOR as usize)
            .zip(&reading.allowed)
            .enumerate()
        {
            self.check(reading.first + index, data, allowed, "a read");
        }
    }

    /// Whether something is being written in a range.
    pub(crate) fn is_being_written(&self, offset: u64, bytes: u64) -> bool {
        let first = (offset / SECTOR) as usize;
        let last = ((offset + bytes - 1) / SECTOR) as usize;
        let sectors = self.sectors.borrow();
        sectors[first..=last]
            .iter()
            .any(|sector| sector.under_way > 0)
    }

    /// All of a disk is what it may be. Nothing must be under way.
    pub(crate) fn assert_legal(&self, disk: &[u8], what: &str) {
        assert_eq!(disk.len(), self.initial.len(), "{what}");
        let sectors = self.sectors.borrow();
        for (index, data) in disk.chunks(SECTOR as usize).enumerate() {
            assert_eq!(
                sectors[index].under_way, 0,
                "sector {index} is being written"
            );
            self.check(index, data, &sectors[index].possible, what);
        }
    }

    fn check(&self, sector: usize, data: &[u8], allowed: &[Content], what: &str) {
        let start = sector * SECTOR as usize;
        let legal = allowed.iter().any(|content| match *content {
            INITIAL => data == &self.initial[start..start + data.len()],
            fill => data.iter().all(|byte| u16::from(*byte) == fill),
        });
        assert!(
            legal,
            "{what}: sector {sector} holds {:02x?}.., and may hold {allowed:?}",
            &data[..data.len().min(8)]
        );
    }
}
