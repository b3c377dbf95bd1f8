//! DIRTY.

use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_sim::check::dirty::Dirty;
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;

use crate::support::{
    PLAIN, assert_is, finds, forge_mirror, is_ready, is_running, pair, scribble, when,
};

#[test]
fn a_target_that_changes_behind_the_jobs_back_differs_and_is_clean() {
    let failure = finds::<Dirty>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            let target = &pair(&cast).target_node();
            target.co_write(0, scribble(128)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Dirty, "clean-but-different");
}

#[test]
fn a_source_that_is_written_to_unseen_differs_and_is_clean() {
    let failure = finds::<Dirty>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            let source = &pair(&cast).source_node();
            for bitmap in source.dirty_bitmaps() {
                bitmap.set_enabled(false);
            }
            source.co_write(0, scribble(128)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Dirty, "clean-but-different");
}

#[test]
fn a_bit_that_somebody_clears_is_missed_when_the_job_believes_that_all_is_clean() {
    // A job of a high price: most is still dirty when the bits are cleared.
    let config = "granules=64,guests=0,buf=1,inflight=1";
    let failure = finds::<Dirty>(config, |cast| {
        when(cast, is_running, |cast| async move {
            for bitmap in pair(&cast).source_node().dirty_bitmaps() {
                bitmap.bits_mut().clear_all();
            }
        });
    });
    assert_is(&failure, Rule::Dirty, "clean-but-different");
}

#[test]
fn a_copy_that_ends_without_having_copied_leaves_a_difference() {
    let config = "granules=64,guests=0,tlatency=1000000";
    let failure = finds::<Dirty>(config, |cast| {
        when(cast, is_running, |cast| async move {
            let (offset, bytes) = (0, 64 * 512);
            forge_mirror(&cast, MirrorEvent::MirrorIterationDone { offset, bytes });
        });
    });
    assert_is(&failure, Rule::Dirty, "clean-but-different");
}

#[test]
fn before_the_loop_nothing_is_asked() {
    // Nobody has found yet what is dirty, and that takes a while.
    let config = "granules=64,guests=1,sync=top,backing=yes,tbacking=yes,fill=sparse,tfill=holes,status=slow";
    let config = Config::parse(config).expect("the text is right");
    let mut runner = Runner::with_checkers(vec![Box::new(Dirty::new())]);
    for seed in 0..20 {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "seed {seed}");
    }
}
