//! A context that is closed while mirrors are at work.

use blockjob_block::driver::mem::MemOptions;

use crate::support::{MIB, MS, World, noise, options};

#[test]
fn a_context_that_is_closed_in_the_middle_of_mirrors_lets_all_of_them_go() {
    let world = World::new();
    let mut jobs = Vec::new();
    for number in 0..3 {
        let disk = || MemOptions::new(MIB).latency_ns(MS).fill(noise());
        let (source, _) = world.disk(&format!("source{number}"), disk());
        let (target, _) = world.disk(&format!("target{number}"), disk());
        let mut options = options();
        options.job_id = Some(format!("job{number}"));
        let (job, _mirror) = world.mirror(&source, &target, &options);
        jobs.push((source, job));
    }
    // A coroutine holds the first in a drained section, which ends when the coroutine is dropped.
    let (source, job) = &jobs[0];
    let held = source.clone();
    let holder = world.ctx.coroutine("holder", async move {
        let drained = held.co_drained_begin("test").await;
        std::future::pending::<()>().await;
        drop(drained);
    });
    holder.enter();
    world.until(|| job.is_paused());
    world.ctx.close();
    assert_eq!(world.ctx.live_coroutines(), 0);
}
