//! DRAIN.

use std::rc::Rc;

use blockjob_block::request::{ALL_NODES, BlockTrace};
use blockjob_jobs::trace::JobTraceKind;
use blockjob_sim::check::drain::Drain;
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;
use bytes::BytesMut;

use crate::support::{
    PLAIN, assert_is, finds, forge_block, forge_job, is_over, is_ready, is_running, pair, scribble,
    when,
};

#[test]
fn nothing_begins_at_a_node_that_is_drained() {
    let failure = finds::<Drain>(PLAIN, |cast| {
        when(cast, is_running, |cast| async move {
            let source = &pair(&cast).source_node();
            let drained = source.co_drained_begin("test").await;
            let (_, read) = source.co_read(0, BytesMut::zeroed(128)).await;
            read.expect("no fault");
            drop(drained);
        });
    });
    assert_is(&failure, Rule::Drain, "begins-inside");
}

#[test]
fn nothing_begins_above_a_node_that_is_drained() {
    let config = format!("{PLAIN},backing=yes");
    let failure = finds::<Drain>(&config, |cast| {
        when(cast, is_running, |cast| async move {
            let source = &pair(&cast).source_node();
            let base = source.backing().expect("it has a base").node();
            let drained = base.co_drained_begin("test").await;
            source.co_write(0, scribble(128)).await.expect("no fault");
            drop(drained);
        });
    });
    assert_is(&failure, Rule::Drain, "begins-inside");
}

#[test]
fn what_is_below_a_drained_node_goes_on_unless_the_section_covers_it() {
    let config = format!("{PLAIN},backing=yes");
    let below = |subtree: bool| {
        finds::<Drain>(&config, move |cast| {
            when(cast, is_running, move |cast| async move {
                let source = &pair(&cast).source_node();
                let base = source.backing().expect("it has a base").node();
                let drained = match subtree {
                    true => source.co_subtree_drained_begin("test").await,
                    false => source.co_drained_begin("test").await,
                };
                let (_, read) = base.co_read(0, BytesMut::zeroed(128)).await;
                read.expect("no fault");
                if !subtree {
                    // So far nobody has complained.
                    let _ = source.co_read(0, BytesMut::zeroed(128)).await;
                }
                drop(drained);
            });
        })
    };
    let (all, top) = (below(true), below(false));
    assert_is(&all, Rule::Drain, "begins-inside");
    assert_eq!(all.parties, ["base", "test"]);
    assert_is(&top, Rule::Drain, "begins-inside");
    assert_eq!(top.parties, ["source", "test"]);
}

#[test]
fn nothing_begins_anywhere_when_all_is_drained() {
    let failure = finds::<Drain>(PLAIN, |cast| {
        when(cast, is_running, |cast| async move {
            let drained = cast.graph.co_drain_all_begin("test").await;
            let target = &pair(&cast).target_node();
            target.co_write(0, scribble(128)).await.expect("no fault");
            drop(drained);
        });
    });
    assert_is(&failure, Rule::Drain, "begins-inside");
    assert!(failure.text.contains(ALL_NODES), "{failure}");
}

#[test]
fn nothing_is_in_flight_when_a_section_is_established() {
    let failure = finds::<Drain>(PLAIN, |cast| {
        let busy = |cast: &blockjob_sim::cast::Cast| pair(cast).source_node().in_flight() > 0;
        when(cast, busy, |cast| async move {
            let node = pair(&cast).source_node().label().clone();
            forge_block(
                &cast,
                BlockTrace::Drained {
                    node,
                    section: 999,
                    owner: "test",
                },
            );
        });
    });
    assert_is(&failure, Rule::Drain, "busy-when-drained");
}

#[test]
fn what_is_no_request_does_not_begin_inside_of_a_section_either() {
    let config = "granules=8,guests=0,mirror=no";
    let failure = finds::<Drain>(config, |cast| {
        let open = cast.keep_open();
        when(
            cast,
            |_| true,
            |cast| async move {
                let source = &pair(&cast).source_node();
                source.co_write(0, scribble(128)).await.expect("no fault");
                let drained = source.co_drained_begin("test").await;
                source.flush().await.expect("no fault");
                drop((drained, open));
            },
        );
    });
    assert_is(&failure, Rule::Drain, "busy-inside");
}

#[test]
fn no_completion_runs_inside_of_somebody_elses_section() {
    let failure = finds::<Drain>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            let target = &pair(&cast).target_node();
            let drained = target.co_drained_begin("test").await;
            forge_job(&cast, JobTraceKind::DeferredStart);
            drop(drained);
        });
    });
    assert_is(&failure, Rule::Drain, "completes-inside");
}

#[test]
fn a_section_that_has_ended_stops_nobody() {
    let config = Config::parse(PLAIN).expect("the text is right");
    let mut runner = Runner::with_checkers(vec![Box::new(Drain::new())]);
    let held = Rc::new(std::cell::Cell::new(0));
    let counted = held.clone();
    runner.add_prologue(move |cast| {
        let counted = counted.clone();
        when(cast, is_running, |cast| async move {
            while !is_over(&cast) {
                let drained = pair(&cast).source_node().co_drained_begin("test").await;
                cast.main.sleep(30_000).await;
                drop(drained);
                counted.set(counted.get() + 1);
                cast.main.sleep(900_000).await;
            }
        });
    });
    for seed in 0..20 {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "seed {seed}");
    }
    assert!(held.get() > 20);
}
