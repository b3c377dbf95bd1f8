//! DATA.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_jobs::state::JobStatus;
use blockjob_sim::cast::Cast;
use blockjob_sim::check::data::Data;
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;
use bytes::{Bytes, BytesMut};

use crate::support::{PLAIN, assert_is, finds, is_ready, pair, scribble, when};

#[test]
fn a_target_that_somebody_else_has_written_to_is_no_copy() {
    let failure = finds::<Data>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            let target = &pair(&cast).target_node();
            target.co_write(128, scribble(128)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Data, "target-differs");
}

#[test]
fn content_of_the_base_is_compared_as_the_overlay_shows_it() {
    let config = format!("{PLAIN},backing=yes,fill=sparse");
    let failure = finds::<Data>(&config, |cast| {
        when(cast, is_ready, |cast| async move {
            // Of this the source holds nothing itself.
            let target = &pair(&cast).target_node();
            target.co_write(384, scribble(128)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Data, "target-differs");
}

#[test]
fn a_top_is_compared_where_it_is_not_its_base() {
    // The first of its clusters is the source's own.
    let config = format!("{PLAIN},backing=yes,tbacking=yes,sync=top,fill=sparse,tfill=holes");
    let scribbled = |offset: u64| {
        move |cast: &Rc<Cast>| {
            when(cast, is_ready, move |cast| async move {
                let target = &pair(&cast).target_node();
                target
                    .co_write(offset, scribble(128))
                    .await
                    .expect("no fault");
            });
        }
    };
    let failure = finds::<Data>(&config, scribbled(0));
    assert_is(&failure, Rule::Data, "target-differs");
    // The second is not, unless a guest has written to it. Then only the guests are surprised.
    let failure = finds::<Data>(&config, scribbled(1152));
    assert_is(&failure, Rule::Data, "device-content");
}

#[test]
fn what_a_guest_finds_in_the_end_is_what_it_was_told() {
    let failure = finds::<Data>("granules=8,guests=1,mirror=no", |cast| {
        let open = cast.keep_open();
        when(cast, Cast::guests_rest, |cast| async move {
            let disk = &pair(&cast).source_node();
            disk.co_write(0, scribble(128)).await.expect("no fault");
            drop(open);
        });
    });
    assert_is(&failure, Rule::Data, "device-content");
}

/// Reads a unit of a node.
async fn unit_of(cast: &Cast, source: bool) -> Bytes {
    let pair = pair(cast);
    let node = match source {
        true => &pair.source_node(),
        false => &pair.target_node(),
    };
    let (unit, read) = node.co_read(0, BytesMut::zeroed(128)).await;
    read.expect("no fault");
    unit.freeze()
}

/// What is right is written again, and not flushed, over something wrong that is.
async fn unsettle(cast: &Cast) {
    let right = unit_of(cast, false).await;
    let target = &pair(cast).target_node();
    target.co_write(0, scribble(128)).await.expect("no fault");
    target.flush().await.expect("no fault");
    target.co_write(0, right).await.expect("no fault");
}

#[test]
fn what_a_job_has_flushed_survives_a_crash() {
    // The job waits to be finalized, with its source drained: nothing else writes meanwhile.
    let config = format!("{PLAIN},volatile=yes,finalize=no,end=cancel");
    let failure = finds::<Data>(&config, |cast| {
        let done = Rc::new(Cell::new(false));
        let pending = |cast: &Cast| {
            let job = pair(cast).job();
            job.is_some_and(|job| job.status() == JobStatus::Pending)
        };
        when(cast, is_ready, move |cast| async move {
            let job = pair(&cast).job().expect("it is ready").clone();
            job.block_job_cancel(false).expect("it is ready");
            while !pending(&cast) {
                cast.main.sleep(5_000).await;
            }
            unsettle(&cast).await;
            done.set(true);
        });
    });
    assert_is(&failure, Rule::Data, "lost-in-crash");
}

#[test]
fn what_a_guest_wrote_before_the_pivot_survives_a_crash_after_it() {
    let config = format!("{PLAIN},volatile=yes");
    let failure = finds::<Data>(&config, |cast| {
        let pivoted = |cast: &Cast| {
            let pair = pair(cast);
            let node = pair.device().node().expect("it has a medium");
            Rc::ptr_eq(&node, &pair.target_node()) && cast.guests_rest()
        };
        let open = cast.keep_open();
        when(cast, pivoted, |cast| async move {
            unsettle(&cast).await;
            drop(open);
        });
    });
    assert_is(&failure, Rule::Data, "lost-in-crash");
}

#[test]
fn what_a_guest_has_not_flushed_may_be_lost() {
    let config = format!("{PLAIN},volatile=yes,kinds=flush");
    let config = Config::parse(&config).expect("the text is right");
    let mut runner = Runner::with_checkers(vec![Box::new(Data::new())]);
    runner.add_prologue(|cast| {
        // Ends the job while its guests go on.
        when(cast, is_ready, |cast| async move {
            let job = pair(&cast).job().expect("it is ready").clone();
            job.complete().expect("it is ready");
        });
    });
    for seed in 0..20 {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "seed {seed}");
    }
}
