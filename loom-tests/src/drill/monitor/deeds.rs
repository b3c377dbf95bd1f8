//! The deeds: what a monitor asks of mirrors and disks, at any moment and in any order.

use blockjob_block::moving;
use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::mirror::{MirrorOptions, mirror_start};

use super::Monitor;
use crate::drill::facts::Pair;
use crate::drill::hub::Deed;
use crate::drill::plan::GRANULE_BYTES;

/// So many sections main holds at most.
const MOST_SECTIONS: usize = 3;

impl Monitor {
    /// Does one of them, as the dice say.
    pub(crate) fn do_one(&mut self) {
        let pair = self.dice.pick(self.pairs.len() as u64) as usize;
        if self.dice.one_in(2) {
            self.kick(pair);
        }
        match self.dice.pick(20) {
            0..3 => self.start(pair),
            3 | 4 => self.drain(pair),
            5 => self.drain_all(),
            6..8 => self.end_section(),
            8..11 => self.move_one(pair),
            11 => self.verb(pair, "job-pause", Deed::Pause, |job| job.user_pause()),
            12 => self.verb(pair, "job-resume", Deed::Resume, |job| job.user_resume()),
            13 | 14 => self.complete(pair),
            15 => self.verb(pair, "job-cancel", Deed::Cancel, |job| {
                job.block_job_cancel(false)
            }),
            16 => self.verb(pair, "job-cancel force", Deed::ForceCancel, |job| {
                job.user_cancel(true)
            }),
            17 => {
                let speed = [0, 4096, 1 << 20][self.dice.pick(3) as usize];
                self.verb(pair, "block-job-set-speed", Deed::Speed, move |job| {
                    job.set_speed(speed)
                });
            }
            18 => self.query(),
            _ => {
                let ns = self.dice.pick(300_000);
                self.hub.count(Deed::Rest);
                self.rest(ns);
            }
        }
    }

    fn count(&self, deed: Deed, done: bool) {
        self.hub.count(if done { deed } else { Deed::Refused });
    }

    /// A mirror that nothing holds up becomes READY.
    fn complete(&mut self, pair: usize) {
        if self.sections.is_empty() && self.dice.one_in(2) {
            let paused = self.with_job(pair, "job-resume", |job| {
                // One that was not paused goes on anyway.
                let _ = job.user_resume();
                let _ = job.set_speed(0);
            });
            if paused.is_some() {
                self.until_ready(pair);
            }
        }
        self.verb(pair, "job-complete", Deed::Complete, |job| job.complete());
    }

    /// The guest has more to do.
    fn kick(&mut self, pair: usize) {
        let more = 1 + self.dice.pick(self.more);
        if let Some(home) = self.home_of_guest(pair) {
            self.homes[home].post("kick", move |shard| {
                let guest = shard.guests.borrow().get(&pair).cloned();
                if let Some(guest) = guest {
                    guest.more(more);
                }
            });
        }
    }

