//! Main's monitor: it knows where everything is, asks for it there, and does its deeds.

mod deeds;
mod ending;

#[cfg(blockjob_loom)]
pub(crate) use deeds::options;

use std::rc::Rc;
use std::sync::Arc;

use blockjob_block::directory::{Directory, NameKind};
use blockjob_block::moving::RemoteDrained;
use blockjob_jobs::job::Job;
use blockjob_runtime::{AioContext, AioHandle, Resident};

use bytes::BytesMut;

use super::dice::Dice;
use super::facts::Pair;
use super::hub::{Hub, Seen};
use super::shard::Shard;

/// A pair, as main knows it.
pub(crate) struct View {
    pub(crate) pair: Arc<Pair>,
    /// How many mirrors it has had.
    pub(crate) started: u64,
}

impl View {
    /// The mirror that was started last.
    fn job(&self) -> String {
        format!("mirror{}-{}", self.pair.number, self.started)
    }
}

/// See the module.
pub(crate) struct Monitor {
    pub(crate) main: AioContext,
    pub(crate) hub: Arc<Hub>,
    pub(crate) dice: Dice,
    /// Main's own first.
    pub(crate) homes: Vec<Resident<Shard>>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) pairs: Vec<View>,
    /// How many requests more a guest is asked for, at most.
    pub(crate) more: u64,
    /// What main has drained, the latest last.
    pub(crate) sections: Vec<Vec<RemoteDrained>>,
}

impl Monitor {
    fn note(&self, what: &str) {
        self.hub.see("main", &Seen::Does(what));
    }

    /// Which home a context is; none if it has ended.
    fn home_of(&self, handle: &AioHandle) -> Option<usize> {
        self.homes.iter().position(|home| home.handle() == handle)
    }

    /// Where the disk `which` of a pair is.
    fn home_of_disk(&self, pair: &Pair, which: usize) -> Option<usize> {
        let name = pair.disks[which].name();
        self.home_of(&self.directory.find(NameKind::Node, name)?)
    }

    /// Where the guest of a pair is.
    fn home_of_guest(&self, pair: usize) -> Option<usize> {
        let name = format!("disk{pair}");
        self.home_of(&self.directory.find(NameKind::Backend, &name)?)
    }

    /// Has something done in a home, and waits for it; none if the home has ended.
    pub(crate) fn call<R: Send + 'static>(
        &self,
        home: usize,
        name: &'static str,
        work: impl FnOnce(&Rc<Shard>) -> R + Send + 'static,
    ) -> Option<R> {
        let home = &self.homes[home];
        let whom = home.handle().name();
        self.hub
            .main_waits(&format!("'{name}', for which it waits for {whom}"));
        let done = self.main.call_resident(home, name, move |shard| {
            // What is to be done in main's loop can be done here meanwhile.
            let _waits = shard.jobs.main_waits();
            work(shard)
        });
        self.hub.main_waits("");
        done.ok()
    }

    /// Does something with the mirror of a pair, if there is one.
    fn with_job<R: Send + 'static>(
        &self,
        pair: usize,
        name: &'static str,
        work: impl FnOnce(&Rc<Job>) -> R + Send + 'static,
    ) -> Option<R> {
        let home = self.home_of_guest(pair)?;
        let job = self.pairs[pair].job();
        self.note(&format!("{name} {job}"));
        let done = self.call(home, name, move |shard| {
            shard.job(&job).map(|job| work(&job))
        });
        done.flatten()
    }

    /// Waits, serving main's loop, until something is so in a home, or the home has ended.
    fn until(
        &self,
        home: usize,
        name: &'static str,
        is_so: impl Fn(&Shard) -> bool + Send + 'static,
    ) {
        let whom = self.homes[home].clone();
        let text = format!("'{name}', for which it waits for {}", whom.handle().name());
        self.hub.main_waits(&text);
        let waiting = whom.handle().clone().request_co(name, move |_| async move {
            if let Some(shard) = whom.get() {
                shard.until(is_so).await;
            }
        });
        // One that has ended has nothing to wait for.
        let _ = self.main.run(name, waiting);
        self.hub.main_waits("");
    }

    /// Lets main's loop run, and time pass.
    pub(crate) fn rest(&self, ns: u64) {
        self.hub.main_waits("a moment of rest");
        let main = self.main.clone();
        self.main.run("rest", async move { main.sleep(ns).await });
        self.hub.main_waits("");
    }
}

/// What the guest of a pair reads of its whole disk.
pub(crate) async fn content_of(shard: &Shard, pair: usize) -> Option<Vec<u8>> {
    let backend = shard.backends.borrow().get(&pair).cloned()?;
    let len = backend.len().ok()?;
    let (buf, read) = backend.read(0, BytesMut::zeroed(len as usize)).await;
    read.ok().map(|()| buf.to_vec())
}
