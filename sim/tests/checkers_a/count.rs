//! COUNT.

use blockjob_block::request::{BlockTrace, RequestKind};
use blockjob_sim::cast::Cast;
use blockjob_sim::check::count::Count;
use blockjob_sim::failure::Rule;

use crate::support::{PLAIN, assert_is, finds, forge_block, is_ready, is_running, pair, when};

fn request(cast: &Cast, id: u64, begins: bool) -> BlockTrace {
    let node = pair(cast).source_node().label().clone();
    let (kind, offset, bytes) = (RequestKind::Read, 0, 512);
    match begins {
        true => BlockTrace::RequestBegin {
            node,
            id,
            kind,
            offset,
            bytes,
        },
        false => BlockTrace::RequestEnd {
            node,
            id,
            kind,
            offset,
            bytes,
        },
    }
}

#[test]
fn a_request_does_not_end_that_has_not_begun() {
    let failure = finds::<Count>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            forge_block(&cast, request(&cast, 99_999, false));
        });
    });
    assert_is(&failure, Rule::Count, "request-ends");
}

#[test]
fn requests_are_numbered_as_they_begin() {
    let failure = finds::<Count>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            forge_block(&cast, request(&cast, 1, true));
        });
    });
    assert_is(&failure, Rule::Count, "request-begins");
}

#[test]
fn what_has_begun_is_in_flight() {
    let config = "granules=8,guests=0,mirror=no";
    let failure = finds::<Count>(config, |cast| {
        let open = cast.keep_open();
        when(
            cast,
            |_| true,
            |cast| async move {
                forge_block(&cast, request(&cast, 1, true));
                cast.main.sleep(1).await;
                drop(open);
            },
        );
    });
    assert_is(&failure, Rule::Count, "requests-not-in-flight");
}

#[test]
fn nothing_is_in_flight_when_nothing_is_asked() {
    let failure = finds::<Count>("granules=8,guests=0,mirror=no", |cast| {
        let open = cast.keep_open();
        when(
            cast,
            |_| true,
            |cast| async move {
                let node = pair(&cast).source_node();
                let counted = node.begin_internal();
                cast.main.sleep(1).await;
                drop((counted, open));
            },
        );
    });
    assert_is(&failure, Rule::Count, "in-flight-for-nothing");
}

#[test]
fn a_job_that_completes_has_nothing_left_to_do() {
    let failure = finds::<Count>("granules=64,guests=0", |cast| {
        when(cast, is_running, |cast| async move {
            let node = pair(&cast).source_node().label().clone();
            forge_block(
                &cast,
                BlockTrace::DrainBegin {
                    node,
                    section: 999,
                    owner: "mirror_run",
                },
            );
        });
    });
    assert_is(&failure, Rule::Count, "progress-at-end");
}
