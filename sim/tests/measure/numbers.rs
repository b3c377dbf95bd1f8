//! Percentiles, the index of fairness, values over time.

use blockjob_sim::measure::{Quantiles, Series, jain, quantile};

#[test]
fn a_percentile_is_the_least_value_that_so_many_do_not_exceed() {
    let mut hundred: Vec<u64> = (1..=100).rev().collect();
    let found = Quantiles::of(&mut hundred).unwrap();
    let expected = Quantiles {
        count: 100,
        p50: 50,
        p95: 95,
        p99: 99,
        max: 100,
    };
    assert_eq!(found, expected);
    // Of three values the second is the first that half of them do not exceed.
    assert_eq!(quantile(&[10, 20, 30], 500), Some(20));
    assert_eq!(quantile(&[10, 20, 30], 0), Some(10));
    assert_eq!(quantile(&[10, 20, 30], 1000), Some(30));
}

#[test]
fn of_no_values_there_are_no_percentiles() {
    assert_eq!(Quantiles::of(&mut []), None);
    assert_eq!(quantile(&[], 500), None);
}

#[test]
fn fairness_is_1_among_equals_and_1_in_n_if_one_has_everything() {
    assert_eq!(jain(&[7.0, 7.0, 7.0, 7.0]), Some(1.0));
    assert_eq!(jain(&[0.0, 5.0, 0.0, 0.0]), Some(0.25));
    assert_eq!(jain(&[1.0, 3.0]), Some(0.8));
    assert_eq!(jain(&[0.0, 0.0]), None);
}

#[test]
fn the_mean_of_a_series_weighs_a_value_by_how_long_it_held() {
    let mut series = Series::default();
    series.set(100, 10);
    series.set(130, 0);
    series.set(190, 40);
    series.end(200);
    // 30 ns of 10, 60 of 0, 10 of 40.
    assert_eq!(series.mean(), Some(7.0));
    assert_eq!(series.max, 40);
    assert_eq!(series.points, [(100, 10), (130, 0), (190, 40), (200, 40)]);
}

#[test]
fn a_series_that_has_ended_can_go_on_later_and_the_gap_does_not_count() {
    let mut series = Series::default();
    series.set(0, 10);
    series.end(10);
    series.set(1_000, 20);
    series.end(1_010);
    assert_eq!(series.mean(), Some(15.0));
}

#[test]
fn a_long_series_keeps_few_points_that_span_all_of_its_time_and_an_exact_mean() {
    let mut series = Series::default();
    let last = 100_000;
    for at in 0..last {
        series.set(at * 10, at);
    }
    series.end(last * 10);
    assert!(series.points.len() <= 258, "{}", series.points.len());
    assert!(series.points.len() >= 64, "{}", series.points.len());
    assert_eq!(series.points.first().unwrap().0, 0);
    assert_eq!(series.points.last().unwrap().0, last * 10);
    let gaps = series.points.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let widest = gaps.max().unwrap();
    assert!(widest < last * 10 / 30, "a gap of {widest} ns");
    assert_eq!(series.mean(), Some((last - 1) as f64 / 2.0));
    assert_eq!(series.max, last - 1);
}
