//! Vector clocks.

use std::collections::BTreeMap;

use blockjob_sim::export::shiviz;
use blockjob_sim::record::Record;

use super::export::busy;

type Clock = BTreeMap<String, u64>;

/// The events of a log: host, clock, what.
fn events(record: &Record) -> Vec<(String, Clock, String)> {
    let text = shiviz::export(record);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len() % 2, 0);
    let events = lines.chunks(2).map(|pair| {
        let (host, clock) = pair[0].split_once(' ').expect("a host and its clock");
        let clock = serde_json::from_str(clock).expect("a clock is JSON");
        (host.to_owned(), clock, pair[1].to_owned())
    });
    events.collect()
}

fn is_at_most(one: &Clock, other: &Clock) -> bool {
    one.iter()
        .all(|(host, known)| other.get(host).is_some_and(|other| known <= other))
}

#[test]
fn each_host_counts_its_own_events_and_forgets_nothing() {
    for record in busy() {
        let mut clocks: BTreeMap<String, Clock> = BTreeMap::new();
        for (host, clock, what) in events(&record) {
            let before = clocks.entry(host.clone()).or_default();
            let counted = before.get(&host).copied().unwrap_or(0);
            assert_eq!(clock[&host], counted + 1, "{host}: {what}");
            assert!(is_at_most(before, &clock), "{host}: {what}");
            *before = clock;
        }
        let least = if record.lost == 0 { 4 } else { 3 };
        assert!(clocks.len() >= least, "{:?}", clocks.keys());
    }
}

#[test]
fn nobody_knows_of_what_has_not_happened_and_who_knows_of_an_event_knows_what_that_knew() {
    for record in busy() {
        let mut happened: BTreeMap<(String, u64), Clock> = BTreeMap::new();
        for (host, clock, what) in events(&record) {
            happened.insert((host.clone(), clock[&host]), clock.clone());
            for (other, known) in &clock {
                let then = happened.get(&(other.clone(), *known));
                let then = then.unwrap_or_else(|| panic!("{other} has no event {known}: {what}"));
                assert!(is_at_most(then, &clock), "{host} knows {other}: {what}");
            }
        }
    }
}

#[test]
fn a_disk_knows_who_asked_and_who_asked_hears_of_the_answer() {
    let mut answers = 0;
    for record in busy().into_iter().filter(|record| record.lost == 0) {
        let events = events(&record);
        for (index, (host, clock, what)) in events.iter().enumerate() {
            if !what.contains(": disk-land") {
                continue;
            }
            assert!(
                clock.len() > 1,
                "{host} lands what nobody asked for: {what}"
            );
            let answer = (host.clone(), clock[host]);
            let heard = events[index..].iter().any(|(other, clock, _)| {
                *other != answer.0 && clock.get(&answer.0).is_some_and(|known| *known >= answer.1)
            });
            answers += usize::from(heard);
        }
    }
    assert!(answers > 100, "{answers}");
}
