//! Making, setting and clearing at the edges: empty disks, short last granules, ranges that do not fit.

use blockjob_block::dirty_bitmap::{BitmapError, DirtyBitmap, DirtyIter, MAX_LEN_BYTES};

use super::model::{L1, L2, L3, bitmap, dirty_granules};

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
