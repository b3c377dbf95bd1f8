//! What a job tells the trace.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::{JobTrace, JobTraceKind};
use blockjob_runtime::AioContext;
use blockjob_runtime::trace::{Event, Trace};
use common::{NAP_NS, TestJob, World};

/// Keeps the events of jobs.
#[derive(Default)]
struct Jobs(RefCell<Vec<JobTrace>>);

impl Trace for Jobs {
    fn event(&self, _now_ns: u64, _context: &str, event: &Event<'_>) {
        if let Event::Layer(event) = event
            && let Some(event) = event.as_any().downcast_ref::<JobTrace>()
        {
            self.0.borrow_mut().push(event.clone());
        }
    }
}

#[test]
fn every_step_of_a_job_is_traced_in_order_under_its_name() {
    use JobStatus as S;
    use JobTraceKind as T;

    let traced = Rc::new(Jobs::default());
    let builder = AioContext::builder().virtual_time().trace(traced.clone());
    let world = World::new(builder.build());
    let job = world.job("j0", TestJob::new());
    job.start();
    job.pause();
    job.resume();
    job.cancel(true);
    world.poll_until_status(&job, S::Concluded);
    let status = |from, to| T::Status { from, to };
    let seen = traced.0.take();
    assert!(seen.iter().all(|event| &*event.job == "j0"));
    let seen: Vec<_> = seen.into_iter().map(|event| event.what).collect();
    let expected = [
        status(S::Undefined, S::Created),
        status(S::Created, S::Running),
        T::Sleep {
            deadline_ns: NAP_NS,
        },
        T::Pause { pause_count: 1 },
        T::Enter,
        T::PausePoint { pause_count: 1 },
        status(S::Running, S::Paused),
        T::Yield,
        T::Resume { pause_count: 0 },
        T::Enter,
        status(S::Paused, S::Running),
        T::Sleep {
            deadline_ns: NAP_NS,
        },
        T::Cancel { force: true },
        T::Enter,
        T::RunEnd,
        T::Defer,
        T::DeferredStart,
        status(S::Running, S::Aborting),
        status(S::Aborting, S::Aborting),
        status(S::Aborting, S::Concluded),
    ];
    assert_eq!(seen, expected);
}
