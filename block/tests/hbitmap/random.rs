//! Random operations on the map and on the model, compared after each.

use blockjob_block::dirty_bitmap::{DirtyBitmap, DirtyIter};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::model::{L1, L2, L3, Model, bitmap};

#[derive(Clone, Debug)]
enum Op {
    Set(Span),
    Clear(Span),
    SetAll,
    ClearAll,
    Truncate(Place),
    MergeFrom {
        granularity_bits: u32,
        spans: Vec<Span>,
    },
    Reload {
        parts: u64,
    },
    Look {
        start: Place,
        end: Place,
        max_bytes: u64,
    },
    Step,
    StepWrapping,
    Seek(Place),
}

/// A granule near a border of words or levels, and some bytes more: a place on a disk of any size.
#[derive(Clone, Copy, Debug)]
struct Place {
    granule: u64,
    bytes: u64,
}

impl Place {
    fn on(self, granularity: u64, len: u64) -> u64 {
        (self.granule * granularity + self.bytes % granularity) % (len + 1)
    }
}

/// A range of bytes from a place on.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: Place,
    bytes: Place,
}

impl Span {
    fn on(self, granularity: u64, len: u64) -> (u64, u64) {
        let start = self.start.on(granularity, len);
        let bytes = self.bytes.granule * granularity + self.bytes.bytes % granularity;
        (start, bytes.min(len - start))
    }
}

/// The largest of these is past two borders of the third level, which is enough to need a fourth.
fn granule() -> impl Strategy<Value = u64> {
    let border = prop::sample::select(vec![
        0,
        L1,
        2 * L1,
        3 * L1,
        L2,
        L2 + L1,
        2 * L2,
        3 * L2,
        L3,
        L3 + L2,
    ]);
    (border, 0_u64..5).prop_map(|(border, off)| (border + off).saturating_sub(2))
}

fn place() -> impl Strategy<Value = Place> {
    // Half of the places are the first byte of their granule.
    (granule(), prop_oneof![Just(0), any::<u64>()])
        .prop_map(|(granule, bytes)| Place { granule, bytes })
}

fn span() -> impl Strategy<Value = Span> {
    let granules =
        prop_oneof![8 => 0_u64..4, 4 => 50_u64..200, 1 => 4000_u64..4200, 1 => Just(3 * L2)];
    let bytes = (granules, prop_oneof![Just(0), any::<u64>()]);
    let bytes = bytes.prop_map(|(granule, bytes)| Place { granule, bytes });
    (place(), bytes).prop_map(|(start, bytes)| Span { start, bytes })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => span().prop_map(Op::Set),
        8 => span().prop_map(Op::Clear),
        1 => Just(Op::SetAll),
        1 => Just(Op::ClearAll),
        2 => place().prop_map(Op::Truncate),
        2 => (0_u32..14, prop::collection::vec(span(), 0..4))
            .prop_map(|(granularity_bits, spans)| Op::MergeFrom { granularity_bits, spans }),
        1 => (1_u64..5).prop_map(|parts| Op::Reload { parts }),
        8 => (place(), place(), prop_oneof![0_u64..10, Just(1 << 16), Just(u64::MAX)])
            .prop_map(|(start, end, max_bytes)| Op::Look { start, end, max_bytes }),
        6 => Just(Op::Step),
        3 => Just(Op::StepWrapping),
        2 => place().prop_map(Op::Seek),
    ]
}

struct Pair {
    bitmap: DirtyBitmap,
    model: Model,
    iter: DirtyIter,
}

impl Pair {
    fn apply(&mut self, op: &Op) {
        let (granularity, len) = (self.model.granularity, self.model.len);
        match op {
            Op::Set(span) => {
                let (offset, bytes) = span.on(granularity, len);
                assert_eq!(
                    self.bitmap.set(offset, bytes),
                    self.model.set(offset, bytes)
                );
            }
            Op::Clear(span) => {
                let (offset, bytes) = span.on(granularity, len);
                assert_eq!(
                    self.bitmap.clear(offset, bytes),
                    self.model.clear(offset, bytes)
                );
            }
            // The set is too slow to hold all granules of a large disk more than now and then.
            Op::SetAll if self.model.granules() > 2 * L2 => {}
            Op::SetAll => {
                self.bitmap.set_all();
                self.model.set(0, len);
            }
            Op::ClearAll => {
                self.bitmap.clear_all();
                self.model.dirty.clear();
            }
            Op::Truncate(place) => {
                let len = place.granule * granularity + place.bytes % granularity;
                self.bitmap.truncate(len).unwrap();
                self.model.truncate(len);
            }
            Op::MergeFrom {
                granularity_bits,
                spans,
            } => self.merge_from(1 << granularity_bits, spans),
            Op::Reload { parts } => self.bitmap = reloaded(&self.bitmap, *parts),
            Op::Look {
                start,
                end,
                max_bytes,
            } => {
                self.look(
                    start.on(granularity, len),
                    end.on(granularity, len),
                    *max_bytes,
                );
            }
            Op::Step => self.step(false),
            Op::StepWrapping => self.step(true),
            Op::Seek(place) => self.iter.seek(place.on(granularity, len)),
        }
        assert_eq!(self.bitmap.verify(), Ok(()));
        assert_eq!(self.bitmap.count(), self.model.dirty.len() as u64);
    }

