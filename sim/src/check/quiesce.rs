//! QUIESCE: whatever stopped somebody has let go of him at the end of a run, and nothing is left over.
//!
//! A counter that does not come back to zero stops a guest or a job for ever, perhaps not in this run
//! but in the next thing that a user does.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_jobs::job::Job;

use super::sides::disk_of;
use super::{Checker, Interest, Scene};
use crate::cast::{Cast, Pair, SimHome};
use crate::config::Field;
use crate::failure::Rule;

/// See the module.
#[derive(Default)]
pub struct Quiesce;

impl Quiesce {
    /// The checker.
    pub fn new() -> Quiesce {
        Quiesce
    }

    fn node(scene: &Scene<'_>, node: &Node) {
        let (stopped, in_flight) = (node.quiesce_counter(), node.in_flight());
        let bitmaps = node.dirty_bitmaps().len();
        let disk = disk_of(node).map_or(0, |disk| disk.in_flight());
        let (place, text) = match () {
            () if stopped > 0 => ("node-stopped", format!("is in {stopped} drained sections")),
            () if in_flight > 0 => ("node-busy", format!("has {in_flight} in flight")),
            () if disk > 0 => (
                "disk-busy",
                format!("has {disk} requests that nobody knows"),
            ),
            () if bitmaps > 0 => ("bitmap-left", format!("keeps {bitmaps} dirty bitmaps")),
            () => return,
        };
        let text = format!("when all is over '{}' {text}", node.name());
        scene.fail(Rule::Quiesce, place, vec![node.name().to_owned()], text);
    }

    fn pair(scene: &Scene<'_>, pair: &Pair) {
        let (queued, in_flight) = (pair.device().queued(), pair.device().in_flight());
        let paused = pair.job().map_or(0, |job| sections_of(&job));
        let (place, text) = match () {
            () if queued > 0 => ("device-queued", format!("{queued} requests are queued")),
            () if in_flight > 0 => ("device-busy", format!("{in_flight} are in flight")),
            () if paused > 0 => ("job-paused", format!("{paused} sections stop the job")),
            () => return,
        };
        let parties = vec![pair.device().name().to_owned(), pair.job_id.clone()];
        scene.fail(Rule::Quiesce, place, parties, format!("in the end {text}"));
    }

    fn home(scene: &Scene<'_>, home: &SimHome) {
        let context = &home.context;
        let (coroutines, timers) = (context.live_coroutines(), context.armed_timers());
        let (place, text) = match () {
            () if context.handle().external_disabled() => {
                ("external-masked", "guests are not listened to".to_owned())
            }
            () if coroutines > 0 => ("coroutines-left", format!("{coroutines} coroutines live")),
            () if timers > 0 => ("timers-left", format!("{timers} timers are armed")),
            () => return,
        };
        let text = format!("when all is over {text}");
        scene.fail(Rule::Quiesce, place, vec![home.name.to_owned()], text);
    }
}

/// How many drained sections still stop a job that is over. A user may have paused it on its way there,
/// and has nobody to resume any more.
fn sections_of(job: &Job) -> u32 {
    job.pause_count() - u32::from(job.is_user_paused())
}

/// Whether nothing is under way any more that ends by itself: requests that guests did not wait for, and
/// somebody who sleeps before he sees that it is over.
pub(crate) fn is_quiet(cast: &Cast) -> bool {
    let quiet = |pair: &Pair| {
        let disks = [&pair.source, &pair.target];
        pair.device().in_flight() == 0
            && pair.device().queued() == 0
            && disks.iter().all(|disk| disk.is_idle())
    };
    let probes_sleep = cast.config.is(Field::Drains) && cast.main.armed_timers() > 0;
    let works = |home: &Rc<SimHome>| home.context.has_work();
    cast.pairs.iter().all(quiet) && !cast.homes.iter().any(works) && !probes_sleep
}

impl Checker for Quiesce {
    fn rule(&self) -> Rule {
        Rule::Quiesce
    }

    fn wants(&self) -> Interest {
        Interest::END
    }

    fn reset(&mut self) {}

    fn end(&mut self, scene: &Scene<'_>) {
        if let Some(section) = scene.cast.open_sections().first() {
            let text = format!(
                "'{}' still holds its drained section of '{}'",
                section.owner(),
                section.node()
            );
            let parties = vec![section.owner().to_owned(), section.node().to_owned()];
            scene.fail(Rule::Quiesce, "section-left", parties, text);
        }
        for node in scene.cast.nodes() {
            Self::node(scene, &node);
        }
        for pair in &scene.cast.pairs {
            Self::pair(scene, pair);
        }
        for job in &*scene.cast.extra.borrow() {
            if sections_of(job) > 0 {
                let text = format!("{job:?} is over and paused");
                let parties = vec![job.label().to_string()];
                scene.fail(Rule::Quiesce, "job-paused", parties, text);
            }
        }
        for home in &scene.cast.homes {
            Self::home(scene, home);
        }
    }
}