    fn verb<E: Send + 'static>(
        &mut self,
        pair: usize,
        name: &'static str,
        deed: Deed,
        verb: impl FnOnce(&std::rc::Rc<blockjob_jobs::job::Job>) -> Result<(), E> + Send + 'static,
    ) {
        match self.with_job(pair, name, verb) {
            Some(done) => self.count(deed, done.is_ok()),
            None => self.start(pair),
        }
    }

    /// Mirrors the guest's disk to the other one of the pair, which has to be in the same context.
    pub(crate) fn start(&mut self, pair: usize) {
        let Some(home) = self.home_of_guest(pair) else {
            return;
        };
        let job = self.pairs[pair].job();
        let device = format!("disk{pair}");
        let asked = self.call(home, "query", move |shard| {
            let busy = shard.job(&job).is_some();
            let backend = shard.graph.find_backend(&device)?;
            let node = backend.node()?.skip_filters();
            Some((busy, node.name().to_owned()))
        });
        let Some((false, source)) = asked.flatten() else {
            return self.count(Deed::Start, false);
        };
        let facts = self.pairs[pair].pair.clone();
        let Some(source) = facts.disk_of(&source) else {
            return self.count(Deed::Start, false);
        };
        // As `blockdev-mirror` does it: the target comes to the source.
        if self.home_of_disk(&facts, 1 - source) != Some(home)
            && !self.move_family(pair, 1 - source, home)
        {
            return;
        }
        facts.place.lock().source = source;
        let view = &mut self.pairs[pair];
        view.started += 1;
        let (job, blocking) = (self.pairs[pair].job(), self.dice.one_in(3));
        let names = [source, 1 - source].map(|which| facts.disks[which].name().to_owned());
        self.note(&format!("starts {job}"));
        let started = self.call(home, "blockdev-mirror", move |shard| {
            let [source, target] = names.map(|name| shard.node(&name));
            let (Some(source), Some(target)) = (source, target) else {
                return false;
            };
            let options = options(pair, job, blocking);
            mirror_start(&shard.jobs, &shard.pool, &source, &target, &options).is_ok()
        });
        self.count(Deed::Start, started == Some(true));
    }

    fn drain(&mut self, pair: usize) {
        if self.sections.len() >= MOST_SECTIONS {
            return self.end_section();
        }
        let facts = self.pairs[pair].pair.clone();
        let which = self.dice.pick(2) as usize;
        let Some(home) = self.home_of_disk(&facts, which) else {
            return;
        };
        let (node, resident) = (facts.disks[which].name(), &self.homes[home]);
        self.note(&format!("drains {node}"));
        self.hub.main_waits(&format!("drained_begin of '{node}'"));
        let section = moving::drained_begin(&self.main, resident, node, "monitor");
        self.hub.main_waits("");
        self.count(Deed::Drain, section.is_ok());
        self.sections.extend(section.map(|it| vec![it]));
    }

    fn drain_all(&mut self) {
        if self.sections.len() >= MOST_SECTIONS {
            return self.end_section();
        }
        self.note("drains all");
        self.hub.main_waits("drain_all_begin");
        let sections = moving::drain_all_begin(&self.main, &self.homes, "monitor");
        self.hub.main_waits("");
        self.hub.count(Deed::DrainAll);
        self.sections.push(sections);
    }

    fn end_section(&mut self) {
        if self.sections.is_empty() {
            return;
        }
        let which = self.dice.pick(self.sections.len() as u64) as usize;
        self.note("ends a section");
        drop(self.sections.remove(which));
    }

    fn move_one(&mut self, pair: usize) {
        let to = self.dice.pick(self.homes.len() as u64) as usize;
        let which = self.dice.pick(2) as usize;
        self.move_family(pair, which, to);
    }

    /// Moves the family of a disk; false if that was refused.
    fn move_family(&mut self, pair: usize, which: usize, to: usize) -> bool {
        let facts = self.pairs[pair].pair.clone();
        let Some(from) = self.home_of_disk(&facts, which) else {
            return false;
        };
        if from == to {
            return true;
        }
        let job = self.pairs[pair].job();
        let running = self.call(from, "query", move |shard| shard.job(&job).is_some());
        let node = facts.disks[which].name();
        let (from, there) = (&self.homes[from], &self.homes[to]);
        let name = there.handle().name().to_owned();
        self.note(&format!("moves {node} to {name}"));
        self.hub.main_waits(&format!("set_aio_context of '{node}'"));
        facts.place.lock().bound_for = Some(name);
        let moved = moving::set_aio_context(&self.main, node, from, there);
        self.hub.main_waits("");
        self.settle_in(&facts);
        match &moved {
            Ok(()) if running == Some(true) => self.hub.count(Deed::MovedMirror),
            Ok(()) => self.hub.count(Deed::Moved),
            Err(error) => {
                self.note(&format!("stays: {error}"));
                self.hub.count(Deed::MoveRefused);
            }
        }
        moved.is_ok()
    }

    /// Writes down where the disks are.
    pub(crate) fn settle_in(&self, pair: &Pair) {
        for which in 0..2 {
            if let Some(home) = self.home_of_disk(pair, which) {
                let name = self.homes[home].handle().name().to_owned();
                pair.place.lock().at[which] = name;
            }
        }
        pair.place.lock().bound_for = None;
    }

    fn query(&self) {
        self.note("query-jobs");
        for home in 0..self.homes.len() {
            self.call(home, "query-jobs", |shard| {
                let jobs = shard.jobs.jobs();
                jobs.iter().map(|job| job.status()).collect::<Vec<_>>()
            });
        }
        self.hub.count(Deed::Query);
    }
}

/// Two granules at a time, each by itself.
pub(crate) fn options(pair: usize, job: String, blocking: bool) -> MirrorOptions {
    let mut options = MirrorOptions {
        job_id: Some(job),
        granularity: GRANULE_BYTES,
        buf_size: 2 * GRANULE_BYTES,
        filter_node_name: Some(Pair::filter(pair)),
        ..MirrorOptions::new()
    };
    if blocking {
        options.copy_mode = MirrorCopyMode::WriteBlocking;
    }
    options.tuning.max_io_bytes = GRANULE_BYTES;
    options.tuning.max_in_flight = 2;
    options
}
