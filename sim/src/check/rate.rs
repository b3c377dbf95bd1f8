//! RATE: a job is not faster than its speed.
//!
//! In any `k` slices of 100 ms, wherever they begin, a job begins to copy `k + 1` slices' quotas at
//! most, and what it takes at a time. All windows are looked at at once: what was begun is a debt that
//! time pays off at the speed that is set, and it is never more than one quota and what was taken last.
//!
//! What counts is what the job reads from the source, as it asks for it. Holes are free.

use std::rc::Rc;

use blockjob_block::request::{BlockTrace, RequestKind};
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace};
use blockjob_jobs::rate_limit::SLICE_TIME_NS;
use blockjob_jobs::trace::JobTraceKind;

use super::{Checker, Interest, Scene, Seen};
use crate::config::Field;
use crate::event::{GuestEvent, GuestKind, GuestWhat};
use crate::failure::Rule;
use crate::monitor::Verb;

const NS_PER_S: u128 = 1_000_000_000;

/// A job with a speed, or that had one.
struct Account {
    job: Rc<Job>,
    label: Rc<str>,
    source: Rc<str>,
    speed_bytes_per_s: u64,
    /// In bytes times nanoseconds per second, so that no speed rounds.
    debt: u128,
    settled_ns: u64,
    /// What it took last: where its next copy begins, where the last ends, and the bytes.
    at: u64,
    end: u64,
    taken_bytes: u64,
}

/// The checker; see the module.
#[derive(Default)]
pub struct Rate {
    accounts: Vec<Account>,
    /// Reads of guests that have not begun, for telling them from those of the jobs.
    guest_reads: Vec<(u64, u64)>,
    /// Whether any job can have a speed; not known before the first event.
    limited: Option<bool>,
}

impl Rate {
    /// One that has seen nothing.
    pub fn new() -> Rate {
        Rate::default()
    }

    fn is_limited(&mut self, scene: &Scene<'_>) -> bool {
        let config = &scene.cast.config;
        *self.limited.get_or_insert_with(|| {
            let sets = config.get(Field::Deeds) > 0 && config.verbs().contains(&Verb::SetSpeed);
            config.get(Field::Speed) > 0 || sets
        })
    }

    #[inline(never)]
    fn look(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        if !self.is_limited(scene) {
            return;
        }
        match seen {
            Seen::Block(BlockTrace::RequestBegin {
                kind: RequestKind::Read,
                node,
                offset,
                bytes,
                ..
            }) if !self.accounts.is_empty() => self.read(scene, node, (*offset, *bytes)),
            Seen::Guest(event) => self.guest(scene, event),
            Seen::Mirror(trace) => self.mirror(scene, trace),
            // Moments at which a speed may have changed.
            Seen::Monitor(_) => {
                let accounts = self.accounts.iter_mut();
                accounts.for_each(|account| account.settle(scene.now_ns));
            }
            Seen::Job(trace) => {
                let ours = |account: &Account| account.label == trace.job;
                if let Some(place) = self.accounts.iter().position(ours) {
                    self.accounts[place].settle(scene.now_ns);
                    if trace.what == JobTraceKind::RunEnd {
                        self.accounts.swap_remove(place);
                    }
                }
            }
            _ => {}
        }
    }

    fn mirror(&mut self, scene: &Scene<'_>, trace: &MirrorTrace) {
        let MirrorEvent::MirrorIteration { offset, bytes } = trace.event else {
            return;
        };
        let known = self.accounts.iter().position(|it| it.label == trace.job);
        let account = match known {
            Some(known) => &mut self.accounts[known],
            None => {
                let pair = scene.cast.pair_of_job(&trace.job);
                let job = scene.cast.job(&trace.job);
                let (Some(pair), Some(job)) = (pair, job) else {
                    return;
                };
                self.accounts.push(Account {
                    speed_bytes_per_s: job.speed_bytes_per_s(),
                    job,
                    label: trace.job.clone(),
                    source: pair.source_node().label().clone(),
                    debt: 0,
                    settled_ns: scene.now_ns,
                    at: 0,
                    end: 0,
                    taken_bytes: 0,
                });
                self.accounts.last_mut().expect("it was just added")
            }
        };
        if let Some(job) = scene.cast.job(&account.label) {
            // It may be another one by now, which has come from elsewhere.
            account.job = job;
        }
        account.settle(scene.now_ns);
        (account.at, account.end, account.taken_bytes) = (offset, offset + bytes, bytes);
    }

