//! What one write and one copied granule cost in the dirty bitmap: 2^24 granules, 2 MiB of bits.
//!
//! Offsets are random, one granule each, as those of a guest are. Each row keeps its map over all
//! rounds, so that nothing is paged in while it is measured.

#[path = "../../runtime/benches/runtime/table.rs"]
#[allow(dead_code)] // The other user of this file filters by title.
mod table;

use std::hint::black_box;

use blockjob_block::dirty_bitmap::{DirtyBitmap, DirtyIter};

use table::Table;

const GRANULARITY: u64 = 65536;
const GRANULES: u64 = 1 << 24;
/// Dirty granules to begin with, where they are taken away: more than all rounds take.
const PREPARED: u64 = 1 << 22;

/// Granules that look random and are the same in every run (xorshift64).
struct Granules(u64);

impl Granules {
    fn new() -> Self {
        Granules(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) % GRANULES
    }
}

fn clean() -> DirtyBitmap {
    DirtyBitmap::new(GRANULES * GRANULARITY, GRANULARITY).expect("the size is legal")
}

fn set() -> impl FnMut(u64) {
    let (mut bitmap, mut granules) = (clean(), Granules::new());
    move |ops| {
        for _ in 0..ops {
            bitmap.set(granules.next() * GRANULARITY, 512);
        }
        black_box(bitmap.count());
    }
}

/// The least that can be done: a bit in a word, without a count and without a way to find it again.
fn set_a_bit_by_hand() -> impl FnMut(u64) {
    let (mut words, mut granules) = (vec![0_u64; GRANULES as usize / 64], Granules::new());
    move |ops| {
        for _ in 0..ops {
            let granule = granules.next();
            words[granule as usize / 64] |= 1 << (granule % 64);
        }
        black_box(&words);
    }
}

fn iterate_and_clear() -> impl FnMut(u64) {
    let (mut bitmap, mut granules) = (clean(), Granules::new());
    for _ in 0..PREPARED {
        bitmap.set(granules.next() * GRANULARITY, 512);
    }
    let mut iter = DirtyIter::new();
    move |ops| {
        for _ in 0..ops {
            let offset = iter.next(&bitmap).expect("prepared for all rounds");
            bitmap.clear(offset, GRANULARITY);
        }
        black_box(bitmap.count());
    }
}

/// The least that can be done: take the lowest bit out of the next word that is not empty.
fn take_bits_by_hand() -> impl FnMut(u64) {
    let (mut words, mut granules) = (vec![0_u64; GRANULES as usize / 64], Granules::new());
    for _ in 0..PREPARED {
        let granule = granules.next();
        words[granule as usize / 64] |= 1 << (granule % 64);
    }
    let mut at = 0;
    move |ops| {
        for _ in 0..ops {
            while words[at] == 0 {
                at += 1;
            }
            words[at] &= words[at] - 1;
        }
        black_box(&words);
    }
}

fn main() {
    Table::new("Dirty bitmap: set one granule of 2^24, at random")
        .ours("DirtyBitmap::set", 8.0, set())
        .beside("a bit in a word, by hand", set_a_bit_by_hand())
        .run_and_print();
    Table::new("Dirty bitmap: find the next dirty granule and clear it")
        .ours(
            "DirtyIter::next, DirtyBitmap::clear",
            10.0,
            iterate_and_clear(),
        )
        .beside("the lowest bit of a word, by hand", take_bits_by_hand())
        .run_and_print();
}
