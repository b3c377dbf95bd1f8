//! ONCE: what happens once happens once. A job is READY once, its coroutine ends once, what it left for
//! main runs once and its exit with it; it tells its end once. A guest's request is answered once.

use std::collections::BTreeMap;

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::steps::{MirrorEvent, Step};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::JobTraceKind;

use super::{Checker, Scene};
use crate::drill::hub::Seen;

/// How often what happened to a job.
#[derive(Default)]
struct Counts {
    ready: u32,
    exits: u32,
    runs_ended: u32,
    deferred: u32,
    deferred_started: u32,
    ends_told: u32,
    concluded: u32,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Once {
    jobs: BTreeMap<String, Counts>,
    /// Requests of guests that were asked for.
    asked: BTreeMap<u32, usize>,
}

impl Once {
    fn job(&mut self, name: &str) -> &mut Counts {
        if !self.jobs.contains_key(name) {
            self.jobs.insert(name.to_owned(), Counts::default());
        }
        self.jobs.get_mut(name).expect("it was put there")
    }

    fn twice(&mut self, seen: &Seen<'_>) -> Option<(String, &'static str)> {
        let (name, what) = match seen {
            Seen::Mirror(trace) => {
                let counts = self.job(&trace.job);
                let (count, what) = match trace.event {
                    MirrorEvent::Step(Step::M13) => (&mut counts.ready, "became READY"),
                    MirrorEvent::Step(Step::M17) => (&mut counts.exits, "had its exit"),
                    _ => return None,
                };
                *count += 1;
                (&*trace.job, (*count > 1).then_some(what))
            }
            Seen::Job(trace) => {
                let counts = self.job(&trace.job);
                let what = match trace.what {
                    JobTraceKind::RunEnd => {
                        counts.runs_ended += 1;
                        (counts.runs_ended > 1).then_some("ended its coroutine")
                    }
                    JobTraceKind::Defer => {
                        counts.deferred += 1;
                        None
                    }
                    JobTraceKind::DeferredStart => {
                        counts.deferred_started += 1;
                        let more = counts.deferred_started > counts.deferred;
                        more.then_some("ran what it had deferred")
                    }
                    JobTraceKind::Status {
                        to: JobStatus::Concluded,
                        ..
                    } => {
                        counts.concluded += 1;
                        (counts.concluded > 1).then_some("was concluded")
                    }
                    _ => None,
                };
                (&*trace.job, what)
            }
            Seen::Told(event @ (JobEvent::Completed { .. } | JobEvent::Cancelled(_))) => {
                let name = event.job_id().as_str();
                let counts = self.job(name);
                counts.ends_told += 1;
                (name, (counts.ends_told > 1).then_some("told its end"))
            }
            _ => return None,
        };
        what.map(|what| (name.to_owned(), what))
    }
}

impl Checker for Once {
    fn see(&mut self, scene: &mut Scene<'_>, seen: &Seen<'_>) {
        if let Seen::Guest(guest) = seen {
            let (id, pair) = (guest.request, guest.pair);
            let known = match guest.asks {
                true => self.asked.insert(id, pair).is_none(),
                false => self.asked.remove(&id).is_some(),
            };
            if !known {
                let what = if guest.asks { "asked for" } else { "answered" };
                scene.fail("ONCE", || {
                    format!("request {id} of guest {pair} was {what} twice")
                });
            }
        } else if let Some((job, what)) = self.twice(seen) {
            scene.fail("ONCE", || format!("'{job}' {what} twice"));
        }
    }

    fn end(&mut self, scene: &mut Scene<'_>) {
        for (job, counts) in &self.jobs {
            if counts.deferred != counts.deferred_started {
                scene.fail("ONCE", || format!("what '{job}' left for main has not run"));
            }
            if counts.runs_ended > 0 && counts.exits != 1 {
                let exits = counts.exits;
                scene.fail("ONCE", || format!("'{job}' had {exits} exits"));
            }
        }
        if let Some((id, pair)) = self.asked.first_key_value() {
            scene.fail("ONCE", || {
                format!("request {id} of guest {pair} was not answered")
            });
        }
    }

    fn waiting(&self) -> Vec<String> {
        let waits = self.asked.iter();
        let lines = waits.map(|(id, pair)| format!("guest {pair} waits for request {id}"));
        lines.take(8).collect()
    }
}
