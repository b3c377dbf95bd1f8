//! ACTIVE.

use blockjob_sim::cast::Cast;
use blockjob_sim::check::active::Active;
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;

use crate::support::{PLAIN, assert_is, finds, is_ready, pair, scribble, when};

fn write_blocking() -> String {
    format!("{PLAIN},copymode=write-blocking")
}

fn is_synced(cast: &Cast) -> bool {
    let mirror = pair(cast).mirror();
    is_ready(cast) && mirror.is_some_and(|mirror| mirror.is_actively_synced())
}

#[test]
fn a_target_that_changes_behind_the_jobs_back_is_not_what_the_mirror_says() {
    let failure = finds::<Active>(&write_blocking(), |cast| {
        when(cast, is_synced, |cast| async move {
            let target = &pair(&cast).target_node();
            target.co_write(0, scribble(128)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Active, "synced-but-different");
}

#[test]
fn a_write_that_only_the_source_has_is_missed() {
    let failure = finds::<Active>(&write_blocking(), |cast| {
        when(cast, is_synced, |cast| async move {
            let source = &pair(&cast).source_node();
            for bitmap in source.dirty_bitmaps() {
                bitmap.set_enabled(false);
            }
            source.co_write(0, scribble(128)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Active, "synced-but-different");
}

#[test]
fn a_write_beside_a_stale_unit_of_its_granule_is_no_excuse() {
    // Guests are at it in every granule all the time.
    let config = "granules=1,granularity=4096,guests=2,depth=2,requests=200,span=1,\
                  copymode=write-blocking";
    let failure = finds::<Active>(config, |cast| {
        when(cast, is_synced, |cast| async move {
            let target = &pair(&cast).target_node();
            target.co_write(512, scribble(512)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Active, "synced-but-different");
}

#[test]
fn a_mirror_that_does_not_say_so_is_not_held_to_it() {
    let config = Config::parse(PLAIN).expect("the text is right");
    let mut runner = Runner::with_checkers(vec![Box::new(Active::new())]);
    runner.add_prologue(|cast| {
        when(cast, is_ready, |cast| async move {
            let target = &pair(&cast).target_node();
            target.co_write(0, scribble(128)).await.expect("no fault");
        });
    });
    let report = runner.run(&config, Box::new(Random::new(0)));
    assert_eq!(report.failure, None);
}
