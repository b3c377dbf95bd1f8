//! What jobs wait for.

use blockjob_jobs::job::Job;
use blockjob_jobs::state::JobStatus;

use super::build::{Builder, copies_have_requests, works};
use super::{Actor, Why};

/// As whom mirrors drain their nodes.
const MIRROR_OWNERS: [&str; 2] = ["mirror_run", "mirror_exit"];

impl Builder<'_> {
    pub(super) fn jobs_wait(&mut self) {
        for number in 0..self.jobs.len() {
            self.job_waits(number);
            self.copies_wait(number);
        }
    }

    fn job_waits(&mut self, number: usize) {
        let (job, actor) = (self.jobs[number].job.clone(), self.jobs[number].actor);
        match job.status() {
            JobStatus::Undefined | JobStatus::Null => {}
            JobStatus::Created => self.wait_for(actor, Actor::Loop, Why::Turn),
            JobStatus::Concluded => self.wait_for(actor, Actor::User, Why::Dismiss),
            _ if self.waits_for_own_section(number) => {}
            JobStatus::Pending if !job.is_deferral_pending() && !self.alone_to_finalize(&job) => {
                self.wait_for(actor, Actor::User, Why::Finalize);
            }
            JobStatus::Waiting | JobStatus::Pending | JobStatus::Aborting => {
                self.waits_for_siblings(&job, actor);
            }
            _ if job.deferred_to_main_loop() => self.wait_for(actor, Actor::Loop, Why::Turn),
            _ if job.is_paused() => self.paused_waits(number),
            _ if !job.is_busy() => self.sleeper_waits(number),
            _ => self.busy_waits(number),
        }
    }

    /// Whether nobody has to finalize the transaction of `job`.
    fn alone_to_finalize(&self, job: &Job) -> bool {
        let txn = job.txn();
        txn.is_none_or(|txn| txn.jobs().iter().all(|other| other.auto_finalize()))
    }

    /// A drained section that the job begins. True if there is one.
    fn waits_for_own_section(&mut self, number: usize) -> bool {
        let own = self.own_sections(number, false);
        for section in &own {
            self.wait(self.jobs[number].actor, *section, Why::Begin);
        }
        !own.is_empty()
    }

    /// The drained sections that the mirror in `number` asked for.
    pub(super) fn own_sections(&self, number: usize, established: bool) -> Vec<usize> {
        let Some(pair) = self.cast.pair_of_job(self.jobs[number].job.label()) else {
            return Vec::new();
        };
        let filter = pair.mirror().and_then(|mirror| mirror.filter_node());
        let filter = filter.as_ref().map_or("", |filter| filter.name());
        let nodes = [pair.source.name(), pair.target.name(), filter];
        let own = self.sections.iter().filter(|(section, _)| {
            MIRROR_OWNERS.contains(&section.owner())
                && section.established() == established
                && nodes.contains(&section.node())
        });
        own.map(|(_, actor)| *actor).collect()
    }

    fn waits_for_siblings(&mut self, job: &Job, actor: usize) {
        let txn = job.txn().map(|txn| txn.jobs()).unwrap_or_default();
        let others = txn.iter().filter(|other| !other.is_completed());
        let mut any = false;
        for other in others {
            if let Some(to) = self.graph.job(other.label()) {
                self.wait(actor, to, Why::Together);
                any = true;
            }
        }
        if !any {
            self.wait_for(actor, Actor::Loop, Why::Turn);
        }
    }

    fn paused_waits(&mut self, number: usize) {
        let actor = self.jobs[number].actor;
        let nodes = self.jobs[number].nodes.clone();
        let user = self.jobs[number].job.is_user_paused();
        if user {
            self.wait_for(actor, Actor::User, Why::Resume);
        }
        if !self.wait_for_sections(actor, &nodes) && !user {
            self.wait_for(actor, Actor::Loop, Why::Turn);
        }
    }

    /// The job sleeps, or has yielded until it is entered.
    fn sleeper_waits(&mut self, number: usize) {
        let seen = &self.jobs[number];
        let (job, actor) = (&seen.job, seen.actor);
        let dirty_bytes = seen.mirror.as_ref().map_or(0, |it| it.dirty_bytes());
        let rests = job.status() == JobStatus::Ready && !job.cancel_requested();
        if rests && dirty_bytes == 0 && self.cast.world.is_calm() {
            return self.wait_for(actor, Actor::User, Why::Complete);
        }
        if job.context().next_deadline_ns().is_some() {
            return self.wait_for(actor, Actor::Clock, Why::Time);
        }
        if !self.idle {
            return self.wait_for(actor, Actor::Loop, Why::Turn);
        }
        // Without a timer it waits to be entered. Only one thing makes a mirror do so.
        let others: Vec<usize> = self.jobs.iter().filter_map(|other| other.copies).collect();
        match others.first() {
            Some(other) => self.wait(actor, *other, Why::Room),
            None => self.wait_for(actor, Actor::Loop, Why::Turn),
        }
    }

    fn busy_waits(&mut self, number: usize) {
        let seen = &self.jobs[number];
        let (actor, copies) = (seen.actor, seen.copies);
        if let Some(copies) = copies {
            return self.wait(actor, copies, Why::OneEnds);
        }
        if let Some(write) = self.outranked(number) {
            return self.wait(actor, write, Why::Overlap);
        }
        let pair = self.cast.pair_of_job(seen.job.label());
        let nodes = pair.map(|pair| [pair.target_node(), pair.source_node()]);
        let places = nodes.into_iter().flatten();
        let places = places.filter_map(|node| self.place(&node));
        let in_flight = places.flat_map(|place| self.in_flight_at(place)).next();
        match in_flight {
            Some(request) => self.wait(actor, request, Why::End),
            None => self.wait_for(actor, Actor::Loop, Why::Turn),
        }
    }

    fn copies_wait(&mut self, number: usize) {
        let seen = &self.jobs[number];
        let (Some(copies), Some(mirror)) = (seen.copies, seen.mirror.clone()) else {
            return;
        };
        let Some(pair) = self.cast.pair_of_job(seen.job.label()) else {
            return;
        };
        let (source, target) = (&pair.source_node(), &pair.target_node());
        if works(seen.job.status()) && !copies_have_requests(&mirror, source, target) {
            let why = if self.idle { Why::Buffers } else { Why::Turn };
            return match why {
                Why::Buffers => self.wait(copies, copies, why),
                why => self.wait_for(copies, Actor::Loop, why),
            };
        }
        let places = [target, source].into_iter();
        let places = places.filter_map(|node| self.place(node));
        let requests: Vec<usize> = places.flat_map(|place| self.in_flight_at(place)).collect();
        for request in requests {
            self.wait(copies, request, Why::End);
        }
    }
}
