//! Edges by name: what a random run might not obviously reach, or a reader wants to see said.

use blockjob_block::dirty_bitmap::{BitmapError, DirtyBitmap, DirtyIter, MAX_LEN_BYTES};

use super::model::{L1, L2, L3, Model, bitmap, cut, dirty_granules};

#[test]
fn a_disk_of_no_bytes_has_a_map() {
    let mut map = bitmap(0, 512);
    assert_eq!((map.len(), map.count(), map.dirty_bytes()), (0, 0, 0));
    assert_eq!((map.set(0, 0), map.clear(0, 0)), (0, 0));
    map.set_all();
    map.clear_all();
    assert_eq!((map.next_dirty(0), map.next_zero(0)), (None, None));
    assert_eq!(map.next_dirty_area(0, u64::MAX, u64::MAX), None);
    assert_eq!(DirtyIter::new().next_wrapping(&map), None);
    map.merge_from(&bitmap(0, 4096)).unwrap();
    map.serialize_part(0, 0, &mut []);
    map.deserialize_part(0, 0, &[]);
    assert_eq!(map.verify(), Ok(()));
}

#[test]
fn a_size_that_is_no_multiple_of_a_word_has_its_last_granule() {
    for len in [L3 + 23, L2 + 1, L1 - 1, 1] {
        let mut map = bitmap(len, 1);
        assert!(!map.get(len - 1));
        assert_eq!(map.set(len - 1, 1), 1);
        assert!(map.get(len - 1));
        assert_eq!(DirtyIter::new().next(&map), Some(len - 1));
        map.set_all();
        assert_eq!(map.count(), len);
        assert_eq!(map.clear(0, len), len);
        assert_eq!(map.next_dirty(0), None);
        assert_eq!(map.verify(), Ok(()));
    }
}

#[test]
fn the_short_last_granule_counts_for_the_bytes_it_has() {
    let mut map = bitmap(1000, 512);
    map.set(0, 1);
    assert_eq!((map.count(), map.dirty_bytes()), (1, 512));
    map.set(999, 1);
    assert_eq!((map.count(), map.dirty_bytes()), (2, 1000));
    map.clear(0, 512);
    assert_eq!((map.count(), map.dirty_bytes()), (1, 488));
}

#[test]
fn a_set_reaches_out_to_each_granule_it_touches_and_tells_the_new_ones() {
    let mut map = bitmap(10 * 512, 512);
    assert_eq!(map.set(511, 2), 2);
    assert_eq!(map.set(0, 1025), 1);
    assert_eq!(map.set(0, 1025), 0);
    assert!(dirty_granules(&map).eq([0, 1, 2]));
}

#[test]
fn a_clear_leaves_a_granule_dirty_that_it_covers_in_part() {
    let mut map = bitmap(10 * 512, 512);
    map.set_all();
    assert_eq!(map.clear(1, 511), 0);
    assert_eq!(map.clear(512, 511), 0);
    assert_eq!(map.clear(511, 1025), 2);
    assert_eq!(map.clear(511, 1025), 0);
    assert!(dirty_granules(&map).eq([0, 3, 4, 5, 6, 7, 8, 9]));
}

#[test]
fn a_clear_takes_the_short_last_granule_only_when_it_reaches_the_end_of_the_disk() {
    let dirty = || {
        let mut map = bitmap(1000, 512);
        map.set_all();
        map
    };
    assert_eq!(dirty().clear(512, 487), 0);
    assert_eq!(dirty().clear(513, 487), 0);
    assert_eq!(dirty().clear(512, 488), 1);
    // Whoever copies whole granules need not know where the disk ends.
    assert_eq!(dirty().clear(512, 512), 1);
    assert_eq!(dirty().clear(0, 1024), 2);
}

#[test]
#[should_panic(expected = "a range of 513 bytes at 512 is past the end of a disk of 1000 bytes")]
fn a_set_past_the_last_granule_panics() {
    bitmap(1000, 512).set(512, 513);
}

#[test]
#[should_panic(expected = "past the end")]
fn a_clear_that_would_wrap_around_panics() {
    bitmap(1000, 512).clear(512, u64::MAX);
}

