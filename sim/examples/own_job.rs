//! A job of one's own, in a world that drains its disk at every moment: once as it should be, and once
//! without the pause point that a job must come past.
//!
//! `cargo run -p blockjob-sim --example own_job`

use std::rc::Rc;

use blockjob_block::{BlockBackend, Perm, PermPair};
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::{block_job::BlockJob, event::JobType};
use blockjob_sim::{config::Config, decide::Random, run::Runner};
use bytes::BytesMut;

/// Reads a whole disk, to see whether it can be read.
struct Scrub {
    disk: Rc<BlockBackend>,
    polite: bool,
}

impl JobDriver for Scrub {
    fn job_type(&self) -> JobType {
        JobType::Stream
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            for offset in (0..self.disk.len()?).step_by(512) {
                if self.polite {
                    job.pause_point().await;
                }
                self.disk.read(offset, BytesMut::zeroed(512)).await.1?;
            }
            Ok(())
        })
    }

    fn drained_poll(&self, _job: &Rc<Job>) -> bool {
        self.polite // Who is not polite says that nobody has to wait for him.
    }
}

fn sweep(polite: bool) -> String {
    let reader = PermPair::new(Perm::CONSISTENT_READ, Perm::ALL);
    let mut runner = Runner::new();
    runner.add_prologue(move |cast| {
        let (source, options) = (&cast.pairs[0].source_node(), JobOptions::default());
        let disk = BlockBackend::new(&cast.graph, "", reader).expect("it needs no name");
        disk.insert(source).expect("the guest lets others read");
        disk.set_queue_requests(false); // A job pauses instead.
        let driver = Rc::new(Scrub { disk, polite });
        let made = BlockJob::create(&cast.jobs, Some("scrub"), source, reader, driver, options);
        made.expect("the name is free").job().start();
    });
    let config = Config::parse("mirror=no,granules=8,deeds=6,verbs=drain+hold");
    let config = config.expect("it is well formed");
    let seeds = (0..200).map(|seed| Box::new(Random::new(seed)));
    let failures = seeds.filter_map(|policy| runner.run(&config, policy).failure);
    let failures: Vec<_> = failures.map(|failure| failure.to_string()).collect();
    let first = failures.first().map_or("none fails", String::as_str);
    format!(
        "polite: {polite}. {} of 200 runs fail: {first}\n",
        failures.len()
    )
}

/// What the example prints.
pub(crate) fn report() -> String {
    sweep(true) + &sweep(false)
}

fn main() {
    print!("{}", report());
}
