//! What one write and one copied granule cost in the dirty bitmap: a map of 2^24 granules, 2 MiB of bits.
//!
//! Offsets are random, one granule each, as those of a guest are. Criterion prints elements per second;
//! 125 M elements a second are 8 ns each.
#![allow(missing_docs)] // The macros of criterion make undocumented functions.

use blockjob_block::dirty_bitmap::{DirtyBitmap, DirtyIter};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const GRANULARITY: u64 = 65536;
const GRANULES: u64 = 1 << 24;

/// Offsets that look random and are the same in every run (xorshift64).
fn offsets(count: u64) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count)
        .map(|_| (next() >> 40) % GRANULES * GRANULARITY)
        .collect()
}

fn clean() -> DirtyBitmap {
    DirtyBitmap::new(GRANULES * GRANULARITY, GRANULARITY).expect("the size is legal")
}

fn with_dirty(offsets: &[u64]) -> DirtyBitmap {
    let mut bitmap = clean();
    for offset in offsets {
        bitmap.set(*offset, 512);
    }
    bitmap
}

/// How many writes are made to the map: from one in 256 granules to as many as there are granules.
const WRITES: [u64; 3] = [1 << 16, 1 << 20, 1 << 24];

fn set_random(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("set random");
    group.sample_size(20);
    for writes in WRITES {
        let offsets = offsets(writes);
        group.throughput(Throughput::Elements(writes));
        group.bench_function(format!("{writes}"), |bencher| {
            // A map that is set and cleared has its memory; a new one would measure page faults.
            let mut bitmap = with_dirty(&offsets);
            bencher.iter(|| {
                bitmap.clear_all();
                for offset in black_box(&offsets) {
                    bitmap.set(*offset, 512);
                }
                bitmap.count()
            });
        });
    }
    group.finish();
}

fn iterate_and_clear(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iterate and clear");
    group.sample_size(20);
    for writes in WRITES {
        let dirty = with_dirty(&offsets(writes));
        group.throughput(Throughput::Elements(dirty.count()));
        group.bench_function(format!("{writes}"), |bencher| {
            bencher.iter_batched_ref(
                || dirty.clone(),
                |bitmap| {
                    let mut iter = DirtyIter::new();
                    while let Some(offset) = iter.next(bitmap) {
                        bitmap.clear(offset, GRANULARITY);
                    }
                    assert_eq!(bitmap.count(), 0);
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, set_random, iterate_and_clear);
criterion_main!(benches);
