//! Set outward, clear inward: a dirty bitmap, and what a write that comes in the middle of a copy does to it.

use blockjob_block::dirty_bitmap::DirtyBitmap;

const GRANULE: u64 = 65536;

fn show(what: &str, bitmap: &DirtyBitmap) {
    let granules = (0..4).map(|granule| match bitmap.get(granule * GRANULE) {
        true => '#',
        false => '.',
    });
    let (granules, bytes): (String, _) = (granules.collect(), bitmap.dirty_bytes());
    println!("{granules}  {bytes:>6} bytes are dirty: {what}");
}

fn main() {
    let mut dirty = DirtyBitmap::new(4 * GRANULE, GRANULE).expect("it is a power of two");
    show("nobody has written", &dirty);
    dirty.set(GRANULE - 1, 2);
    show(
        "a write of two bytes, across the border of two granules",
        &dirty,
    );
    dirty.clear(0, GRANULE / 2);
    show("half a granule is copied, which is not enough", &dirty);

    // A copy of the first granule, in the right order. The guest writes while the source is being read.
    dirty.clear(0, GRANULE);
    show("the first granule is taken: cleared, and then read", &dirty);
    dirty.set(100, 1);
    show("the guest writes to it while it is being read", &dirty);
    println!("the copy ends, and the granule will be copied again\n");

    // The same in the wrong order.
    let mut dirty = DirtyBitmap::new(4 * GRANULE, GRANULE).expect("it is a power of two");
    dirty.set(0, 1);
    show("the first granule is read, and not cleared yet", &dirty);
    dirty.set(100, 1);
    show("the guest writes to it while it is being read", &dirty);
    dirty.clear(0, GRANULE);
    show("the copy ends and clears it: the write is lost", &dirty);
}

#[test]
fn it_runs() {
    main();
}
