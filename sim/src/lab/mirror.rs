//! Lab 11: a whole mirror.

use std::rc::Rc;

use blockjob_jobs::driver::JobDriver;

use super::bench::{self, Disks};
use super::court::Court;
use super::judge::{Judge, Wanted};
use super::{Lab, look};
use crate::failure::{Failure, Rule};

/// The lab with a driver of a mirror.
///
/// `make` makes the driver for a job that has those disks. When a user completes a READY job the driver's
/// `complete` sets [`Disks::should_complete`]. `run` ends with the source drained; the guest is moved to the
/// target in the main loop, in `prepare`, and only if the job was told to complete.
pub fn mirror(make: impl Fn(&Rc<Disks>) -> Rc<dyn JobDriver> + 'static) -> Lab {
    let make = Rc::new(make);
    let world = move || {
        let make = make.clone();
        move || {
            let (make, court) = (make.clone(), Court::default());
            let judge = Judge::new(&court, Wanted::Mirror);
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
    let busy = "mirror=no,granules=6,guests=2,depth=2,requests=10,kinds=read,spread=uniform,\
                tspread=uniform,rest=2000000";
    let eager = format!("{busy},eager=yes");
    let drains = format!("{busy},eager=yes,deeds=6,verbs=drain+hold+tdrain+thold+pause+resume");
    let cancels = format!("{busy},deeds=4,verbs=complete+cancel+force+drain+query");
    Lab::new(11, "a mirror", say)
        .world("completed while guests write", &eager, world())
        .world("others drain and pause", &drains, world())
        .world("completed, or cancelled", &cancels, world())
}

fn say(failure: &Failure) -> Option<String> {
    let text = failure.text.trim_end_matches('.');
    Some(match (failure.rule, failure.place.as_str()) {
        (Rule::Data, "guest-read") => format!(
            "After the hand-over a guest reads something else than it was told that it wrote: {text}."
        ),
        (Rule::Graph, _) => format!("The nodes changed places while one was in use: {text}."),
        _ => look::plainly(failure),
    })
}
