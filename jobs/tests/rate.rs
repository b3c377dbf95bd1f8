//! The speed limit of a job, whoever wakes it meanwhile.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use blockjob_jobs::driver::JobDriver;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::state::JobStatus;
use blockjob_runtime::Timer;
use common::{World, scripted};

const SPEED: u64 = 1 << 20;
const CHUNK: u64 = 16 << 10;
const SECOND_NS: u64 = 1_000_000_000;

/// Sends chunks as fast as it may until it is cancelled, and counts the bytes.
fn sender(sent_bytes: &Rc<Cell<u64>>) -> Rc<dyn JobDriver> {
    let sent_bytes = sent_bytes.clone();
    scripted(move |job| {
        let sent_bytes = sent_bytes.clone();
        Box::pin(async move {
            while !job.is_cancelled() {
                sent_bytes.set(sent_bytes.get() + CHUNK);
                job.ratelimit_processed_bytes(CHUNK);
                job.ratelimit_sleep().await;
            }
            Ok(())
        })
    })
}

fn limited(world: &World, sent_bytes: &Rc<Cell<u64>>) -> Rc<Job> {
    let options = JobOptions {
        speed_bytes_per_s: SPEED as i64,
        ..JobOptions::default()
    };
    world.job_with("j0", sender(sent_bytes), options)
}

/// Does something to the job every millisecond.
fn storm(world: &World, job: &Rc<Job>, act: impl Fn(&Job, u64) + 'static) -> Rc<Timer> {
    let (ctx, job) = (world.ctx.clone(), job.clone());
    let timer = Rc::new_cyclic(|timer: &std::rc::Weak<Timer>| {
        let timer = timer.clone();
        let turn = Cell::new(0);
        world.ctx.timer("storm", move || {
            turn.set(turn.get() + 1);
            act(&job, turn.get());
            let again = timer
                .upgrade()
                .expect("the storm rages while its timer lives");
            again.arm(ctx.now_ns() + 1_000_000);
        })
    });
    timer.arm(1_000_000);
    timer
}

/// Ten seconds of work are ten times the speed, give or take a slice and a chunk.
fn assert_rate(sent_bytes: u64) {
    let slack = SPEED / 10 + CHUNK;
    let due = 10 * SPEED;
    assert!(
        (due - slack..=due + slack).contains(&sent_bytes),
        "{sent_bytes} bytes were sent in ten seconds"
    );
}

fn rate_holds_while(act: impl Fn(&Job, u64) + 'static) {
    let world = World::virtual_time();
    let sent_bytes = Rc::new(Cell::new(0));
    let job = limited(&world, &sent_bytes);
    job.start();
    let _storm = storm(&world, &job, act);
    world.poll_until(|| world.ctx.now_ns() >= 10 * SECOND_NS);
    assert_rate(sent_bytes.get());
}

#[test]
fn a_job_left_alone_keeps_to_its_speed() {
    rate_holds_while(|_, _| ());
}

#[test]
fn a_storm_of_enters_makes_a_job_no_faster() {
    rate_holds_while(|job, _| job.enter());
}

#[test]
fn a_storm_of_pauses_makes_a_job_no_faster() {
    rate_holds_while(|job, turn| {
        if turn % 2 == 1 {
            job.pause();
        } else {
            job.resume();
        }
    });
}

#[test]
fn setting_the_same_speed_over_and_over_makes_a_job_no_faster() {
    rate_holds_while(|job, turn| {
        let speed = SPEED as i64 - i64::try_from(turn % 2).expect("0 or 1");
        job.set_speed(speed).expect("a running job takes a speed");
    });
}

#[test]
fn a_higher_speed_ends_a_wait_for_a_lower_one() {
    let world = World::virtual_time();
    let sent_bytes = Rc::new(Cell::new(0));
    let job = limited(&world, &sent_bytes);
    job.set_speed(1).expect("a new job takes a speed");
    job.start();
    assert_eq!(sent_bytes.get(), CHUNK);
    // At a byte a second the first chunk takes hours.
    job.set_speed(0).expect("a running job takes a speed");
    world.poll_until(|| sent_bytes.get() > CHUNK);
    assert_eq!(world.ctx.now_ns(), 0);
    job.cancel(true);
    world.poll_until_status(&job, JobStatus::Null);
}

#[test]
fn a_cancel_ends_a_wait_for_the_speed_limit_at_once() {
    let world = World::virtual_time();
    let sent_bytes = Rc::new(Cell::new(0));
    let job = limited(&world, &sent_bytes);
    job.set_speed(1).expect("a new job takes a speed");
    job.start();
    job.cancel(true);
    world.poll_until_status(&job, JobStatus::Null);
    assert_eq!((world.ctx.now_ns(), sent_bytes.get()), (0, CHUNK));
}
