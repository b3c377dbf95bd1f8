//! The lives of a drill: where its contexts wait, and what time it is there.

#[cfg(not(any(blockjob_loom, blockjob_shuttle)))]
mod real;
#[cfg(any(blockjob_loom, blockjob_shuttle))]
mod virtual_time;

#[cfg(not(any(blockjob_loom, blockjob_shuttle)))]
pub use real::Life;
#[cfg(any(blockjob_loom, blockjob_shuttle))]
pub use virtual_time::Life;

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use blockjob_runtime::io::Descriptors;
use blockjob_runtime::reactor::{BlockingJob, Reactor, Unpark};
use blockjob_runtime::{AioContext, IoThread};

use super::hub::{Ear, Hub, Seen};
use super::shard::Shard;

/// Who looks at what lives in a context before it waits; known when there is a shard.
pub(crate) type Looker = Rc<RefCell<Weak<Shard>>>;

/// A reactor that says when its context waits, and has it looked at before.
struct Watched<R> {
    inner: R,
    name: String,
    hub: Arc<Hub>,
    looker: Looker,
}

impl<R: Reactor> Reactor for Watched<R> {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        self.inner.unpark_handle()
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        let shard = self.looker.borrow().upgrade();
        if let Some(forgotten) = shard.and_then(|shard| shard.forgotten()) {
            self.hub.see(&self.name, &Seen::Idle(Some(forgotten)));
        }
        self.hub.waits(&self.name, true);
        self.inner.wait(deadline_ns);
        self.hub.waits(&self.name, false);
    }

    fn poll(&self) {
        self.inner.poll();
    }

    fn descriptors(&self) -> Option<&Descriptors> {
        self.inner.descriptors()
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        self.inner.spawn_blocking(job);
    }
}

impl Life {
    /// A context of this thread that everything is heard of.
    pub(crate) fn context(&self, name: &str, hub: &Arc<Hub>) -> (AioContext, Looker) {
        let looker = Looker::default();
        hub.add_context(name);
        let (clock, reactor) = self.parts();
        let watched = Watched {
            inner: reactor,
            name: name.to_owned(),
            hub: hub.clone(),
            looker: looker.clone(),
        };
        let context = AioContext::builder()
            .name(name)
            .life(clock, Rc::new(watched))
            .trace(Rc::new(Ear(hub.clone())))
            .build();
        (context, looker)
    }

    /// A thread with such a context. `furnish` runs there first. A historical bug that is on here is on
    /// there as well.
    pub(crate) fn iothread(
        &self,
        name: &str,
        hub: &Arc<Hub>,
        furnish: impl FnOnce(&AioContext, &Looker) + Send + 'static,
    ) -> IoThread {
        let (life, hub, of_context) = (self.clone(), hub.clone(), name.to_owned());
        #[cfg(feature = "museum")]
        let on = blockjob_runtime::museum::on();
        IoThread::with_context(name, move || {
            // It stays on until the thread ends.
            #[cfg(feature = "museum")]
            on.map(blockjob_runtime::museum::switch_on)
                .into_iter()
                .for_each(std::mem::forget);
            let (context, looker) = life.context(&of_context, &hub);
            furnish(&context, &looker);
            context
        })
    }
}
