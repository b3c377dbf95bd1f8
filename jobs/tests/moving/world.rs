//! Three contexts with nodes and jobs: main and two others, on threads of their own or all on this one in
//! virtual time, and families that move among them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use blockjob_block::buf::BufferPool;
use blockjob_block::directory::Directory;
use blockjob_block::driver::Driver;
use blockjob_block::moving::{self, Family, Home, Moved, Place};
use blockjob_block::{BlockBackend, BlockResult, Graph, Node, Perm, PermPair};
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::job::Job;
use blockjob_jobs::list::JobList;
use blockjob_jobs::mirror::{MirrorJob, MirrorOptions, mirror_start};
use blockjob_runtime::sync::atomic::AtomicU64;
use blockjob_runtime::{AioContext, IoThread, Resident};

use crate::common::describe;
use crate::common::threads::Threads;

pub(crate) const MS: u64 = 1_000_000;
/// What takes longer than that does not happen.
const PATIENCE_NS: u64 = 100_000 * MS;

/// What a guest's device uses, and lets others use.
pub(crate) const GUEST: PermPair = PermPair::new(
    Perm::CONSISTENT_READ.or(Perm::WRITE),
    Perm::CONSISTENT_READ.or(Perm::WRITE_UNCHANGED),
);

/// What watchers of all contexts were told, in order.
pub(crate) type Diary = Arc<Mutex<Vec<String>>>;

/// What the contexts have in common.
#[derive(Clone)]
struct Common {
    directory: Arc<Directory>,
    diary: Diary,
    ages: Arc<AtomicU64>,
}

/// What lives in one context.
pub(crate) struct Shard {
    pub(crate) graph: Rc<Graph>,
    pub(crate) list: Rc<JobList>,
    pub(crate) pool: Rc<BufferPool>,
    pub(crate) nodes: RefCell<Vec<Rc<Node>>>,
    pub(crate) backends: RefCell<Vec<Rc<BlockBackend>>>,
}

impl Shard {
    fn new(context: &AioContext, common: &Common, main: Option<&AioContext>) -> Rc<Shard> {
        let main = main.map(AioContext::handle);
        Self::with_handle(context, common, main)
    }

    fn with_handle(
        context: &AioContext,
        common: &Common,
        main: Option<blockjob_runtime::AioHandle>,
    ) -> Rc<Shard> {
        let diary = common.diary.clone();
        let sink = Rc::new(move |event: JobEvent| {
            diary.lock().expect("whole").push(describe(&event));
        });
        let list = match main {
            Some(main) => JobList::with_main_loop(context, sink, Rc::new(main)),
            None => JobList::new(context, sink),
        };
        list.share_ages(&common.ages);
        Rc::new(Shard {
            graph: Graph::with_directory(context, &common.directory),
            list,
            pool: Rc::new(BufferPool::new(4096, 16 << 20)),
            nodes: RefCell::default(),
            backends: RefCell::default(),
        })
    }

    /// A node that the shard owns.
    pub(crate) fn add(&self, name: &str, driver: impl Driver) -> Rc<Node> {
        let node = self
            .graph
            .add_node(Some(name), Box::new(driver), false, &[]);
        let node = node.expect("nobody objects");
        self.nodes.borrow_mut().push(node.clone());
        node
    }

    pub(crate) fn node(&self, name: &str) -> Rc<Node> {
        let found = self.graph.find_node(name);
        found.unwrap_or_else(|| panic!("no node '{name}' here"))
    }

    pub(crate) fn backend(&self, name: &str) -> Rc<BlockBackend> {
        let found = self.graph.find_backend(name);
        found.unwrap_or_else(|| panic!("no backend '{name}' here"))
    }

    pub(crate) fn job(&self) -> Rc<Job> {
        self.list.find("j0").expect("the job is here")
    }

    pub(crate) fn mirror(&self) -> Rc<MirrorJob> {
        MirrorJob::of(&self.job()).expect("it is a mirror")
    }

    pub(crate) fn start(&self, options: &MirrorOptions) {
        let (source, target) = (self.node("source"), self.node("target"));
        let options = MirrorOptions {
            job_id: Some("j0".to_owned()),
            ..options.clone()
        };
        let started = mirror_start(&self.list, &self.pool, &source, &target, &options);
        started.expect("it starts");
    }
}

impl Home for Shard {
    type Goods = ();

    fn place(&self) -> Place {
        Place::new(&self.graph)
            .with(self.list.clone())
            .with(self.pool.clone())
    }

    fn holds(&self, node: &Node) -> usize {
        let nodes = self.nodes.borrow();
        let ours = nodes
            .iter()
            .filter(|it| std::ptr::eq(&raw const ***it, node));
        ours.count()
    }

    fn pack(&self, family: &Family) {
        self.nodes
            .borrow_mut()
            .retain(|node| !family.contains(node));
        let stays =
            |backend: &Rc<BlockBackend>| backend.node().is_none_or(|node| !family.contains(&node));
        self.backends.borrow_mut().retain(stays);
    }

    fn arrived(&self, (): (), moved: &Moved) {
        // Filters of jobs belong to the jobs.
        let named = moved.nodes.iter().filter(|node| !node.is_implicit());
        self.nodes.borrow_mut().extend(named.cloned());
        self.backends
            .borrow_mut()
            .extend(moved.backends.iter().cloned());
    }
}

