//! PROGRESS fires when somebody waits for longer than he can have to.

use std::rc::Rc;

use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace};
use blockjob_sim::cast::Cast;
use blockjob_sim::check::progress::Progress;
use blockjob_sim::failure::Rule;
use bytes::Bytes;

use crate::support::{PLAIN, assert_is, finds, is_ready, pair, runs, when};

/// A job that is ready at once and does not listen when it is told to end.
struct Mule;

impl JobDriver for Mule {
    fn job_type(&self) -> JobType {
        JobType::Backup
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            job.set_ready();
            loop {
                job.sleep_ns(1_000_000).await;
            }
        })
    }

    fn complete(&self, _job: &Rc<Job>) -> JobResult {
        Ok(())
    }
}

#[test]
fn a_job_that_never_becomes_ready_is_found() {
    let failure = finds::<Progress>("granules=4,guests=1,requests=2", |cast| {
        // Until it has caught up it is told that it has to copy what it has copied.
        let me = cast.clone();
        when(cast, runs, |_| async move {
            while runs(&me) && !is_ready(&me) {
                let device = pair(&me).device();
                let written = device.write(0, Bytes::from_static(&[7; 512])).await;
                assert!(written.is_ok(), "the disk has no faults");
            }
        });
    });
    assert_is(&failure, Rule::Progress, "never-ready");
    assert!(failure.parties.contains(&"job0".to_owned()), "{failure}");
}

#[test]
fn a_job_that_never_ends_is_found() {
    let failure = finds::<Progress>("granules=4,guests=1,requests=2", |cast| {
        let mule = Job::create(
            &cast.jobs,
            Some("mule"),
            Rc::new(Mule),
            JobOptions::default(),
        );
        mule.expect("the name is new").start();
    });
    assert_is(&failure, Rule::Progress, "never-ends");
}

/// Has the target busy for twenty times `tick_ns`, when somebody begins to drain it.
fn busy_target(cast: &Rc<Cast>, tick_ns: u64) {
    when(cast, runs, move |cast| async move {
        let node = pair(&cast).target_node().clone();
        let busy = node.begin_internal();
        let drainer = node.clone();
        let drain = async move { drainer.co_drain("somebody").await };
        cast.main.coroutine("drain", drain).wake();
        for _ in 0..20 {
            cast.main.sleep(tick_ns).await;
        }
        drop(busy);
    });
}

#[test]
fn a_drained_section_that_is_not_established_is_found() {
    let failure = finds::<Progress>(PLAIN, |cast| busy_target(cast, 1_000_000_000));
    assert_is(&failure, Rule::Progress, "drain-late");
    assert_eq!(failure.parties[0], "somebody");
    let holder = "the drained section 'somebody' on target to end; that waits for what else is in flight \
                  at target to end; that waits for somebody who is not to be seen to end it";
    assert!(failure.text.contains(holder), "{failure}");
}

#[test]
fn a_drained_section_that_is_established_late_is_found_although_nothing_happened_meanwhile() {
    let failure = finds::<Progress>("granules=4,guests=0", |cast| {
        let node = cast.pairs[0].target_node().clone();
        let me = cast.clone();
        let open = cast.keep_open();
        let drains = async move {
            let busy = node.begin_internal();
            me.main.sleep(5_000_000).await;
            let drainer = node.clone();
            let drain = async move { drainer.co_drain("somebody").await };
            me.main.coroutine("drain", drain).wake();
            me.main.sleep(500_000_000).await;
            drop((busy, open));
        };
        cast.main.coroutine("mischief", drains).wake();
    });
    assert_is(&failure, Rule::Progress, "drain-late");
}

#[test]
fn a_job_that_takes_granules_although_a_drained_section_waits_for_it_is_found() {
    let failure = finds::<Progress>(PLAIN, |cast| {
        when(cast, runs, |cast| async move {
            let node = pair(&cast).target_node().clone();
            let busy = node.begin_internal();
            let drainer = node.clone();
            let drain = async move { drainer.co_drain("somebody").await };
            cast.main.coroutine("drain", drain).enter();
            for _ in 0..3 {
                cast.main.trace_layer(|| MirrorTrace {
                    job: "job0".into(),
                    event: MirrorEvent::MirrorIteration {
                        offset: 0,
                        bytes: 512,
                    },
                });
            }
            drop(busy);
        });
    });
    assert_is(&failure, Rule::Progress, "drain-starved");
}

#[test]
fn a_world_that_turns_in_place_is_found() {
    let failure = finds::<Progress>(PLAIN, |cast| {
        let open = cast.keep_open();
        when(cast, runs, |cast| async move {
            loop {
                cast.main.sleep(0).await;
                assert!(cast.is_kept_open(), "by {:p}", &raw const open);
            }
        });
    });
    assert_is(&failure, Rule::Progress, "livelock");
}

#[test]
fn a_world_that_stands_still_is_found() {
    let failure = finds::<Progress>(PLAIN, |cast| {
        // Somebody waits for ever, and nobody holds him up.
        let open = cast.keep_open();
        let waits = async move {
            std::future::pending::<()>().await;
            drop(open);
        };
        cast.main.coroutine("mischief", waits).wake();
    });
    assert_is(&failure, Rule::Progress, "stuck");
}

#[test]
fn a_run_that_goes_on_for_ever_is_found() {
    let failure = finds::<Progress>("granules=2,guests=0,steps=1000", |cast| {
        let open = cast.keep_open();
        when(
            cast,
            |_| true,
            |cast| async move {
                loop {
                    cast.main.sleep(1_000_000).await;
                    assert!(cast.is_kept_open(), "by {:p}", &raw const open);
                }
            },
        );
    });
    assert_is(&failure, Rule::Progress, "endless");
}

/// Guests that do not rest, at a mirror that writes what they do to both sides.
const BUSY: &str = "granules=16,guests=2,depth=2,requests=1200,hot=yes,slice=1000000,\
                    copymode=write-blocking";

#[test]
fn a_write_blocking_mirror_that_comes_to_nothing_while_guests_do_not_rest_is_found() {
    let failure = finds::<Progress>(BUSY, |cast| {
        when(cast, runs, |cast| async move {
            // Whatever it has copied is dirty again.
            while runs(&cast) && !cast.guests_rest() {
                for bitmap in pair(&cast).source_node().dirty_bitmaps() {
                    let len = bitmap.bits().len();
                    bitmap.bits_mut().set(0, len);
                }
                cast.main.sleep(1_000).await;
            }
        });
    });
    assert_is(&failure, Rule::Progress, "not-ready-when-busy");
}
