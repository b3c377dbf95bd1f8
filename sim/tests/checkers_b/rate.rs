//! RATE fires when a job begins more copies than its speed allows.

use blockjob_block::request::{BlockTrace, RequestKind};
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace};
use blockjob_sim::check::Seen;
use blockjob_sim::check::rate::Rate;
use blockjob_sim::failure::Rule;

use crate::support::{assert_is, finds_edited};

const SLOW: &str = "granules=32,speed=16384,guests=1,requests=8,rest=400000000,kinds=read";

#[test]
fn a_job_that_copies_three_times_what_it_may_is_found() {
    let mut taken = None;
    let failure = finds_edited::<Rate, _>(SLOW, move |_, seen, tell| {
        tell(seen);
        match seen {
            Seen::Mirror(MirrorTrace {
                job,
                event: MirrorEvent::MirrorIteration { offset, bytes },
            }) => taken = Some((job.clone(), *offset, *bytes)),
            Seen::Block(BlockTrace::RequestBegin {
                kind: RequestKind::Read,
                node,
                ..
            }) => {
                // What it took once is taken two times more, in the same instant.
                let Some((job, offset, bytes)) = taken.take() else {
                    return;
                };
                for id in [1000, 1001] {
                    tell(&Seen::Mirror(&MirrorTrace {
                        job: job.clone(),
                        event: MirrorEvent::MirrorIteration { offset, bytes },
                    }));
                    tell(&Seen::Block(&BlockTrace::RequestBegin {
                        node: node.clone(),
                        id,
                        kind: RequestKind::Read,
                        offset,
                        bytes,
                    }));
                }
            }
            _ => {}
        }
    });
    assert_is(&failure, Rule::Rate, "too-fast");
    assert_eq!(failure.parties, ["job0"]);
}

#[test]
fn the_reads_of_a_guest_are_not_taken_for_those_of_the_job() {
    // They go to the same places of the disk, at their own speed.
    let hasty = "granules=8,speed=16384,guests=4,depth=8,requests=64,kinds=read,step=4,span=1";
    let config = blockjob_sim::config::Config::parse(hasty).expect("a configuration");
    let checker: Box<dyn blockjob_sim::check::Checker> = Box::new(Rate::new());
    let mut runner = blockjob_sim::run::Runner::with_checkers(vec![checker]);
    for seed in 0..40 {
        let policy = Box::new(blockjob_sim::decide::Random::new(seed));
        assert_eq!(runner.run(&config, policy).failure, None, "seed {seed}");
    }
}
