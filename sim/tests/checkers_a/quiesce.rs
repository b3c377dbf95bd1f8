//! QUIESCE.

use std::mem::forget;
use std::rc::Rc;

use blockjob_sim::cast::Cast;
use blockjob_sim::check::quiesce::Quiesce;
use blockjob_sim::failure::{Failure, Rule};

use crate::support::{PLAIN, assert_is, finds, is_over, pair, when};

/// What is found when `act` is done after all jobs have ended.
fn left_over(act: impl Fn(&Cast) + Clone + 'static) -> Failure {
    finds::<Quiesce>(PLAIN, move |cast| {
        let (open, act) = (cast.keep_open(), act.clone());
        when(cast, is_over, |cast| async move {
            act(&cast);
            drop(open);
        });
    })
}

#[test]
fn a_section_that_does_not_end_is_left() {
    let failure = left_over(|cast| {
        let source = &pair(cast).source_node();
        forget(source.drained_begin_no_poll("test"));
    });
    assert_is(&failure, Rule::Quiesce, "section-left");
}

#[test]
fn a_request_that_never_ends_keeps_its_node_busy() {
    let failure = left_over(|cast| forget(pair(cast).source_node().begin_internal()));
    assert_is(&failure, Rule::Quiesce, "node-busy");
}

#[test]
fn a_bitmap_that_nobody_releases_is_left() {
    let failure = left_over(|cast| {
        let made = pair(cast).source_node().create_dirty_bitmap(None, 512);
        drop(made.expect("the granularity is a power of two"));
    });
    assert_is(&failure, Rule::Quiesce, "bitmap-left");
}

#[test]
fn a_job_that_is_over_is_stopped_by_no_section() {
    let failure = left_over(|cast| {
        let job = pair(cast).job();
        job.expect("it has run").pause();
    });
    assert_is(&failure, Rule::Quiesce, "job-paused");
}

#[test]
fn guests_are_listened_to_in_the_end() {
    let failure = left_over(|cast| cast.main.handle().disable_external());
    assert_is(&failure, Rule::Quiesce, "external-masked");
}

#[test]
fn a_coroutine_that_waits_for_ever_is_left() {
    let failure = finds::<Quiesce>(PLAIN, |cast: &Rc<Cast>| {
        let coroutine = cast.main.coroutine("mischief", std::future::pending());
        coroutine.wake();
    });
    assert_is(&failure, Rule::Quiesce, "coroutines-left");
}

#[test]
fn a_timer_that_nobody_disarms_is_left() {
    let failure = left_over(|cast| {
        let timer = cast.main.timer("mischief", || {});
        timer.arm(u64::MAX / 2);
        forget(timer);
    });
    assert_is(&failure, Rule::Quiesce, "timers-left");
}
