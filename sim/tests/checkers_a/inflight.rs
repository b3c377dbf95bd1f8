//! INFLIGHT.

use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_sim::cast::Cast;
use blockjob_sim::check::inflight::Inflight;
use blockjob_sim::failure::Rule;

use crate::support::{
    PLAIN, assert_is, finds, forge_mirror, is_ready, is_running, pair, scribble, when,
};

/// A range that has nothing to do with what the guests write.
const RANGE: (u64, u64) = (512, 1024);

#[test]
fn a_second_copy_of_a_granule_is_one_too_many() {
    let failure = finds::<Inflight>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            let (offset, bytes) = RANGE;
            forge_mirror(&cast, MirrorEvent::MirrorIteration { offset, bytes });
            let offset = offset + 512;
            forge_mirror(&cast, MirrorEvent::MirrorIteration { offset, bytes });
        });
    });
    assert_is(&failure, Rule::Inflight, "two-copies");
}

#[test]
fn a_copy_that_has_not_begun_does_not_end() {
    let rests = |cast: &Cast| {
        let mirror = pair(cast).mirror.get();
        is_ready(cast) && mirror.is_some_and(|mirror| mirror.in_flight() == 0)
    };
    let failure = finds::<Inflight>(PLAIN, move |cast| {
        when(cast, rests, |cast| async move {
            let (offset, bytes) = RANGE;
            forge_mirror(&cast, MirrorEvent::MirrorIterationDone { offset, bytes });
        });
    });
    assert_is(&failure, Rule::Inflight, "ends-twice");
}

#[test]
fn a_target_is_not_told_to_change_the_same_bytes_twice_at_a_time() {
    let failure = finds::<Inflight>(PLAIN, |cast| {
        when(cast, is_running, |cast| async move {
            let target = pair(&cast).target_node.clone();
            let second = cast.main.coroutine("mischief", async move {
                target.co_write(128, scribble(256)).await.expect("no fault");
            });
            second.wake();
            let target = &pair(&cast).target_node;
            target.co_write(256, scribble(256)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Inflight, "changes-overlap");
}

#[test]
fn more_than_the_buffer_holds_is_not_written_at_a_time() {
    let config = "granules=16,guests=2,buf=2,inflight=2,requests=24,span=1,rest=400000";
    let failure = finds::<Inflight>(config, |cast| {
        when(cast, is_ready, |cast| async move {
            let target = &pair(&cast).target_node;
            target.co_write(0, scribble(2048)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Inflight, "too-much-buffered");
}

#[test]
fn who_waits_for_a_copy_has_one_to_wait_for() {
    let failure = finds::<Inflight>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            forge_mirror(&cast, yields(8192, 0));
        });
    });
    assert_is(&failure, Rule::Inflight, "waits-for-none");
}

#[test]
fn a_buffer_is_not_larger_than_it_is() {
    let failure = finds::<Inflight>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            forge_mirror(&cast, yields(8192 + 512, 1));
        });
    });
    assert_is(&failure, Rule::Inflight, "buffers-miscounted");
}

fn yields(buf_free_bytes: u64, in_flight: usize) -> MirrorEvent {
    MirrorEvent::MirrorYield {
        dirty_bytes: 512,
        buf_free_bytes,
        in_flight,
    }
}
