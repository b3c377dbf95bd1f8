//! No checker complains of an engine that does nothing wrong.

use blockjob_sim::check::Checker;
use blockjob_sim::check::active::Active;
use blockjob_sim::check::count::Count;
use blockjob_sim::check::data::Data;
use blockjob_sim::check::dirty::Dirty;
use blockjob_sim::check::drain::Drain;
use blockjob_sim::check::graph::Graph;
use blockjob_sim::check::home::Home;
use blockjob_sim::check::inflight::Inflight;
use blockjob_sim::check::quiesce::Quiesce;
use blockjob_sim::check::wake::Wake;
use blockjob_sim::decide::Random;
use blockjob_sim::run::Runner;
use blockjob_sim::swarm::Scenario;

/// Anything may happen.
const ANYTHING: &str = "
    name = anything
    jobs = 1 | 1 | 2..3
    granules = 2..8 | 4..32
    tail = 0 | 0 | 1..7
    granularity = 512 | 1K
    sync = full | top | none
    copymode = background | write-blocking
    backing = no | yes
    tbacking = no | yes
    fill = data | sparse | holes
    tfill = noise | holes | sparse
    unmap = yes | no
    buf = 16 | 1..4 | 4..32
    maxio = 1 | 2..8
    inflight = 16 | 1..4
    slice = 100ms | 200us
    speed = 0 | 0 | 4K..1M log
    room = 0 | 0 | 512..8K log
    onsource = report | ignore | stop | enospc
    ontarget = report | ignore | stop | enospc
    finalize = yes | no
    dismiss = yes | no
    latency = 100us | 10us | 1ms
    tlatency = 100us | 10us | 1ms
    spread = constant | uniform | tail
    tspread = constant | uniform | tail
    early = no | yes
    status = exact | slow | coarse
    readerror = 0 | 0 | 8..256 log
    writeerror = 0 | 0 | 8..256 log
    targeterror = 0 | 0 | 8..256 log
    targetfull = 0 | 0 | 8..256 log
    flusherror = 0 | 0 | 64..512 log
    short = 0 | 0 | 16..512 log
    hold = 0 | 0 | 4..64 log
    volatile = no | yes
    alignment = 0 | 512 | 1K
    talignment = 0 | 512 | 1K
    cluster = 0 | 1K
    tcluster = 0 | 1K
    guests = 1 | 0 | 2..4
    own = no | yes
    depth = 1..4
    requests = 4..24
    span = 1..4 | 1..16
    step = 1 | 4
    hot = no | yes
    kinds = none | some
    rest = 0 | 10us..10ms log
    abandon = 0 | 0 | 16..256 log
    start = 0 | 1..16
    deeds = 0 | 4..12
    verbs = all | some
    end = complete | complete | cancel | force
    eager = no | yes
    drains = 0 | 0 | 1ms..10ms
    steps = 20000
";

/// The seeds of a hundred runs.
const SEEDS: std::ops::Range<u64> = 0..100;

fn is_silent(checker: impl Checker + 'static) {
    let scenario = Scenario::parse(ANYTHING).expect("the text is a scenario");
    let mut runner = Runner::with_checkers(vec![Box::new(checker)]);
    for seed in SEEDS {
        let config = scenario.draw(seed).expect("the values go together");
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "seed {seed} of {config}");
    }
}

#[test]
fn the_checker_of_content_is_silent() {
    is_silent(Data::new());
}

#[test]
fn the_checker_of_dirty_bits_is_silent() {
    is_silent(Dirty::new());
}

#[test]
fn the_checker_of_copies_is_silent() {
    is_silent(Inflight::new());
}

#[test]
fn the_checker_of_what_is_actively_synced_is_silent() {
    is_silent(Active::new());
}

#[test]
fn the_checker_of_sections_is_silent() {
    is_silent(Drain::new());
}

#[test]
fn the_checker_of_what_is_left_is_silent() {
    is_silent(Quiesce::new());
}

#[test]
fn the_checker_of_wake_ups_is_silent() {
    is_silent(Wake::new());
}

#[test]
fn the_checker_of_homes_is_silent() {
    is_silent(Home::new());
}

#[test]
fn the_checker_of_the_graph_is_silent() {
    is_silent(Graph::new());
}

#[test]
fn the_checker_of_counts_is_silent() {
    is_silent(Count::new());
}