    /// A read begins at `node`. If it is the next copy of a job, that job's account is charged.
    fn read(&mut self, scene: &Scene<'_>, node: &Rc<str>, (offset, bytes): (u64, u64)) {
        // A guest's read comes by the filter on top of the source, too.
        let mut accounts = self.accounts.iter();
        if !accounts.any(|account| *account.source == **node) {
            return;
        }
        let guests = self
            .guest_reads
            .iter()
            .position(|it| *it == (offset, bytes));
        if let Some(read) = guests {
            self.guest_reads.swap_remove(read);
            return;
        }
        let next_copy_of = |account: &&mut Account| {
            *account.source == **node && offset >= account.at && offset + bytes <= account.end
        };
        let Some(account) = self.accounts.iter_mut().find(next_copy_of) else {
            return;
        };
        account.settle(scene.now_ns);
        account.at = offset + bytes;
        if account.speed_bytes_per_s == 0 {
            return;
        }
        account.debt += u128::from(bytes) * NS_PER_S;
        if account.debt > account.limit() {
            let text = format!(
                "{} is {} bytes ahead of {} bytes per second, and may be one slice's worth and the {} \
                 that it took last",
                account.label,
                account.debt / NS_PER_S,
                account.speed_bytes_per_s,
                account.taken_bytes
            );
            let parties = vec![account.label.to_string()];
            scene.fail(Rule::Rate, "too-fast", parties, text);
        }
    }

    fn guest(&mut self, scene: &Scene<'_>, event: &GuestEvent) {
        if event.kind != GuestKind::Read || event.what != GuestWhat::Asks {
            return;
        }
        let each = (scene.cast.config.get(Field::Guests) as usize).max(1);
        let pair = scene.cast.pairs.get(event.guest / each);
        let is_copied = |account: &Account| {
            pair.is_some_and(|pair| *account.source == **pair.source_node().label())
        };
        if self.accounts.iter().any(is_copied) {
            self.guest_reads.push((event.offset, event.bytes));
        }
    }
}

impl Account {
    /// Pays the debt with the time that has passed, and takes note of another speed: a higher one pays
    /// the rest sooner, a lower one leaves the time that it takes.
    fn settle(&mut self, now_ns: u64) {
        let passed_ns = u128::from(now_ns - self.settled_ns);
        let (old, new) = (self.speed_bytes_per_s, self.job.speed_bytes_per_s());
        self.settled_ns = now_ns;
        let paid = passed_ns * u128::from(old.max(new));
        self.debt = self.debt.saturating_sub(paid);
        if new == 0 {
            self.debt = 0;
        } else if new < old {
            self.debt = self.debt * u128::from(new) / u128::from(old);
        }
        self.speed_bytes_per_s = new;
    }

    fn limit(&self) -> u128 {
        let quota = u128::from(self.speed_bytes_per_s) * u128::from(SLICE_TIME_NS);
        quota + u128::from(self.taken_bytes) * NS_PER_S
    }
}

impl Checker for Rate {
    fn rule(&self) -> Rule {
        Rule::Rate
    }

    fn wants(&self) -> Interest {
        Interest::BLOCK
            .or(Interest::GUEST)
            .or(Interest::MIRROR)
            .or(Interest::JOB)
            .or(Interest::MONITOR)
    }

    fn reset(&mut self) {
        self.accounts.clear();
        self.guest_reads.clear();
        self.limited = None;
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        // Most runs have no speed, and most of what happens comes by here.
        if self.limited != Some(false) {
            self.look(scene, seen);
        }
    }
}
