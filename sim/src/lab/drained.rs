//! Lab 9: a job that others can drain, and that can drain its own disk.

use std::rc::Rc;

use blockjob_jobs::driver::JobDriver;

use super::bench::{self, Disks};
use super::court::Court;
use super::judge::{Judge, Wanted};
use super::{Lab, look};
use crate::failure::{Failure, Rule};

/// The lab with the driver of a job that has several copies in flight.
///
/// `make` makes the driver for a job that has those disks. The job copies until nothing is dirty, drains the
/// source, looks again, and ends well if it is still so. Its `pause` and `drained_poll` let others drain the
/// disks meanwhile. In the end it lets go of the disks.
pub fn drained(make: impl Fn(&Rc<Disks>) -> Rc<dyn JobDriver> + 'static) -> Lab {
    let make = Rc::new(make);
    let world = move || {
        let make = make.clone();
        move || {
            let (make, court) = (make.clone(), Court::default());
            let judge = Judge::new(&court, Wanted::Copy);
            let teller = judge.clone();
            let mut runner = bench::runner_that_tells(
                &court,
                move |disks: &Rc<Disks>| make(disks),
                move |disks, job| teller.begin(disks, job),
            );
            runner.add_checker(judge.checker());
            runner
        }
    };
    let alone = "mirror=no,granules=8,guests=1,depth=2,requests=8,spread=uniform,tspread=uniform";
    let drains = format!("{alone},deeds=8,verbs=drain+drainall+hold+tdrain+thold");
    let pauses = format!("{alone},deeds=8,verbs=pause+resume+drain");
    Lab::new(9, "make drained_begin end", say)
        .world("nobody else drains", alone, world())
        .world("others drain both disks", &drains, world())
        .world("a user pauses, others drain", &pauses, world())
}

fn say(failure: &Failure) -> Option<String> {
    let text = failure.text.trim_end_matches('.');
    Some(match (failure.rule, failure.place.as_str()) {
        (Rule::WaitGraph | Rule::Progress | Rule::Wake, place) if !place.starts_with("lab-") => {
            format!("A drained section never ends, or the job does not go on after it: {text}.")
        }
        (Rule::Drain, "begins-inside") => format!(
            "A drained section was told that it need not wait for the job, and then the job began a \
             request: {text}."
        ),
        (Rule::Drain, _) => format!(
            "The job stands still, or said that nobody has to wait for it, with copies in flight: \
             {text}."
        ),
        _ => look::plainly(failure),
    })
}
