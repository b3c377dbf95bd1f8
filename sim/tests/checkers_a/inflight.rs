//! INFLIGHT.

use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_sim::cast::Cast;
use blockjob_sim::check::inflight::Inflight;
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;

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
        let mirror = pair(cast).mirror();
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
            let target = pair(&cast).target_node().clone();
            let second = cast.main.coroutine("mischief", async move {
                target.co_write(128, scribble(256)).await.expect("no fault");
            });
            second.wake();
            let target = &pair(&cast).target_node();
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
            let target = &pair(&cast).target_node();
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

/// A mirror in write-blocking mode, which says of a range that a guest writes it to both sides.
fn written(offset: u64, bytes: u64) -> MirrorEvent {
    MirrorEvent::MirrorActiveBegin { offset, bytes }
}

#[test]
fn two_guests_do_not_write_the_same_bytes_to_both_sides_at_a_time() {
    let failure = finds::<Inflight>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            forge_mirror(&cast, written(128, 256));
            // Beside each other they may.
            forge_mirror(&cast, written(384, 128));
            forge_mirror(&cast, written(256, 128));
        });
    });
    assert_is(&failure, Rule::Inflight, "written-twice");
}

#[test]
fn a_guest_does_not_write_to_both_sides_where_a_copy_is_under_way() {
    let failure = finds::<Inflight>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            let (offset, bytes) = RANGE;
            forge_mirror(&cast, MirrorEvent::MirrorIteration { offset, bytes });
            forge_mirror(&cast, written(offset + bytes - 128, 128));
        });
    });
    assert_is(&failure, Rule::Inflight, "copied-and-written");
}

#[test]
fn a_copy_does_not_land_beside_what_a_guest_writes_to_both_sides() {
    let config = "granules=64,guests=0";
    let failure = finds::<Inflight>(config, |cast| {
        when(cast, is_running, |cast| async move {
            let (offset, bytes) = (63 * 512, 512);
            forge_mirror(&cast, written(offset, 128));
            // The guest's own may.
            let target = &pair(&cast).target_node();
            let own = target.co_write(offset, scribble(128)).await;
            own.expect("no fault");
            let copied = target.co_write(offset, scribble(bytes)).await;
            copied.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Inflight, "copied-and-written");
}

#[test]
fn what_guests_write_to_both_sides_is_in_no_buffer() {
    let config = "granules=16,guests=8,depth=4,buf=1,maxio=1,inflight=2,requests=24,span=4,step=4,copymode=write-blocking";
    let config = Config::parse(config).expect("the text is right");
    let mut runner = Runner::with_checkers(vec![Box::new(Inflight::new())]);
    for seed in 0..20 {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "seed {seed}");
    }
}

#[test]
fn a_guests_write_that_has_not_begun_does_not_end() {
    let failure = finds::<Inflight>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            let (offset, bytes) = (128, 128);
            forge_mirror(&cast, MirrorEvent::MirrorActiveEnd { offset, bytes });
        });
    });
    assert_is(&failure, Rule::Inflight, "ends-twice");
}