/// Main, `io0` and `io1`, by their numbers.
pub(crate) struct World {
    pub(crate) main: AioContext,
    pub(crate) shards: Vec<Resident<Shard>>,
    pub(crate) diary: Diary,
    /// In virtual time: where all of them are.
    pub(crate) threads: Option<Rc<Threads>>,
    /// In virtual time: the contexts, by the same numbers.
    pub(crate) contexts: Vec<AioContext>,
    _io: Vec<IoThread>,
}

impl World {
    fn common() -> Common {
        Common {
            directory: Directory::new(),
            diary: Diary::default(),
            ages: Arc::default(),
        }
    }

    /// On threads of this machine.
    pub(crate) fn real() -> World {
        let (main, common) = (AioContext::new(), Self::common());
        let mut shards = vec![main.settle(Shard::new(&main, &common, None))];
        let threads: Vec<_> = ["io0", "io1"].map(IoThread::new).into();
        for thread in &threads {
            let (common, home) = (common.clone(), main.handle());
            let settle =
                move |ctx: &AioContext| ctx.settle(Shard::with_handle(ctx, &common, Some(home)));
            let shard = main.call(thread.handle(), "settle", settle);
            shards.push(shard.expect("the thread runs"));
        }
        World {
            main,
            shards,
            diary: common.diary,
            threads: None,
            contexts: Vec::new(),
            _io: threads,
        }
    }

    /// All on this thread: whoever waits for ever is found out.
    pub(crate) fn virtual_time() -> World {
        let (threads, common) = (Threads::new(), Self::common());
        let contexts: Vec<_> = ["main", "io0", "io1"]
            .map(|name| threads.context(name))
            .into();
        let main = &contexts[0];
        let shards = contexts.iter().enumerate().map(|(number, context)| {
            let main = (number > 0).then_some(main);
            context.settle(Shard::new(context, &common, main))
        });
        World {
            shards: shards.collect(),
            main: main.clone(),
            diary: common.diary.clone(),
            threads: Some(threads),
            contexts,
            _io: Vec::new(),
        }
    }

    /// Has `work` run in a context, by its number, outside of coroutines.
    pub(crate) fn on<R: Send + 'static>(
        &self,
        place: usize,
        work: impl FnOnce(&Rc<Shard>) -> R + Send + 'static,
    ) -> R {
        let shard = self.shards[place].clone();
        let asked = shard.request("test", work);
        self.main.run("test", asked).expect("the context is there")
    }

    /// Has a coroutine run in a context, by its number.
    pub(crate) fn co<R: Send + 'static, F: Future<Output = R> + 'static>(
        &self,
        place: usize,
        work: impl FnOnce(Rc<Shard>) -> F + Send + 'static,
    ) -> R {
        let shard = self.shards[place].clone();
        let there = shard.handle().clone().request_co("test", move |_| {
            work(shard.get().expect("it is its own context"))
        });
        self.main.run("test", there).expect("the context is there")
    }

    /// Waits until `condition` holds of what lives in a context.
    pub(crate) fn until(&self, place: usize, condition: impl Fn(&Shard) -> bool + Send + 'static) {
        self.co(place, move |shard| async move {
            let context = shard.graph.context().clone();
            let deadline_ns = context.now_ns() + PATIENCE_NS;
            while !condition(&shard) {
                assert!(context.now_ns() < deadline_ns, "it does not come to be");
                context.sleep(MS).await;
            }
        });
    }

    /// Moves the family of a node.
    pub(crate) fn send(&self, node: &str, from: usize, to: usize) -> BlockResult<()> {
        moving::set_aio_context(&self.main, node, &self.shards[from], &self.shards[to])
    }

    pub(crate) fn told(&self) -> String {
        let told = std::mem::take(&mut *self.diary.lock().expect("whole"));
        told.join(", ")
    }

    pub(crate) fn told_end(&self) -> bool {
        let diary = self.diary.lock().expect("whole");
        diary.iter().any(|event| event == "null")
    }

    /// Waits until the job is off its list.
    pub(crate) fn until_end(&self, place: usize) {
        self.until(place, |shard| shard.list.is_empty());
    }

    /// Completes the job, which is ready or about to be, and waits for its end.
    pub(crate) fn complete(&self, place: usize) {
        self.until(place, |shard| shard.job().is_ready());
        self.on(place, |shard| shard.job().complete())
            .expect("a ready job completes");
        self.until_end(place);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(threads) = &self.threads {
            threads.close();
        }
        self.main.close();
    }
}

/// Makes of each body two tests: one with threads of this machine, one in virtual time.
macro_rules! in_both_lives {
    ($($(#[$meta:meta])* fn $name:ident($world:ident) $body:block)*) => { $(
        mod $name {
            #[allow(unused_imports)] // Not every body needs what the file imports.
            use super::*;

            fn body($world: $crate::world::World) $body

            $(#[$meta])*
            #[test]
            fn on_threads() {
                body($crate::world::World::real());
            }

            $(#[$meta])*
            #[test]
            fn in_virtual_time() {
                body($crate::world::World::virtual_time());
            }
        }
    )* };
}
