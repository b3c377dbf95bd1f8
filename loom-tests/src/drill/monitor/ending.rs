//! The endings of a drill.

use blockjob_jobs::state::JobStatus;
use blockjob_runtime::IoThread;

use super::{Monitor, content_of};
use crate::drill::hub::Deed;

impl Monitor {
    /// The mirror of a pair is READY, or over.
    pub(crate) fn until_ready(&self, pair: usize) {
        let job = self.pairs[pair].job();
        if let Some(home) = self.home_of_guest(pair) {
            self.until(home, "until ready", move |shard| {
                let job = shard.job(&job);
                job.is_none_or(|job| job.is_ready() || job.deferred_to_main_loop())
            });
        }
    }

    /// The mirror of a pair is over.
    pub(crate) fn until_over(&self, pair: usize) {
        let job = self.pairs[pair].job();
        if let Some(home) = self.home_of_guest(pair) {
            self.until(home, "until over", move |shard| shard.job(&job).is_none());
        }
    }

    /// Everything ends as it should: sections, then jobs, then guests. Then both are looked at.
    pub(crate) fn end_in_order(&mut self) {
        self.note("the end");
        self.sections.clear();
        for pair in 0..self.pairs.len() {
            self.end_job(pair);
        }
        for pair in 0..self.pairs.len() {
            self.end_guest(pair);
        }
        for home in 0..self.homes.len() {
            self.call(home, "close", |shard| shard.close());
        }
        // What was left to be done in main's own loop.
        while self.main.poll(false) {}
        self.hub.end();
        self.hub.count(Deed::InOrder);
    }

    fn end_job(&mut self, pair: usize) {
        let forced = self.dice.one_in(4);
        self.with_job(pair, "last words to", move |job| {
            // A job that stands still for the user's sake does so for ever. Whoever is over takes no verbs.
            let _ = job.user_resume();
            let _ = job.set_speed(0);
            if forced {
                let _ = job.user_cancel(true);
            }
        });
        self.until_ready(pair);
        self.with_job(pair, "complete", |job| {
            if job.status() == JobStatus::Ready || job.status() == JobStatus::Standby {
                // It may have been told to cancel softly before.
                let _ = job.complete();
            }
        });
        self.until_over(pair);
    }

    fn end_guest(&self, pair: usize) {
        let Some(home) = self.home_of_guest(pair) else {
            return;
        };
        let whom = self.homes[home].clone();
        self.hub.main_waits(&format!("the rest of guest {pair}"));
        let content = whom
            .handle()
            .clone()
            .request_co("rest", move |_| async move {
                let shard = whom.get()?;
                let guest = shard.guests.borrow().get(&pair).cloned()?;
                guest.rest();
                guest.rested().await;
                content_of(&shard, pair).await
            });
        let content = self.main.run("rest", content);
        self.hub.main_waits("");
        let Ok(Some(content)) = content else {
            return self
                .hub
                .fail("DATA", &format!("disk{pair} cannot be read in the end"));
        };
        let legal = self.pairs[pair].pair.model.lock().check_all(&content);
        if let Err(illegal) = legal {
            let text = format!("in the end the disk of guest {pair} holds {illegal}");
            self.hub.fail("DATA", &text);
        }
    }

    /// The threads are stopped one after the other, with all that runs in them, and main goes on for a while
    /// with those that are left.
    pub(crate) fn end_abruptly(&mut self, threads: Vec<IoThread>) {
        self.hub.ending();
        for thread in threads {
            let name = thread.handle().name().to_owned();
            self.note(&format!("stops {name}"));
            self.hub.main_waits(&format!("the end of {name}"));
            thread.stop();
            self.hub.main_waits("");
            for _ in 0..3 {
                self.do_one();
            }
        }
        self.sections.clear();
        self.hub.count(Deed::Abrupt);
    }
}
