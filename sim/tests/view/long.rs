//! Stories of runs that are long.

use blockjob_sim::decide::Random;
use blockjob_sim::record::Record;
use blockjob_sim::run::Runner;
use blockjob_sim::story::{Length, Story};

use super::support::{config, document, parsed};

fn record(requests: usize) -> Record {
    let told = config(&format!(
        "granules=32,guests=4,depth=4,requests={requests},kinds=read+flush,step=4,spread=uniform,steps=20000000"
    ));
    Record::of(
        &mut Runner::new(),
        &told,
        Box::new(Random::new(1)),
        usize::MAX,
    )
}

#[test]
fn a_run_of_more_than_a_hundred_thousand_events_has_its_whole_story() {
    let record = record(1_600);
    assert!(
        record.entries.len() > 100_000,
        "the run has only {} events",
        record.entries.len()
    );
    let shown = parsed(&mut document(&record));
    let lines = shown["story"]["lines"].as_array().expect("a list");
    let told = |request: usize| {
        let text = format!(": request {request}.");
        let mut lines = lines.iter();
        lines.any(|line| line["text"].as_str().expect("a text").contains(&text))
    };
    for request in [1, 3_200, 6_400] {
        assert!(told(request), "nobody tells of request {request}");
    }
    let all = Story::of(&record, Length::Long);
    assert_eq!(lines.len(), all.lines.len());
    assert_eq!(shown["story"]["left_out"], 0);
    let last = lines.last().expect("it is not empty");
    assert_eq!(last["text"], all.lines[lines.len() - 1].text.as_str());
}

#[test]
fn of_a_long_run_the_decisions_with_many_options_have_names_only_at_first() {
    const MOST: usize = 1 << 20;
    const FEW: usize = 64;
    let told = config("granules=4096,guests=4,requests=100,kinds=read,spread=uniform,mirror=no");
    let policy = Box::new(Random::new(1));
    let record = Record::of(&mut Runner::new(), &told, policy, usize::MAX);
    let (mut named, mut nameless) = (0, 0);
    for (index, decision) in record.log.iter().enumerate() {
        let n = decision.n as usize;
        match record.names.of(index as u64) {
            Some(names) => {
                assert_eq!(names.len(), n, "decision {index}");
                named += n;
            }
            None => {
                assert!(n > FEW, "decision {index} has {n} options and no names");
                nameless += n;
            }
        }
    }
    assert!(nameless > 0, "the run is not long enough");
    assert!(named <= MOST, "{named} names are kept");
    assert!(named > MOST / 2, "only {named} names are kept");
}
