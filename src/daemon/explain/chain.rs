//! What a job waits for: the first links of its chain.

use std::collections::BTreeSet;
use std::rc::Rc;

use blockjob_jobs::error::ENOSPC;
use blockjob_jobs::error_policy::IoOperation;
use blockjob_jobs::job::Job;
use blockjob_jobs::look::StopCause;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::state::JobStatus;

use super::scene::Scene;
use super::words;
use crate::qapi::types::explain::{XJobHolder, XJobWait};

/// A chain that is being followed. Whoever has been met is not followed a second time, so it ends.
pub(super) struct Chain<'a> {
    pub(super) scene: &'a Scene,
    pub(super) links: Vec<XJobWait>,
    /// Jobs, sections and requests, by what they are called.
    met: BTreeSet<String>,
}

/// What `job` waits for, and what that waits for.
pub(super) fn follow(scene: &Scene, job: &Rc<Job>) -> Vec<XJobWait> {
    let mut chain = Chain {
        scene,
        links: Vec::new(),
        met: BTreeSet::new(),
    };
    chain.job_waits(job);
    chain.links
}

impl Chain<'_> {
    /// `who` waits for `whom`, who is a `holder`, and for `why`.
    pub(super) fn link(
        &mut self,
        who: &str,
        holder: XJobHolder,
        whom: impl Into<String>,
        why: impl Into<String>,
    ) -> &mut XJobWait {
        self.links.push(XJobWait {
            who: who.to_owned(),
            waits_for: whom.into(),
            holder,
            why: why.into(),
            since_ms: None,
            remedy: None,
            request: None,
            section: None,
        });
        let last = self.links.len() - 1;
        &mut self.links[last]
    }

    /// True the first time that this name is met.
    pub(super) fn is_new(&mut self, name: &str) -> bool {
        self.met.insert(name.to_owned())
    }

    /// `who` waits for another job, and that for others.
    pub(super) fn job(&mut self, who: &str, job: &Rc<Job>, why: &str) {
        let since_ms = self.scene.age_ms(job.status_since_ns());
        let link = self.link(who, XJobHolder::Job, words::job(job), why);
        link.since_ms = Some(since_ms);
        self.job_waits(job);
    }

    pub(super) fn turn(&mut self, who: &str) {
        self.link(who, XJobHolder::EventLoop, "its turn in the event loop", "");
    }

    fn job_waits(&mut self, job: &Rc<Job>) {
        let who = words::job(job);
        if !self.is_new(&who) {
            return;
        }
        match job.status() {
            JobStatus::Undefined | JobStatus::Null => {}
            JobStatus::Created => self.turn(&who),
            JobStatus::Concluded => {
                let remedy = format!("job-dismiss id={}", job.label());
                self.user(job, &who, "to dismiss it", remedy);
            }
            _ if self.begins_own_section(job, &who) => {}
            JobStatus::Waiting | JobStatus::Pending | JobStatus::Aborting => {
                self.transaction(job, &who);
            }
            _ if job.deferred_to_main_loop() => self.turn(&who),
            _ if job.is_paused() => self.paused(job, &who),
            _ => match MirrorJob::of(job) {
                Some(mirror) if job.is_busy() => self.busy(job, &mirror, &who),
                Some(mirror) => self.sleeper(job, &mirror, &who),
                None => self.turn(&who),
            },
        }
    }

    fn user(&mut self, job: &Job, who: &str, why: &str, remedy: String) {
        let since_ms = self.scene.age_ms(job.status_since_ns());
        let link = self.link(who, XJobHolder::User, "the user", why);
        link.since_ms = Some(since_ms);
        link.remedy = Some(remedy);
    }

    /// A drained section that the job has asked for itself and that has not begun. True if there is
    /// one.
    fn begins_own_section(&mut self, job: &Rc<Job>, who: &str) -> bool {
        let sections = self.scene.sections.iter();
        let mut own = sections.filter(|it| !it.established() && self.scene.is_own(job, it));
        match own.next().cloned() {
            Some(section) => {
                self.section(who, &section, "to begin, which it has asked for itself");
                true
            }
            None => false,
        }
    }

    /// Its own work is over.
    fn transaction(&mut self, job: &Rc<Job>, who: &str) {
        let jobs = job.txn().map(|txn| txn.jobs()).unwrap_or_default();
        if let Some(other) = jobs.iter().find(|other| !other.is_completed()) {
            return self.job(who, other, "to end, which is of the same transaction");
        }
        match jobs.iter().find(|other| !other.auto_finalize()) {
            Some(manual) if job.status() == JobStatus::Pending => {
                let remedy = format!("job-finalize id={}", manual.label());
                self.user(job, who, "to finalize it", remedy);
            }
            _ => self.turn(who),
        }
    }

    fn paused(&mut self, job: &Rc<Job>, who: &str) {
        for section in self.scene.sections_over(job) {
            self.section(who, &section, "to end");
        }
        if job.is_user_paused() {
            match job.stop_cause() {
                Some(cause) => self.stopped(job, who, cause),
                None => {
                    let remedy = format!("job-resume id={}", job.label());
                    self.user(job, who, "to resume it", remedy);
                }
            }
        }
        if !self.links.iter().any(|link| link.who == who) {
            self.turn(who);
        }
    }

    /// The error policy has stopped it.
    fn stopped(&mut self, job: &Job, who: &str, cause: StopCause) {
        let disks = MirrorJob::of(job).and_then(|mirror| mirror.disks());
        let disk = disks.map(|(source, target)| match cause.operation {
            IoOperation::Read => words::node(&source),
            IoOperation::Write => words::node(&target),
        });
        let disk = disk.as_deref().unwrap_or("the disk");
        let first = match cause.errno {
            ENOSPC => format!("make room for {disk}"),
            _ => format!("see to {disk}"),
        };
        let id = job.label();
        let remedy = format!("{first}, then job-resume id={id}; or give up: job-cancel id={id}");
        let why = "to see to the error that stopped it, and to resume it";
        let since_ms = self.scene.age_ms(cause.since_ns);
        let link = self.link(who, XJobHolder::User, "the user", why);
        link.since_ms = Some(since_ms);
        link.remedy = Some(remedy);
    }

    /// It has yielded: until a time, or until it is entered.
    fn sleeper(&mut self, job: &Rc<Job>, mirror: &MirrorJob, who: &str) {
        let ends = mirror.is_told_to_complete() || job.cancel_requested();
        let clean = mirror.dirty_bytes() == 0 && mirror.in_flight() == 0;
        if job.is_ready() && !ends && clean {
            return self.ready(job, mirror, who);
        }
        if let Some(bytes) = mirror.lined_up_for_room() {
            return self.room(mirror, bytes, who);
        }
        if job.is_ready() && ends {
            self.guest(mirror, who);
        }
        let Some(until_ns) = job.asleep_until_ns() else {
            return self.turn(who);
        };
        let left_ms = words::age_ms(until_ns, self.scene.now_ns);
        let left = words::span(left_ms);
        match (job.speed_bytes_per_s(), mirror.last_step()) {
            (_, Some((Step::M5 | Step::M6, _))) => self.turn(who),
            (0, Some((Step::M15, _))) => self.turn(who),
            (speed, Some((Step::M15, _))) => {
                let limit = format!("the speed limit of {}/s", words::size(speed));
                let why = format!("to let it go on, in {left}");
                let link = self.link(who, XJobHolder::SpeedLimit, limit, why);
                let id = job.label();
                link.remedy = Some(format!("block-job-set-speed device={id} speed=0"));
            }
            _ => {
                let why = format!("to pass ({left}), before it tries again what has failed");
                self.link(who, XJobHolder::Clock, "a moment", why);
            }
        }
    }

    fn ready(&mut self, job: &Job, mirror: &MirrorJob, who: &str) {
        let id = job.label();
        let target = mirror.disks().map(|(_, target)| words::node(&target));
        let target = target.as_deref().unwrap_or("the target");
        let remedy = format!(
            "job-complete id={id} (all then use {target}), or block-job-cancel device={id} (it stays a copy)"
        );
        self.user(job, who, "to complete it, or to end it", remedy);
    }

    /// Told to end, and the target lacks something again.
    fn guest(&mut self, mirror: &MirrorJob, who: &str) {
        let dirty = mirror.dirty_bytes();
        if dirty > 0 {
            let why = format!(
                "to leave nothing dirty for a moment ({} are)",
                words::size(dirty)
            );
            self.link(who, XJobHolder::Guest, "whoever writes to the disk", why);
        }
    }

    /// Others fill the memory that all share.
    fn room(&mut self, mirror: &MirrorJob, bytes: u64, who: &str) {
        let (used, all) = mirror.shared_room_bytes();
        let whom = format!(
            "{} of the memory that all jobs share ({} of {} are taken)",
            words::size(bytes),
            words::size(used),
            words::size(all)
        );
        self.link(who, XJobHolder::Memory, whom.clone(), "");
        let jobs = self.scene.jobs.iter();
        let held = jobs.filter_map(|job| {
            let held = MirrorJob::of(job)?.held_room_bytes();
            (held > 0).then_some((held, job))
        });
        // Of equals the first, which is the newest.
        let most = held.rev().max_by_key(|(held, _)| *held);
        if let Some((held, other)) = most {
            let (held, other) = (words::size(held), other.clone());
            self.job(
                &whom,
                &other,
                &format!("to give some back, which has {held}"),
            );
        }
    }

    /// It runs, or waits for something other than to be entered.
    fn busy(&mut self, job: &Rc<Job>, mirror: &MirrorJob, who: &str) {
        if mirror.in_flight() > 0 {
            let whom = words::copies(job, mirror);
            let why = match mirror.in_flight() {
                1 => "to end",
                _ => "to end, one of them",
            };
            self.link(who, XJobHolder::Copies, whom.clone(), why);
            return self.copies(mirror, &whom);
        }
        let Some((source, target)) = mirror.disks() else {
            return self.turn(who);
        };
        let writes = words::active_writes(mirror);
        if mirror.dirty_bytes() > 0
            && let Some(writes) = writes
        {
            // It copies no granule that one of them is in.
            let why = "to end, where all that is left to copy is";
            self.link(who, XJobHolder::Guest, writes.clone(), why);
            if !self.anything_at(&writes, &target) && !self.anything_at(&writes, &source) {
                self.turn(&writes);
            }
            return;
        }
        for node in [target, source] {
            if self.anything_at(who, &node) {
                return;
            }
        }
        self.turn(who);
    }
}
