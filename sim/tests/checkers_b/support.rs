//! Runs whose events are not told to a checker as they are, and runs in which somebody commits mischief.

use std::rc::Rc;

use blockjob_jobs::event::{BlockJobSnapshot, JobEvent, JobType};
use blockjob_jobs::id::JobId;
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::{JobTrace, JobTraceKind};
use blockjob_sim::cast::{Cast, Pair};
use blockjob_sim::check::{Checker, Interest, Scene, Seen};
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::{Failure, Rule};
use blockjob_sim::run::Runner;

/// A mirror of a disk that is in use.
pub(crate) const PLAIN: &str = "granules=16,guests=1,requests=6";
/// Two of them, in one transaction.
pub(crate) const TXN: &str = "jobs=2,txn=yes,granules=8,guests=1,requests=4";

/// So many runs are tried to see the mischief come to light.
const SEEDS: u64 = 20;

/// Tells a checker something.
pub(crate) type Tell<'a> = dyn FnMut(&Seen<'_>) + 'a;

/// A checker that is told what an editor makes of what happens.
struct Edited<C, E> {
    inner: C,
    edit: E,
    /// Whether it is told that the world is idle.
    idle: bool,
}

impl<C, E> Checker for Edited<C, E>
where
    C: Checker,
    E: FnMut(&Scene<'_>, &Seen<'_>, &mut Tell<'_>),
{
    fn rule(&self) -> Rule {
        self.inner.rule()
    }

    fn wants(&self) -> Interest {
        self.inner.wants()
    }

    fn reset(&mut self) {
        self.inner.reset();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        let inner = &mut self.inner;
        (self.edit)(scene, seen, &mut |seen| inner.see(scene, seen));
    }

    fn step(&mut self, scene: &Scene<'_>) {
        self.inner.step(scene);
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        if self.idle {
            self.inner.idle(scene);
        }
    }

    fn end(&mut self, scene: &Scene<'_>) {
        self.inner.end(scene);
    }
}

fn first_failure(mut runner: Runner, config: &str) -> Failure {
    let config = Config::parse(config).expect("the text is a configuration");
    let mut seeds = 0..SEEDS;
    let found = seeds.find_map(|seed| runner.run(&config, Box::new(Random::new(seed))).failure);
    found.expect("it comes to light")
}

/// Runs `config` under `checker`, which must find nothing.
fn is_silent(config: &str, checker: impl Checker + 'static) {
    let config = Config::parse(config).expect("the text is a configuration");
    let mut runner = Runner::with_checkers(vec![Box::new(checker)]);
    for seed in 0..SEEDS {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "as it is, seed {seed}");
    }
}

/// What the checker finds in runs of `config` whose events `edit` changes; as they are it finds
/// nothing.
pub(crate) fn finds_edited<C, E>(config: &str, edit: E) -> Failure
where
    C: Checker + Default + 'static,
    E: FnMut(&Scene<'_>, &Seen<'_>, &mut Tell<'_>) + 'static,
{
    finds_edited_when::<C, E>(config, true, edit)
}

/// The same, of a checker that is only told that the world is idle if `idle`.
pub(crate) fn finds_edited_when<C, E>(config: &str, idle: bool, edit: E) -> Failure
where
    C: Checker + Default + 'static,
    E: FnMut(&Scene<'_>, &Seen<'_>, &mut Tell<'_>) + 'static,
{
    is_silent(config, C::default());
    let inner = C::default();
    let edited = Edited { inner, edit, idle };
    first_failure(Runner::with_checkers(vec![Box::new(edited)]), config)
}

/// What the checker finds in runs of `config` in which somebody commits mischief; without it finds
/// nothing.
pub(crate) fn finds<C: Checker + Default + 'static>(
    config: &str,
    mischief: impl Fn(&Rc<Cast>) + 'static,
) -> Failure {
    is_silent(config, C::default());
    let mut runner = Runner::with_checkers(vec![Box::new(C::default())]);
    runner.add_prologue(mischief);
    first_failure(runner, config)
}

/// Holds a failure against what it must be.
#[track_caller]
pub(crate) fn assert_is(failure: &Failure, rule: Rule, place: &str) {
    assert_eq!((failure.rule, &*failure.place), (rule, place), "{failure}");
    assert!(!failure.text.is_empty(), "{failure}");
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

/// The first pair.
pub(crate) fn pair(cast: &Cast) -> &Pair {
    &cast.pairs[0]
}

/// Whether the first job has been started and has not ended.
pub(crate) fn runs(cast: &Cast) -> bool {
    let job = pair(cast).job();
    job.is_some_and(|job| !job.is_completed())
}

/// Whether the first job has caught up.
pub(crate) fn is_ready(cast: &Cast) -> bool {
    let job = pair(cast).job();
    job.is_some_and(|job| job.is_ready())
}

/// Something about the first job.
pub(crate) fn of_job(what: JobTraceKind) -> JobTrace {
    JobTrace {
        job: "job0".into(),
        what,
    }
}

/// The change of state that `seen` is, if it is one of the job named `job`.
pub(crate) fn change(seen: &Seen<'_>, job: &str) -> Option<(JobStatus, JobStatus)> {
    match seen {
        Seen::Job(trace) if *trace.job == *job => match trace.what {
            JobTraceKind::Status { from, to } => Some((from, to)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether `seen` is `what`, of the first job.
pub(crate) fn is_job(seen: &Seen<'_>, what: &JobTraceKind) -> bool {
    matches!(seen, Seen::Job(trace) if *trace.job == *"job0" && trace.what == *what)
}

/// The end of the job named `job`, as an event that says it was cancelled.
pub(crate) fn cancelled(job: &str) -> JobEvent {
    JobEvent::Cancelled(snapshot(job))
}

/// The end of the job named `job`, as an event that says what it came to.
pub(crate) fn completed(job: &str, error: Option<&str>) -> JobEvent {
    JobEvent::Completed {
        job: snapshot(job),
        error: error.map(str::to_owned),
    }
}

fn snapshot(job: &str) -> BlockJobSnapshot {
    BlockJobSnapshot {
        job_type: JobType::Mirror,
        device: JobId::new(job).expect("the name is well formed"),
        len_bytes: 0,
        offset_bytes: 0,
        speed_bytes_per_s: 0,
    }
}
