//! A job with one pause point: who asks it to stand still, and when it does.

use std::rc::Rc;

use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::event::{JobEvent, JobType};
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::list::JobList;
use blockjob_runtime::AioContext;

const MS: u64 = 1_000_000;

/// Works for ten milliseconds, three times.
struct Piecework {
    context: AioContext,
}

impl JobDriver for Piecework {
    // What a user reads in a query. QEMU has no type of job that does piecework.
    fn job_type(&self) -> JobType {
        JobType::Mirror
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            for piece in 1..=3 {
                job.pause_point().await;
                println!("{:>3} ms: piece {piece} begins", now_ms(&self.context));
                self.context.sleep(10 * MS).await;
                println!("{:>3} ms: piece {piece} ends", now_ms(&self.context));
            }
            Ok(())
        })
    }
}

fn now_ms(context: &AioContext) -> u64 {
    context.now_ns() / MS
}

fn main() {
    let context = AioContext::builder().virtual_time().build();
    let _current = context.make_current();
    let clock = context.clone();
    let list = JobList::new(
        &context,
        Rc::new(move |event: JobEvent| {
            if let JobEvent::StatusChange { status, .. } = event {
                println!("{:>3} ms: the job is {}", now_ms(&clock), status.as_str());
            }
        }),
    );
    let driver = Rc::new(Piecework {
        context: context.clone(),
    });
    let job = Job::create(&list, Some("work"), driver, JobOptions::default());
    let job = job.expect("the name is free");
    job.start();

    let user = context.clone();
    context.run("user", async move {
        user.sleep(5 * MS).await;
        println!("{:>3} ms: two ask it to stand still", now_ms(&user));
        job.pause();
        job.pause();
        user.sleep(20 * MS).await;
        println!("{:>3} ms: one of them lets it go", now_ms(&user));
        job.resume();
        user.sleep(5 * MS).await;
        println!("{:>3} ms: and the other", now_ms(&user));
        job.resume();
    });
    context.poll_while(|| !list.is_empty());
}

#[test]
fn it_runs() {
    main();
}
