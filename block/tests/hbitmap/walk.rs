//! Walks over a map that changes under them.

use blockjob_block::dirty_bitmap::DirtyIter;

use super::model::{L1, L2, L3, bitmap};

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
