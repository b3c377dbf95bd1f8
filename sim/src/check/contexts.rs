//! HOME, over contexts: whatever happens in a family happens in the context where it lives at that time.
//!
//! Nodes, jobs and disks belong to one thread. In a world all contexts are one thread, so nothing but this
//! would notice a request that begins, or a job that goes on, while another context is at work.

use std::fmt;

use blockjob_runtime::AioContext;

use super::{Checker, Interest, Scene, Seen};
use crate::config::{Config, Field};
use crate::event::DiskWhat;
use crate::failure::Rule;

/// See the module.
#[derive(Default)]
pub struct Contexts;

impl Contexts {
    /// The checker.
    pub fn new() -> Contexts {
        Contexts
    }

    /// `what` happens in a home: its context must be at work.
    fn happens(scene: &Scene<'_>, home: usize, place: &str, what: &dyn fmt::Debug) {
        let context = &scene.cast.homes[home].context;
        let current = AioContext::try_current();
        if current.as_ref() == Some(context) {
            return;
        }
        let at_work = current.map_or("no context".to_owned(), |it| it.handle().name().to_owned());
        let name = scene.cast.homes[home].name;
        let text = format!("in {name}, while {at_work} is at work: {what:?}");
        scene.fail(Rule::Home, place, vec![name.to_owned(), at_work], text);
    }
}

impl Checker for Contexts {
    fn rule(&self) -> Rule {
        Rule::Home
    }

    fn wants(&self) -> Interest {
        let engine = Interest::BLOCK.or(Interest::JOB).or(Interest::MIRROR);
        engine.or(Interest::DISK)
    }

    fn concerns(&self, config: &Config) -> bool {
        config.is(Field::IoThread)
    }

    fn reset(&mut self) {}

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        // Nodes say where they are; what jobs tell comes from whichever context is at work.
        let of_job = |job: &str| {
            let pair = scene.cast.pair_of_job(job)?;
            if pair.travels.get() {
                return None;
            }
            // One that is over, and has given its nodes up, stays when they move.
            let context = pair.job().map(|job| job.context().clone());
            Some(context.map_or(pair.home.get(), |it| scene.cast.home_with(&it)))
        };
        match seen {
            Seen::Block(trace) => {
                let home = scene.cast.home_called(scene.context);
                Self::happens(scene, home, "block-elsewhere", trace);
            }
            Seen::Job(trace) => {
                if let Some(home) = of_job(&trace.job) {
                    Self::happens(scene, home, "job-elsewhere", trace);
                }
            }
            Seen::Mirror(trace) => {
                if let Some(home) = of_job(&trace.job) {
                    Self::happens(scene, home, "mirror-elsewhere", trace);
                }
            }
            Seen::Disk(event) if event.what == DiskWhat::Begins => {
                // Of a file, the image in it says where it is.
                if let Some((pair, is_source)) = scene.cast.pair_of_disk(event.disk) {
                    let node = match is_source {
                        true => pair.source_node(),
                        false => pair.target_node(),
                    };
                    let home = scene.cast.home_of_node(&node);
                    Self::happens(scene, home, "disk-elsewhere", event);
                }
            }
            _ => {}
        }
    }
}
