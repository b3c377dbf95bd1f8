//! Labs 7, 8, 10 and 11: a whole mirror, of which a learner writes parts, and then all of it.

use std::rc::Rc;

use blockjob_jobs::driver::JobDriver;

use super::bench::{self, Disks};
use super::court::Court;
use super::judge::{Judge, Wanted};
use super::{Lab, look};
use crate::failure::{Failure, Rule};
use crate::run::Runner;

/// Lab 7, with a driver whose READY is to be right: see [`mirror`].
pub fn ready(make: impl Fn(&Rc<Disks>) -> Rc<dyn JobDriver> + 'static) -> Lab {
    let make = Rc::new(make);
    Lab::new(7, "READY", say)
        .world("guests write on", EAGER, world(&make))
        .world("others drain and pause", DRAINS, world(&make))
}

/// Lab 8, with a driver that is cancelled: see [`mirror`].
pub fn cancel(make: impl Fn(&Rc<Disks>) -> Rc<dyn JobDriver> + 'static) -> Lab {
    let make = Rc::new(make);
    Lab::new(8, "cancel", say)
        .world("completed, or cancelled", CANCELS, world(&make))
        .world("cancelled at any moment", ONLY_CANCELS, world(&make))
}

/// Lab 10, with a driver whose end is to be right: see [`mirror`].
pub fn pivot(make: impl Fn(&Rc<Disks>) -> Rc<dyn JobDriver> + 'static) -> Lab {
    let make = Rc::new(make);
    Lab::new(10, "the pivot", say)
        .world("completed while guests write", EAGER, world(&make))
        .world("others drain and pause", DRAINS, world(&make))
}

/// Lab 11, with a driver of a mirror.
///
/// `make` makes the driver for a job that has those disks. When a user completes a READY job the driver's
/// `complete` sets [`Disks::should_complete`]. `run` ends with the source drained; the guest is moved to the
/// target in the main loop, in `prepare`, and only if the job was told to complete.
pub fn mirror(make: impl Fn(&Rc<Disks>) -> Rc<dyn JobDriver> + 'static) -> Lab {
    let make = Rc::new(make);
    Lab::new(11, "a mirror", say)
        .world("completed while guests write", EAGER, world(&make))
        .world("others drain and pause", DRAINS, world(&make))
        .world("completed, or cancelled", CANCELS, world(&make))
        .world("cancelled at any moment", ONLY_CANCELS, world(&make))
}

macro_rules! busy {
    ($more:literal) => {
        concat!(
            "mirror=no,granules=6,guests=2,depth=2,requests=10,kinds=read,spread=uniform,",
            "tspread=uniform,rest=2000000,",
            $more
        )
    };
}

const EAGER: &str = busy!("eager=yes");
const DRAINS: &str = busy!("eager=yes,deeds=6,verbs=drain+hold+tdrain+thold+pause+resume");
const CANCELS: &str = busy!("deeds=4,verbs=complete+cancel+force+drain+query");
const ONLY_CANCELS: &str = busy!("deeds=3,verbs=cancel+force+pause,end=cancel");

/// Makes the runners of a world with such a job.
fn world<F>(make: &Rc<F>) -> impl Fn() -> Runner + 'static
where
    F: Fn(&Rc<Disks>) -> Rc<dyn JobDriver> + 'static,
{
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
