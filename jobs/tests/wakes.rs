//! Who wakes a job, when, and how often: sleeps with two wakers, pauses, cancels.

#[macro_use]
mod common;

use std::cell::Cell;
use std::rc::Rc;

use blockjob_jobs::error::JobError;
use blockjob_jobs::job::Job;
use blockjob_jobs::state::JobStatus;
use blockjob_runtime::AioContext;
use blockjob_runtime::decide::{Decide, Site};
use common::{TestJob, World, scripted};

const SECOND_NS: u64 = 1_000_000_000;

/// A started job that sleeps a second at a time.
fn sleeper(world: &World) -> (Rc<Job>, Rc<TestJob>) {
    let driver = TestJob::new();
    driver.nap_ns.set(SECOND_NS);
    let job = world.job("j0", driver.clone());
    job.start();
    (job, driver)
}

/// Whoever has a choice takes the last.
struct LastFirst;

impl Decide for LastFirst {
    fn decide(&self, _site: &'static Site, n: usize) -> usize {
        n - 1
    }
}

fn last_first() -> World {
    let builder = AioContext::builder().virtual_time();
    World::new(builder.decide(Rc::new(LastFirst)).build())
}

in_both_lives! {
    fn a_pause_during_a_sleep_takes_effect_at_once_and_so_does_the_resume(world) {
        let (job, driver) = sleeper(&world);
        job.user_pause().expect("a running job can be paused");
        assert_eq!(job.status(), JobStatus::Paused);
        assert!(job.is_paused() && !job.is_busy() && !job.drained_poll());
        assert_eq!(driver.rounds.get(), 1);
        job.user_resume().expect("a paused job can be resumed");
        assert_eq!(job.status(), JobStatus::Running);
        // The sleep that the pause cut short is not resumed: the driver looks around first.
        assert_eq!(driver.rounds.get(), 2);
        assert_eq!(world.told(), "created, running, paused, running");
    }

    fn pauses_are_counted_and_the_last_resume_lets_the_job_go_on(world) {
        let (job, _) = sleeper(&world);
        job.pause();
        job.user_pause().expect("a job in a drained section can be paused");
        job.pause();
        assert_eq!(job.pause_count(), 3);
        job.resume();
        job.user_resume().expect("the user had paused it");
        assert_eq!(job.status(), JobStatus::Paused);
        job.resume();
        assert_eq!(job.status(), JobStatus::Running);
    }

    fn entering_a_paused_job_changes_nothing(world) {
        let (job, driver) = sleeper(&world);
        job.pause();
        job.enter();
        let entered = job.clone();
        // In a coroutine it would be queued, and busy until its turn.
        world.ctx.run("enterer", async move {
            entered.enter();
            assert!(!entered.is_busy() && !entered.drained_poll());
        });
        world.ctx.poll(false);
        assert_eq!(job.status(), JobStatus::Paused);
        assert_eq!(driver.rounds.get(), 1);
    }

    fn a_job_that_is_paused_before_its_start_does_nothing_until_it_is_resumed(world) {
        let driver = TestJob::new();
        let job = world.job("j0", driver.clone());
        job.pause();
        job.start();
        assert_eq!((job.status(), driver.rounds.get()), (JobStatus::Paused, 0));
        job.resume();
        assert_eq!((job.status(), driver.rounds.get()), (JobStatus::Running, 1));
    }

    fn a_paused_job_is_let_go_to_be_cancelled_by_force_and_not_softly(world) {
        let (job, driver) = world.started("j0");
        driver.converge(&world, &job);
        job.pause();
        assert_eq!(job.status(), JobStatus::Standby);
        job.cancel(false);
        assert_eq!(job.status(), JobStatus::Standby);
        job.cancel(true);
        assert!(job.deferred_to_main_loop());
        world.poll_until_status(&job, JobStatus::Concluded);
        assert_eq!(job.result(), Some(Err(JobError::Cancelled)));
    }

    fn a_job_that_is_entered_twice_in_one_turn_runs_once(world) {
        let (job, driver) = sleeper(&world);
        let entered = job.clone();
        // Inside of a coroutine nobody is run on top of it, so both find the job asleep.
        world.ctx.run("enterer", async move {
            entered.enter();
            entered.enter();
        });
        world.poll_until(|| driver.rounds.get() > 1);
        world.ctx.poll(false);
        assert_eq!(driver.rounds.get(), 2);
    }

    fn whoever_is_told_that_the_job_yields_may_enter_it_right_away(world) {
        let (job, driver) = sleeper(&world);
        let eager = Rc::downgrade(&job);
        let left = Cell::new(3);
        job.on_idle(Rc::new(move || {
            if let Some(job) = eager.upgrade()
                && !job.is_busy()
                && left.get() > 0
            {
                left.set(left.get() - 1);
                job.enter();
            }
        }));
        job.enter();
        world.poll_until(|| driver.rounds.get() == 5);
        assert!(!job.is_busy());
    }

    fn a_yield_ends_when_the_job_is_entered_and_not_before(world) {
        let turns = Rc::new(Cell::new(0));
        let counted = turns.clone();
        let job = world.job("j0", scripted(move |job| {
            let turns = counted.clone();
            Box::pin(async move {
                while turns.get() < 3 {
                    job.yield_now().await;
                    turns.set(turns.get() + 1);
                }
                Ok(())
            })
        }));
        job.start();
        for turn in 0..3 {
            world.ctx.poll(false);
            assert_eq!(turns.get(), turn);
            job.enter();
        }
        world.poll_until_status(&job, JobStatus::Pending);
    }
}

