//! GRAPH.

use blockjob_block::request::BlockTrace;
use blockjob_jobs::mirror::filter::MirrorTop;
use blockjob_sim::check::graph::Graph;
use blockjob_sim::failure::Rule;

use crate::support::{PLAIN, assert_is, finds, forge_block, is_ready, pair, when};

fn replaces(cast: &blockjob_sim::cast::Cast) {
    let pair = pair(cast);
    let (from, to) = (pair.source_node(), pair.target_node());
    let (from, to) = (from.label().clone(), to.label().clone());
    forge_block(cast, BlockTrace::ReplaceNode { from, to });
}

#[test]
fn a_node_is_not_replaced_while_it_is_in_use() {
    let failure = finds::<Graph>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move { replaces(&cast) });
    });
    assert_is(&failure, Rule::Graph, "replaced-undrained");
    assert!(
        failure.text.contains("'source' is not drained"),
        "{failure}"
    );
}

#[test]
fn who_takes_the_place_of_a_node_is_drained_as_well() {
    let failure = finds::<Graph>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            let drained = pair(&cast).source_node().co_drained_begin("test").await;
            replaces(&cast);
            drop(drained);
        });
    });
    assert_is(&failure, Rule::Graph, "replaced-undrained");
    assert!(
        failure.text.contains("'target' is not drained"),
        "{failure}"
    );
}

#[test]
fn a_section_that_is_not_established_does_not_count() {
    let failure = finds::<Graph>(PLAIN, |cast| {
        let busy = |cast: &blockjob_sim::cast::Cast| {
            is_ready(cast) && pair(cast).source_node().in_flight() > 0
        };
        when(cast, busy, |cast| async move {
            let target = pair(&cast).target_node().co_drained_begin("test").await;
            let source = pair(&cast).source_node().drained_begin_no_poll("test");
            replaces(&cast);
            drop((target, source));
        });
    });
    assert_is(&failure, Rule::Graph, "replaced-undrained");
    assert!(
        failure.text.contains("'source' is not drained"),
        "{failure}"
    );
}

#[test]
fn the_filter_of_a_job_does_not_outlive_it() {
    let failure = finds::<Graph>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            let filter = pair(&cast).device().node().expect("it uses the filter");
            let driver = Box::new(MirrorTop::default());
            let left = cast.graph.add_node(Some("left"), driver, false, &[]);
            assert_eq!(filter.driver().format_name(), "mirror_top");
            std::mem::forget(left.expect("a new name"));
        });
    });
    assert_is(&failure, Rule::Graph, "filter-left");
    assert!(failure.text.contains("at 'left'"), "{failure}");
}
