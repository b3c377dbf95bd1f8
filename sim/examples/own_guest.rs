//! A guest of one's own: a database that writes to its log, makes that safe, and only then writes to its
//! table; while its disk is mirrored, and until the mirror has completed. What it reads is checked.
//!
//! `cargo run -p blockjob-sim --example own_guest`

use std::cell::Cell;
use std::rc::Rc;

use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::event::GuestKind::{Flush, Read, Write};
use blockjob_sim::run::Runner;

/// Where the table begins; the log is before it.
const TABLE: u64 = 2048;

/// What the example prints.
pub(crate) fn report() -> String {
    let (commits, pivoted) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let counts = (commits.clone(), pivoted.clone());
    let mut runner = Runner::new();
    runner.add_prologue(move |cast| {
        let (cast, (commits, pivoted)) = (cast.clone(), counts.clone());
        // The run does not end before this is dropped.
        let open = cast.keep_open();
        let main = cast.main.clone();
        let database = main.coroutine("database", async move {
            let pair = &cast.pairs[0];
            let guest = pair.guests[0].clone();
            for commit in 0..12 {
                let row = commit % 4 * 512;
                guest
                    .request(Write, row, 512)
                    .await
                    .expect("the disk has no faults");
                guest
                    .request(Flush, 0, 0)
                    .await
                    .expect("the disk has no faults");
                guest
                    .request(Write, TABLE + row, 512)
                    .await
                    .expect("the disk has no faults");
                guest
                    .request(Read, row, TABLE + 512)
                    .await
                    .expect("the disk has no faults");
                commits.set(commits.get() + 1);
                cast.main.sleep(300_000).await;
            }
            let node = pair.device().node().expect("the device has a medium");
            pivoted.set(pivoted.get() + u64::from(Rc::ptr_eq(&node, &pair.target_node())));
            drop(open);
        });
        database.wake();
    });
    // The guest itself makes no requests; the monitor completes the job, or disturbs it.
    let config = "granules=8,requests=0,deeds=6,verbs=complete+drain,spread=uniform";
    let config = Config::parse(config).expect("it is well formed");
    let failures = (0..200).filter(|seed| {
        let report = runner.run(&config, Box::new(Random::new(*seed)));
        report.failure.is_some()
    });
    let failures = failures.count();
    let (commits, pivoted) = (commits.get(), pivoted.get());
    format!("200 runs, {commits} commits, {pivoted} databases on the target, {failures} failures\n")
}

fn main() {
    print!("{}", report());
}
