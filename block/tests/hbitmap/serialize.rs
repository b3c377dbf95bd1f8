//! Maps written out and read in again, in whole and in parts.

use blockjob_block::dirty_bitmap::{DirtyBitmap, DirtyIter};

use super::model::{L1, L2, L3, bitmap};

/// Granules next to the borders of words and summary levels.
const BORDERS: [u64; 8] = [0, 1, L1 - 1, L1, L2 - 1, L2, L2 + 1, L3 - 1];

fn serialized(map: &DirtyBitmap, start: u64, bytes: u64) -> Vec<u8> {
    // Noise, so that a byte which is not written shows.
    let mut buffer = vec![0xa5; map.serialization_size(start, bytes)];
    map.serialize_part(start, bytes, &mut buffer);
    buffer
}

fn bit(buffer: &[u8], index: u64) -> bool {
    buffer[(index / 8) as usize] >> (index % 8) & 1 == 1
}

#[test]
fn parts_are_aligned_to_64_granules() {
    assert_eq!(bitmap(L3 * 2, 8).serialization_align(), 64 << 3);
    assert_eq!(bitmap(L3 * 2, 1).serialization_align(), 64);
}

#[test]
fn each_part_takes_whole_words() {
    let map = bitmap(L1 * 512 * 3 + 1, 512);
    assert_eq!(map.serialization_size(0, map.len()), 32);
    assert_eq!(map.serialization_size(L1 * 512, L1 * 512), 8);
    assert_eq!(map.serialization_size(L1 * 512 * 3, 1), 8);
    assert_eq!(map.serialization_size(L1 * 512 * 2, 0), 0);
}

#[test]
fn every_range_is_written_lowest_granule_first_and_comes_back() {
    for start in BORDERS {
        for bytes in BORDERS {
            let bytes = bytes.min(L3 - start);
            let mut map = bitmap(L3, 1);
            map.set(start, bytes);
            let buffer = serialized(&map, 0, L3);
            let set: u32 = buffer.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(u64::from(set), bytes);
            assert!((start..start + bytes).all(|index| bit(&buffer, index)));
            let mut copy = bitmap(L3, 1);
            copy.deserialize_part(0, L3, &buffer);
            assert_eq!(copy, map);
            assert_eq!(copy.verify(), Ok(()));
        }
    }
}

#[test]
fn a_part_holds_the_granules_of_its_range_alone() {
    let mut map = bitmap(L3, 1);
    for granule in BORDERS {
        map.set(granule, 1);
    }
    for start in (0..L3).step_by(L2 as usize) {
        let buffer = serialized(&map, start, L2);
        let found = (0..L2)
            .filter(|index| bit(&buffer, *index))
            .map(|index| start + index);
        let expected = BORDERS
            .into_iter()
            .filter(|granule| (start..start + L2).contains(granule));
        assert!(found.eq(expected), "part at {start}");
    }
}

#[test]
fn a_part_that_is_read_replaces_its_range_and_nothing_else() {
    let mut map = bitmap(L1 * 4, 1);
    map.set_all();
    map.deserialize_part(L1, L1, &0x8000_0000_0000_0001_u64.to_le_bytes());
    assert_eq!(map.count(), 3 * L1 + 2);
    assert_eq!(
        map.next_dirty_area(L1 + 1, L1 * 4, L3),
        Some(L1 * 2 - 1..L1 * 4)
    );
    map.deserialize_part(L1, L1, &[0; 8]);
    assert_eq!((map.count(), map.next_dirty(L1)), (3 * L1, Some(L1 * 2)));
    assert_eq!(map.verify(), Ok(()));
}

#[test]
fn data_about_granules_past_the_end_of_the_disk_is_ignored() {
    let mut map = bitmap(L1 * 512 + 100, 512);
    map.deserialize_part(0, map.len(), &[0xff; 16]);
    assert_eq!((map.count(), map.dirty_bytes()), (L1 + 1, map.len()));
    assert_eq!(map.verify(), Ok(()));
}

#[test]
fn zeroes_clear_their_part_one_after_the_other() {
    let places = [0, L1, L2, L3 - L1];
    let mut map = bitmap(L3, 1);
    for place in places {
        map.set(place, L1);
    }
    for (index, place) in places.into_iter().enumerate() {
        map.deserialize_zeroes(place, L1);
        assert_eq!(DirtyIter::new().next(&map), places.get(index + 1).copied());
        assert_eq!(map.verify(), Ok(()));
    }
}

#[test]
fn ones_make_their_part_dirty_up_to_the_end_of_the_disk() {
    let mut map = bitmap(L1 * 512 * 2 + 100, 512);
    map.deserialize_ones(L1 * 512, L1 * 512 + 100);
    assert_eq!(
        map.next_dirty_area(0, u64::MAX, u64::MAX),
        Some(L1 * 512..map.len())
    );
    map.deserialize_zeroes(L1 * 512 * 2, 100);
    assert_eq!(map.dirty_bytes(), L1 * 512);
}

#[test]
#[should_panic(expected = "a part of 4096 bytes at 512 is not aligned to 32768")]
fn a_part_that_does_not_begin_at_a_word_panics() {
    bitmap(1 << 20, 512).deserialize_zeroes(512, 4096);
}

#[test]
#[should_panic(expected = "is not aligned")]
fn a_part_that_ends_neither_at_a_word_nor_at_the_end_of_the_disk_panics() {
    bitmap(1 << 20, 512).deserialize_ones(0, 32768 + 512);
}

#[test]
#[should_panic(expected = "does not fit")]
fn data_of_the_wrong_length_panics() {
    bitmap(1 << 20, 512).deserialize_part(0, 32768, &[0; 9]);
}
