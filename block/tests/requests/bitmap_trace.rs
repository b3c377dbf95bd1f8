//! Who records a run hears of every bit of a dirty bitmap, and nobody else does.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_block::bitmap::DirtyTrace;
use blockjob_block::dirty_bitmap::DirtyBitmap;
use blockjob_runtime::AioContext;
use blockjob_runtime::trace::{Event, Trace, Wants};
use bytes::Bytes;

use crate::common::{TestDriver, World};

struct Bits {
    wants: Wants,
    heard: RefCell<Vec<DirtyTrace>>,
}

impl Trace for Bits {
    fn event(&self, _now_ns: u64, _context: &str, event: &Event<'_>) {
        let Event::Layer(layer) = event else { return };
        let trace = layer.as_any().downcast_ref::<DirtyTrace>();
        self.heard.borrow_mut().extend(trace.cloned());
    }

    fn wants(&self) -> Wants {
        self.wants
    }
}

impl Bits {
    fn of(wants: Wants) -> (World, Rc<Bits>) {
        let heard = RefCell::default();
        let bits = Rc::new(Bits { wants, heard });
        let context = AioContext::builder().virtual_time();
        (World::on(context.trace(bits.clone()).build()), bits)
    }

    /// What was heard since this was last asked, as text.
    fn read(&self) -> Vec<String> {
        let heard = self.heard.take();
        let line = |it: DirtyTrace| {
            let end = it.offset + it.bytes;
            let (node, bitmap, offset) = (it.node, it.bitmap, it.offset);
            let what = if it.dirty { "set" } else { "clear" };
            format!("{node}/{bitmap} {what} {offset}..{end}")
        };
        heard.into_iter().map(line).collect()
    }
}

/// The last granule of a disk of this length is short.
const LEN: u64 = (64 << 10) - 512;

#[test]
fn each_change_is_told_in_whole_granules_and_what_changes_nothing_is_not() {
    let (world, bits) = Bits::of(Wants::LAYER_DETAILS);
    let driver = TestDriver::new(LEN).with_align(512);
    let disk = world.node("disk", &driver, &[]);
    let bitmap = disk.create_dirty_bitmap(Some("bits"), 4096).expect("made");
    let node = disk.clone();
    world.run(async move {
        for offset in [512, 1024] {
            let data = Bytes::from(vec![1; 512]);
            node.co_write(offset, data).await.expect("writes");
        }
    });
    assert_eq!(bits.read(), ["disk/bits set 0..4096"]);
    bitmap.bits_mut().clear(0, 4095);
    assert_eq!(bits.read(), [""; 0], "no granule as a whole");
    bitmap.bits_mut().clear(0, 10_000);
    bitmap.bits_mut().clear(0, 10_000);
    assert_eq!(bits.read(), ["disk/bits clear 0..8192"]);
    bitmap.bits_mut().set(LEN - 1, 1);
    bitmap.bits_mut().set_all();
    bitmap.bits_mut().clear(100, LEN - 100);
    bitmap.bits_mut().clear_all();
    let last = LEN - LEN % 4096;
    let expected = [
        format!("disk/bits set {last}..{LEN}"),
        format!("disk/bits set 0..{LEN}"),
        format!("disk/bits clear 4096..{LEN}"),
        format!("disk/bits clear 0..{LEN}"),
    ];
    assert_eq!(bits.read(), expected);
    let mut other = DirtyBitmap::new(LEN, 512).expect("made");
    other.set(512, 512);
    other.set(9000, 100);
    let merged = bitmap.bits_mut().merge_from(&other);
    merged.expect("both are as long");
    let expected = ["disk/bits set 0..4096", "disk/bits set 8192..12288"];
    assert_eq!(bits.read(), expected);
}

#[test]
fn bitmaps_without_a_name_are_told_apart_and_a_free_number_is_taken_again() {
    let (world, bits) = Bits::of(Wants::LAYER_DETAILS);
    let (disk, _driver) = world.disk("disk");
    let make = || disk.create_dirty_bitmap(None, 512).expect("made");
    let (one, two) = (make(), make());
    disk.release_dirty_bitmap(&one);
    let three = make();
    for bitmap in [&two, &three] {
        bitmap.bits_mut().set(0, 1);
    }
    let expected = ["disk/#2 set 0..512", "disk/#1 set 0..512"];
    assert_eq!(bits.read(), expected);
}

#[test]
fn who_takes_layers_hears_nothing_of_bits() {
    let (world, bits) = Bits::of(Wants::LAYERS);
    let (disk, _driver) = world.disk("disk");
    let bitmap = disk.create_dirty_bitmap(None, 512).expect("made");
    bitmap.bits_mut().set(0, 1);
    assert_eq!(bits.read(), [""; 0]);
}