#[test]
fn a_sleep_that_nobody_cuts_short_lasts_as_long_as_was_said() {
    let world = World::virtual_time();
    let (_job, driver) = sleeper(&world);
    world.poll_until(|| driver.rounds.get() == 4);
    assert_eq!(world.ctx.now_ns(), 3 * SECOND_NS);
}

#[test]
fn a_pause_that_is_over_before_the_job_comes_to_it_leaves_no_trace() {
    let world = World::virtual_time();
    let (job, driver) = sleeper(&world);
    // In a coroutine nobody is run on top of it, so the job cannot come to its pause point.
    let flapping = job.clone();
    world.ctx.run("flapper", async move {
        flapping.pause();
        flapping.resume();
        assert!(!flapping.is_paused());
    });
    world.poll_until(|| driver.rounds.get() == 2);
    assert_eq!(world.told(), "created, running");
}

#[test]
fn a_job_that_is_paused_again_before_it_has_gone_on_stays_where_it_is() {
    let world = World::virtual_time();
    let (job, driver) = sleeper(&world);
    job.pause();
    world.told();
    let flapping = job.clone();
    world.ctx.run("flapper", async move {
        flapping.resume();
        flapping.pause();
    });
    world.ctx.poll(false);
    assert!(job.is_paused() && !job.is_busy());
    assert_eq!((driver.rounds.get(), world.told().as_str()), (1, ""));
    job.resume();
    assert_eq!(world.told(), "running");
}

#[test]
fn a_cancel_is_prompt_at_every_step_of_a_job_that_sleeps() {
    for steps in 0..12 {
        let world = World::virtual_time();
        let (job, driver) = sleeper(&world);
        if steps % 2 == 1 {
            driver.should_converge.set(true);
        }
        for _ in 0..steps {
            world.ctx.poll(true);
        }
        let now_ns = world.ctx.now_ns();
        job.cancel(true);
        world.poll_until_status(&job, JobStatus::Concluded);
        assert_eq!(world.ctx.now_ns(), now_ns, "after {steps} steps");
        assert_eq!(job.result(), Some(Err(JobError::Cancelled)));
    }
}

#[test]
fn a_cancel_that_comes_while_the_job_is_busy_is_seen_before_it_sleeps() {
    let world = World::virtual_time();
    let work = scripted(|job| {
        Box::pin(async move {
            // The job is busy with a request, and nobody can enter it; then it goes to sleep.
            job.home().sleep(5).await;
            assert!(job.is_busy());
            job.sleep_ns(SECOND_NS).await;
            Ok(())
        })
    });
    let job = world.job("j0", work);
    job.start();
    job.cancel(true);
    world.poll_until_status(&job, JobStatus::Concluded);
    assert_eq!(world.ctx.now_ns(), 5);
}

#[test]
fn a_cancel_exactly_at_the_deadline_of_a_sleep_wakes_the_job_once() {
    for world in [World::virtual_time(), last_first()] {
        for cancel_first in [true, false] {
            let (job, driver) = {
                let driver = TestJob::new();
                driver.nap_ns.set(SECOND_NS);
                (world.job("j0", driver.clone()), driver)
            };
            let cancelled = job.clone();
            let timer = world.ctx.timer("cancel", move || cancelled.cancel(true));
            let start_ns = world.ctx.now_ns();
            if cancel_first {
                timer.arm(start_ns + SECOND_NS);
            }
            job.start();
            timer.arm(start_ns + SECOND_NS);
            world.poll_until_status(&job, JobStatus::Concluded);
            assert_eq!(world.ctx.now_ns(), start_ns + SECOND_NS);
            assert!(driver.rounds.get() <= 2);
            job.dismiss().expect("a concluded job can be dismissed");
            assert!(
                world
                    .told()
                    .ends_with("aborting, BLOCK_JOB_CANCELLED, concluded, null")
            );
        }
    }
}

#[test]
fn a_timer_that_has_expired_does_not_enter_a_job_that_was_entered_before_it_ran() {
    let world = World::virtual_time();
    let (job, driver) = sleeper(&world);
    let entered = job.clone();
    // Both timers expire in the same pass; this one was armed first.
    let timer = world.ctx.timer("enter", move || entered.enter());
    timer.arm(SECOND_NS - 1);
    job.home().schedule_oneshot("busy", || ());
    world.poll_until(|| driver.rounds.get() == 2);
    let first_ns = world.ctx.now_ns();
    assert_eq!(first_ns, SECOND_NS - 1);
    world.poll_until(|| driver.rounds.get() == 3);
    assert_eq!(world.ctx.now_ns(), 2 * SECOND_NS - 1);
}

#[test]
#[should_panic(expected = "yields for")]
fn only_the_coroutine_of_a_job_may_yield_for_it() {
    let world = World::virtual_time();
    let work = scripted(|job| {
        Box::pin(async move {
            let foreign = job.clone();
            let other = job
                .home()
                .coroutine("other", async move { foreign.yield_now().await });
            other.enter();
            Ok(())
        })
    });
    world.job("j0", work).start();
}

#[test]
#[should_panic(expected = "resumed and not paused")]
fn a_resume_without_a_pause_is_a_bug() {
    let world = World::virtual_time();
    let (job, _) = world.started("j0");
    job.resume();
}
