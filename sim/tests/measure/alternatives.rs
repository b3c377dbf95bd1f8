//! What is compared, and how it is written.

use blockjob_sim::compare::{Alternative, AlternativeError};
use blockjob_sim::config::{Config, Field};
use blockjob_sim::measure::Schedule;

fn names(schedules: &[Schedule], fields: &[&str]) -> Vec<String> {
    let all = Alternative::cross(schedules, fields).unwrap();
    all.iter().map(|it| it.name().to_owned()).collect()
}

#[test]
fn a_cross_has_every_combination_and_the_last_field_changes_fastest() {
    let schedules = [Schedule::Fifo, Schedule::Random];
    assert_eq!(
        names(&schedules, &["slice=1ms|100ms", "inflight=4|16"]),
        [
            "fifo slice=1ms inflight=4",
            "fifo slice=1ms inflight=16",
            "fifo slice=100ms inflight=4",
            "fifo slice=100ms inflight=16",
            "random slice=1ms inflight=4",
            "random slice=1ms inflight=16",
            "random slice=100ms inflight=4",
            "random slice=100ms inflight=16",
        ]
    );
}

#[test]
fn what_all_alternatives_have_in_common_is_not_in_their_names() {
    let fields = ["depth=4", "slice=1ms|100ms"];
    assert_eq!(
        names(&[Schedule::Fifo], &fields),
        ["slice=1ms", "slice=100ms"]
    );
    assert_eq!(
        names(&[], &["slice=1ms, 2ms|3ms"]),
        ["slice=1ms", "slice=2ms", "slice=3ms"]
    );
    assert_eq!(names(&[], &["depth=4"]), ["random"]);
    let all = Alternative::cross(&[Schedule::Fifo], &fields).unwrap();
    for alternative in all {
        assert_eq!(alternative.schedule().to_string(), "fifo");
        let config = alternative.apply(&Config::new()).unwrap();
        assert_eq!(config.get(Field::Depth), 4);
    }
}

#[test]
fn values_have_the_units_that_scenarios_have() {
    let fields = [
        "slice=3ms",
        "speed=2M",
        "latency=70us",
        "kinds=read+flush",
        "hot=yes",
    ];
    let [alternative] = &Alternative::cross(&[], &fields).unwrap()[..] else {
        panic!("one alternative")
    };
    let config = alternative.apply(&Config::new()).unwrap();
    let expected = "slice=3000000,speed=2097152,latency=70000,hot=yes,kinds=read+flush";
    assert_eq!(config.to_string(), expected);
}

#[test]
fn another_granularity_leaves_the_disk_and_the_buffers_as_long_as_they_were() {
    let config = Config::parse("granules=64,granularity=4096,buf=16,maxio=2").unwrap();
    let [fine, coarse] = &Alternative::cross(&[], &["granularity=1K|64K"]).unwrap()[..] else {
        panic!("two alternatives")
    };
    let text = |it: &Alternative| it.apply(&config).unwrap().to_string();
    assert_eq!(text(fine), "granules=256,granularity=1024,buf=64,maxio=8");
    // A copy is a granule at least.
    assert_eq!(text(coarse), "granularity=65536,buf=1");
    // Whoever sets them says what they are.
    let own = Alternative::cross(&[], &["granularity=1K", "buf=4"]).unwrap();
    assert_eq!(text(&own[0]), "granules=256,granularity=1024,buf=4,maxio=8");
}

#[test]
fn a_field_or_a_value_that_there_is_not_is_refused() {
    let error = |text: &str| Alternative::cross(&[], &[text]).unwrap_err();
    assert!(matches!(error("slice"), AlternativeError::NoValue { .. }));
    assert!(matches!(error("slise=1"), AlternativeError::Field(_)));
    assert!(matches!(error("slice=1x"), AlternativeError::Field(_)));
    assert!(matches!(error("slice=1ms|"), AlternativeError::Field(_)));
    assert!(matches!(error("hot=1"), AlternativeError::Field(_)));
}
