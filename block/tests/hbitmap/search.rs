//! Searches for dirty and clean bytes, against a plain one.

use super::model::{L1, L2, L3, Model, bitmap, cut};

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
