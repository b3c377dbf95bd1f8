//! Disks that are resized: the map keeps what it can and forgets the rest.

use super::model::{L1, L2, Model, bitmap};

/// Marks the first and the last byte of the old and the new disk, resizes, and compares.
fn resize(len: u64, new_len: u64, granularity: u64) {
    let (mut map, mut model) = (bitmap(len, granularity), Model::new(len, granularity));
    for offset in [0, len - 1, new_len.min(len) - 1] {
        map.set(offset, 1);
        model.set(offset, 1);
    }
    map.truncate(new_len).unwrap();
    model.truncate(new_len);
    model.assert_equals(&map);
    assert!(
        map.get(0) && map.get(len.min(new_len) - 1),
        "a boundary bit was lost"
    );
    // What was allocated is what a new map of that size has.
    let mut fresh = bitmap(new_len, granularity);
    fresh.merge_from(&map).unwrap();
    assert_eq!(map, fresh);
    map.set_all();
    assert_eq!(map.dirty_bytes(), new_len);
}

#[test]
fn truncating_to_the_same_size_changes_nothing() {
    resize(L2, L2, 1);
}

#[test]
fn growing_inside_the_last_granule_keeps_its_bit() {
    resize(L2 - 1, L2, 2);
}

#[test]
fn shrinking_inside_the_last_granule_keeps_its_bit() {
    resize(L2, L2 - 1, 2);
}

#[test]
fn growing_by_less_than_a_granule_may_add_one() {
    resize(L2 - 2, L2 - 1, 2);
}

#[test]
fn shrinking_by_less_than_a_granule_may_drop_one() {
    resize(L2 - 1, L2 - 2, 2);
}

#[test]
fn growing_inside_a_word_keeps_all_bits() {
    resize(L2 + 1, L2 + 5, 1);
}

#[test]
fn shrinking_inside_a_word_drops_the_bits_past_the_end() {
    resize(L2, L2 - 4, 1);
}

#[test]
fn growing_over_the_end_of_a_word_adds_one() {
    resize(L2 - 1, L2 + 3, 1);
}

#[test]
fn shrinking_over_the_start_of_a_word_drops_it() {
    resize(L2 + 1, L2 - 3, 1);
}

#[test]
fn growing_by_many_words_adds_them_clean() {
    resize(L2, L2 + 8 * L1, 1);
    resize(1, L2 * L1 * 3 + 5, 1);
}

#[test]
fn shrinking_by_many_words_drops_them() {
    resize(L2, L2 - 8 * L1, 1);
    resize(L2 * L1 * 3 + 5, 1, 1);
}

#[test]
fn bits_that_were_cut_off_do_not_come_back_when_the_disk_grows_again() {
    let mut map = bitmap(L2 * 3, 1);
    map.set_all();
    map.truncate(L2 + 7).unwrap();
    map.truncate(L2 * 3).unwrap();
    assert_eq!(map.count(), L2 + 7);
    assert_eq!(map.next_zero(0), Some(L2 + 7));
    assert_eq!(map.next_dirty(L2 + 7), None);
    map.truncate(0).unwrap();
    map.truncate(L2).unwrap();
    assert_eq!((map.count(), map.next_dirty(0)), (0, None));
    assert_eq!(map.verify(), Ok(()));
}

#[test]
fn the_added_part_of_a_disk_is_found_clean() {
    let mut map = bitmap(L1, 1);
    map.truncate(L1 * 2).unwrap();
    map.set(0, L1);
    assert_eq!(map.next_zero(0), Some(L1));
    assert_eq!(map.next_dirty(L1), None);
    assert_eq!(map.next_dirty_area(0, u64::MAX, u64::MAX), Some(0..L1));
}

#[test]
fn the_bytes_of_a_dirty_last_granule_follow_the_length() {
    let mut map = bitmap(1024, 512);
    map.set(1023, 1);
    assert_eq!(map.dirty_bytes(), 512);
    map.truncate(600).unwrap();
    assert_eq!((map.count(), map.dirty_bytes()), (1, 88));
    map.truncate(2000).unwrap();
    assert_eq!((map.count(), map.dirty_bytes()), (1, 512));
}
