//! Runs in which somebody commits mischief.

use std::rc::Rc;

use blockjob_block::request::BlockTrace;
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace};
use blockjob_jobs::trace::{JobTrace, JobTraceKind};
use blockjob_sim::cast::{Cast, Pair};
use blockjob_sim::check::Checker;
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::{Failure, Rule};
use blockjob_sim::run::Runner;
use bytes::Bytes;

/// A mirror of a disk that is in use. It is ready long before its guests rest, and they leave most of
/// the disk alone.
pub(crate) const PLAIN: &str = "granules=64,guests=2,requests=24,span=1,rest=400000";

/// So many runs are tried to see the mischief come to light.
const SEEDS: u64 = 20;

/// Runs `config` under `checker` alone, first as it is, when nothing must be found, and then with the
/// mischief, until that is found.
pub(crate) fn finds<C: Checker + Default + 'static>(
    config: &str,
    mischief: impl Fn(&Rc<Cast>) + 'static,
) -> Failure {
    let config = Config::parse(config).expect("the text is a configuration");
    let mut runner = Runner::with_checkers(vec![Box::new(C::default())]);
    for seed in 0..SEEDS {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "without the mischief, seed {seed}");
    }
    let mut runner = Runner::with_checkers(vec![Box::new(C::default())]);
    runner.add_prologue(mischief);
    let mut seeds = 0..SEEDS;
    let found = seeds.find_map(|seed| runner.run(&config, Box::new(Random::new(seed))).failure);
    found.expect("the mischief comes to light")
}

/// Holds a failure against what it must be.
#[track_caller]
pub(crate) fn assert_is(failure: &Failure, rule: Rule, place: &str) {
    assert_eq!((failure.rule, &*failure.place), (rule, place), "{failure}");
}

/// Starts a coroutine that waits for its moment and then acts.
pub(crate) fn when<F: Future<Output = ()> + 'static>(
    cast: &Rc<Cast>,
    moment: impl Fn(&Cast) -> bool + 'static,
    act: impl FnOnce(Rc<Cast>) -> F + 'static,
) {
    let me = cast.clone();
    let coroutine = cast.main.coroutine("mischief", async move {
        while !moment(&me) {
            me.main.sleep(5_000).await;
        }
        act(me).await;
    });
    coroutine.wake();
}

/// The one pair.
pub(crate) fn pair(cast: &Cast) -> &Pair {
    &cast.pairs[0]
}

/// Whether its job has caught up, and the guests have so much left to do that it stays so for a while.
pub(crate) fn is_ready(cast: &Cast) -> bool {
    let job = pair(cast).job();
    cast.requests_done() < 36 && job.is_some_and(|job| job.is_ready())
}

/// Whether its job has been started and runs.
pub(crate) fn is_running(cast: &Cast) -> bool {
    let job = pair(cast).job();
    job.is_some_and(|job| !job.is_completed())
}

/// Whether all jobs are gone.
pub(crate) fn is_over(cast: &Cast) -> bool {
    pair(cast).job().is_some() && cast.jobs.is_empty()
}

/// Bytes that nobody else writes.
pub(crate) fn scribble(bytes: usize) -> Bytes {
    Bytes::from(vec![0x5a; bytes])
}

/// Reports something of the mirror that it did not do.
pub(crate) fn forge_mirror(cast: &Cast, event: MirrorEvent) {
    let job = pair(cast).job().expect("the job has started");
    let job = job.label().clone();
    cast.main.trace_layer(|| MirrorTrace { job, event });
}

/// Reports something of the job that it did not do.
pub(crate) fn forge_job(cast: &Cast, what: JobTraceKind) {
    let job = pair(cast).job().expect("the job has started");
    let job = job.label().clone();
    cast.main.trace_layer(|| JobTrace { job, what });
}

/// Reports something of the block layer that it did not do.
pub(crate) fn forge_block(cast: &Cast, trace: BlockTrace) {
    cast.main.trace_layer(|| trace);
}