#[test]
#[should_panic(expected = "offset 1024 is past the end")]
fn a_get_past_the_last_granule_panics() {
    bitmap(1000, 512).get(1024);
}

#[test]
fn a_map_that_cannot_be_is_refused_with_its_reason() {
    for granularity in [0, 3, 513, u64::MAX] {
        let refused = BitmapError::GranularityNotPowerOfTwo { granularity };
        assert_eq!(DirtyBitmap::new(1 << 20, granularity), Err(refused));
    }
    let len_bytes = MAX_LEN_BYTES + 1;
    assert_eq!(
        DirtyBitmap::new(len_bytes, 1 << 40),
        Err(BitmapError::DiskTooLong { len_bytes })
    );
    let (len_bytes, granularity) = ((1 << 47) + 1, 512);
    let refused = BitmapError::TooManyGranules {
        len_bytes,
        granularity,
    };
    assert_eq!(DirtyBitmap::new(len_bytes, granularity), Err(refused));
    let mut map = bitmap(1024, granularity);
    map.set(0, 1);
    assert_eq!(map.truncate(len_bytes), Err(refused));
    assert_eq!((map.len(), map.count()), (1024, 1));
}

#[test]
fn the_longest_disk_and_the_coarsest_granularity_do_not_overflow() {
    for granularity in [1 << 26, 1 << 40, 1 << 58, 1 << 63] {
        let mut map = bitmap(MAX_LEN_BYTES, granularity);
        map.set(MAX_LEN_BYTES - 1, 1);
        let last = (MAX_LEN_BYTES - 1) / granularity * granularity;
        assert_eq!(map.dirty_bytes(), MAX_LEN_BYTES - last);
        let mut iter = DirtyIter::new();
        assert_eq!(iter.next(&map), Some(last));
        assert_eq!(iter.next(&map), None);
        assert_eq!(
            map.next_dirty_area(0, u64::MAX, u64::MAX),
            Some(last..MAX_LEN_BYTES)
        );
        if granularity > 1 << 40 {
            let mut buffer = vec![0; map.serialization_size(0, MAX_LEN_BYTES)];
            map.serialize_part(0, MAX_LEN_BYTES, &mut buffer);
            map.deserialize_part(0, MAX_LEN_BYTES, &buffer);
            assert!(map.get(last));
        }
        assert_eq!(map.clear(last, MAX_LEN_BYTES - last), 1);
    }
}

#[test]
fn a_walk_survives_that_all_is_cleared_under_it() {
    let mut map = bitmap(L1 * 2, 1);
    map.set_all();
    let mut iter = DirtyIter::at(63);
    assert_eq!(iter.next(&map), Some(63));
    map.clear_all();
    assert_eq!(iter.next(&map), None);
    assert_eq!(iter.next_wrapping(&map), None);
}

#[test]
fn a_walk_finds_what_becomes_dirty_ahead_of_it_even_in_the_word_it_is_in() {
    let mut map = bitmap(L3, 1);
    map.set(5, 1);
    let mut iter = DirtyIter::new();
    assert_eq!(iter.next(&map), Some(5));
    map.set(3, 1);
    map.set(7, 1);
    map.set(L2 + 9, 1);
    assert_eq!(iter.next(&map), Some(7));
    assert_eq!(iter.next(&map), Some(L2 + 9));
    assert_eq!(
        iter.next(&map),
        None,
        "what is behind it waits for the next round"
    );
    assert_eq!(iter.next_wrapping(&map), Some(3));
}

#[test]
fn a_walk_wraps_only_when_asked_and_only_once() {
    let mut map = bitmap(L2 * 512, 512);
    map.set(512, 1);
    let mut iter = DirtyIter::at(1024);
    assert_eq!((iter.next(&map), iter.pos()), (None, 1024));
    assert_eq!((iter.next_wrapping(&map), iter.pos()), (Some(512), 1024));
    map.clear_all();
    assert_eq!(iter.next_wrapping(&map), None);
}

#[test]
fn a_walk_that_begins_inside_a_granule_begins_with_that_granule() {
    let mut map = bitmap(L1 * 512, 512);
    map.set(10 * 512, 512);
    assert_eq!(DirtyIter::at(10 * 512 + 511).next(&map), Some(10 * 512));
    assert_eq!(DirtyIter::at(11 * 512).next(&map), None);
}