    fn merge_from(&mut self, granularity: u64, spans: &[Span]) {
        // The model takes its time over a map that is much finer than ours.
        let granularity = granularity.max(self.model.granularity / 4);
        let mut other = bitmap(self.model.len, granularity);
        let mut other_model = Model::new(self.model.len, granularity);
        for span in spans {
            let (offset, bytes) = span.on(granularity, self.model.len);
            other.set(offset, bytes);
            other_model.set(offset, bytes);
        }
        self.bitmap.merge_from(&other).unwrap();
        for granule in &other_model.dirty {
            let own = other_model.bytes_of(*granule);
            self.model.set(own.start, own.end - own.start);
        }
    }

    fn look(&self, start: u64, end: u64, max_bytes: u64) {
        if start < self.model.len {
            assert_eq!(self.bitmap.get(start), self.model.get(start));
        }
        assert_eq!(self.bitmap.next_dirty(start), self.model.next_dirty(start));
        assert_eq!(self.bitmap.next_zero(start), self.model.next_zero(start));
        let area = self.bitmap.next_dirty_area(start, end, max_bytes);
        assert_eq!(area, self.model.next_dirty_area(start, end, max_bytes));
    }

    fn step(&mut self, wrapping: bool) {
        let from = self.iter.pos() / self.model.granularity;
        let mut expected = self.model.dirty.range(from..).next();
        if wrapping {
            expected = expected.or(self.model.dirty.first());
        }
        let expected = expected.map(|granule| granule * self.model.granularity);
        let found = if wrapping {
            self.iter.next_wrapping(&self.bitmap)
        } else {
            self.iter.next(&self.bitmap)
        };
        assert_eq!(found, expected);
    }
}

/// The same map, written out and read in again in about so many parts.
fn reloaded(bitmap: &DirtyBitmap, parts: u64) -> DirtyBitmap {
    let mut copy = DirtyBitmap::new(bitmap.len(), bitmap.granularity()).unwrap();
    // What a part finds there before must not survive.
    copy.set_all();
    let align = bitmap.serialization_align();
    let step = (bitmap.len() / parts).next_multiple_of(align).max(align);
    let mut start = 0;
    while start < bitmap.len() {
        let bytes = step.min(bitmap.len() - start);
        let mut buffer = vec![0xee; bitmap.serialization_size(start, bytes)];
        bitmap.serialize_part(start, bytes, &mut buffer);
        copy.deserialize_part(start, bytes, &buffer);
        start += bytes;
    }
    assert_eq!(&copy, bitmap);
    copy
}

/// The same cases in each run unless the environment asks for others.
fn config(share: u32) -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0xb17_a115);
    }
    config.cases = config.cases.div_ceil(share);
    config
}

fn run(len: u64, granularity_bits: u32, ops: &[Op]) {
    let granularity = 1 << granularity_bits;
    let mut pair = Pair {
        bitmap: bitmap(len, granularity),
        model: Model::new(len, granularity),
        iter: DirtyIter::new(),
    };
    for op in ops {
        pair.apply(op);
    }
    pair.model.assert_equals(&pair.bitmap);
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn a_map_of_any_size_and_granularity_does_what_a_set_does(
        size in place(),
        granularity_bits in prop::sample::select(vec![0_u32, 4, 12]),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let granularity = 1_u64 << granularity_bits;
        run(size.granule * granularity + size.bytes % granularity, granularity_bits, &ops);
    }
}

/// A map of a few granules, and what is done to it.
fn small() -> impl Strategy<Value = (u64, u32, Vec<Op>)> {
    (0_u64..40, 0_u32..7, prop::collection::vec(op(), 1..40))
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn a_map_of_a_few_granules_does_what_a_set_does((len, granularity_bits, ops) in small()) {
        run(len, granularity_bits, &ops);
    }
}

/// The same property, with the bug of the museum that it is there to find.
#[cfg(feature = "museum")]
mod museum {
    use blockjob_runtime::museum::{BMP_02, switch_on};
    use proptest::test_runner::{TestError, TestRunner};

    use super::*;

    /// Looks for a map that does not do what a set does.
    fn search() -> Result<(), TestError<(u64, u32, Vec<Op>)>> {
        let mut runner = TestRunner::new(config(1));
        runner.run(&small(), |(len, granularity_bits, ops)| {
            run(len, granularity_bits, &ops);
            Ok(())
        })
    }

    /// A case in forty or so finds it, so that 256 cases miss it once in five hundred seeds; the seed
    /// is fixed.
    #[test]
    fn a_merge_that_keeps_the_old_count_is_found() {
        let on = switch_on(&BMP_02);
        let found = search();
        drop(on);
        let Err(TestError::Fail(_, (len, granularity_bits, ops))) = found else {
            panic!("no map was found to be miscounted: {found:?}");
        };
        // What is left of it ends with the merge, and is nothing special without the bug.
        assert!(matches!(ops.last(), Some(Op::MergeFrom { .. })), "{ops:?}");
        run(len, granularity_bits, &ops);
        assert!(search().is_ok());
    }
}
