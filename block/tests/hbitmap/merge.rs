//! Maps that take up what is dirty in another one.

use blockjob_block::dirty_bitmap::BitmapError;

use super::model::{L2, L3, bitmap, dirty_granules};

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