#[test]
fn merging_counts_what_was_added_so_that_a_second_merge_carries_it_on() {
    let (mut first, mut second, mut third) = (bitmap(L3, 1), bitmap(L3, 1), bitmap(L3, 1));
    third.set(L2, 100);
    second.merge_from(&third).unwrap();
    assert_eq!((second.count(), second.dirty_bytes()), (100, 100));
    first.set(L2 + 50, 100);
    first.merge_from(&second).unwrap();
    assert_eq!((first.count(), first.dirty_bytes()), (150, 150));
    assert_eq!(first.next_dirty_area(0, L3, L3), Some(L2..L2 + 150));
    assert_eq!(first.verify(), Ok(()));
}

#[test]
fn merging_between_granularities_rounds_outward_and_never_loses_a_byte() {
    let mut fine = bitmap(10_000, 16);
    let mut coarse = bitmap(10_000, 4096);
    fine.set(4090, 1);
    fine.set(9999, 1);
    coarse.merge_from(&fine).unwrap();
    assert!(dirty_granules(&coarse).eq([0, 2]));
    assert_eq!(coarse.dirty_bytes(), 4096 + 10_000 - 8192);
    fine.clear_all();
    fine.merge_from(&coarse).unwrap();
    assert_eq!(fine.count(), 256 + 113);
    assert_eq!(fine.dirty_bytes(), coarse.dirty_bytes());
    assert_eq!(fine.verify(), Ok(()));
}

#[test]
fn merging_a_map_of_another_length_is_refused() {
    let mut map = bitmap(1024, 512);
    let mut other = bitmap(1023, 512);
    other.set_all();
    let refused = BitmapError::LenMismatch {
        ours_bytes: 1024,
        theirs_bytes: 1023,
    };
    assert_eq!(map.merge_from(&other), Err(refused));
    assert_eq!(map.count(), 0);
}

/// The pieces of the disk that the search tests make dirty, one after the other.
const STAGES: [(u64, u64); 4] = [(L2, 1), (L2 + 5, L1), (L2 * 2, L3 - L2 * 2), (0, L3)];

/// Places next to the ends of these pieces.
const PLACES: [u64; 19] = [
    0,
    1,
    L1,
    L2 - L1,
    L2 - 1,
    L2,
    L2 + 1,
    L2 + 4,
    L2 + 5,
    L2 + L1,
    L2 + 4 + L1,
    L2 + 5 + L1,
    L2 + 6 + L1,
    2 * L2 - L1,
    2 * L2 - 1,
    2 * L2,
    2 * L2 + 1,
    L3 - 1,
    L3,
];

#[test]
fn next_zero_and_next_dirty_agree_with_a_plain_search_at_each_stage() {
    for granularity in [1, 16] {
        let (mut map, mut model) = (bitmap(L3, granularity), Model::new(L3, granularity));
        for (offset, bytes) in STAGES {
            map.set(offset, bytes);
            model.set(offset, bytes);
            for from in PLACES {
                assert_eq!(map.next_dirty(from), model.next_dirty(from), "from {from}");
                assert_eq!(map.next_zero(from), model.next_zero(from), "from {from}");
            }
        }
        assert_eq!(map.next_zero(0), None);
    }
}

#[test]
fn next_dirty_area_agrees_with_a_plain_search_at_each_stage() {
    for granularity in [1, 2, 16] {
        let (mut map, mut model) = (bitmap(L3, granularity), Model::new(L3, granularity));
        for (offset, bytes) in STAGES {
            map.set(offset, bytes);
            model.set(offset, bytes);
            for start in PLACES {
                let run = model.dirty_run(start);
                for end in PLACES.into_iter().chain([u64::MAX]) {
                    for max_bytes in [0, 1, 5, L1 + 1, u64::MAX] {
                        assert_eq!(
                            map.next_dirty_area(start, end, max_bytes),
                            run.clone().and_then(|run| cut(run, end, max_bytes)),
                            "{start}..{end}, at most {max_bytes}"
                        );
                    }
                }
            }
        }
    }
}
