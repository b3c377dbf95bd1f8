//! Counting what is different.

use blockjob_sim::sweep::Sketch;

/// Numbers that look random: the next state of a generator of full period.
fn numbers(n: u64) -> impl Iterator<Item = u64> {
    (1..=n).map(|index| {
        let word = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    })
}

#[test]
fn few_different_values_are_counted_nearly_exactly_and_many_to_a_few_per_cent() {
    assert_eq!(Sketch::default().count(), 0);
    for n in [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
        let mut sketch = Sketch::default();
        numbers(n).for_each(|word| sketch.add(word));
        let off = sketch.count().abs_diff(n) as f64 / n as f64;
        // Three times the average error of 1.04 / 64; the numbers are fixed.
        assert!(off <= 0.049, "{n} are said to be {}", sketch.count());
    }
}

#[test]
fn a_value_that_comes_again_does_not_count() {
    let mut sketch = Sketch::default();
    for _ in 0..1_000 {
        numbers(50).for_each(|word| sketch.add(word));
    }
    assert_eq!(sketch.count(), 50);
}

#[test]
fn it_does_not_matter_in_which_parts_and_which_order_values_come() {
    let mut whole = Sketch::default();
    numbers(5_000).for_each(|word| whole.add(word));
    let (mut odd, mut even) = (Sketch::default(), Sketch::default());
    let all: Vec<_> = numbers(5_000).collect();
    for (index, word) in all.iter().enumerate().rev() {
        if index % 2 == 0 { &mut even } else { &mut odd }.add(*word);
    }
    odd.merge(&even);
    assert!(odd == whole);
    odd.clear();
    assert_eq!(odd.count(), 0);
}
