//! What lives in one context: nodes, guests, jobs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use blockjob_block::buf::BufferPool;
use blockjob_block::directory::Directory;
use blockjob_block::moving::{Family, Home, Moved, Place};
use blockjob_block::section::Section;
use blockjob_block::{BlockBackend, Graph, Node, Perm, PermPair};
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::job::Job;
use blockjob_jobs::list::JobList;
use blockjob_jobs::main_loop::MainLoop;
use blockjob_runtime::{AioContext, AioHandle, CoQueue};

use super::disk::DrillDisk;
use super::facts::pair_of;
use super::guest::{Guest, Soul};
use super::hub::{Hub, Seen};

/// See the module.
pub(crate) struct Shard {
    myself: Weak<Shard>,
    pub(crate) context: AioContext,
    pub(crate) graph: Rc<Graph>,
    pub(crate) jobs: Rc<JobList>,
    pub(crate) pool: Rc<BufferPool>,
    /// The disks, which are the drill's.
    owned: RefCell<Vec<Rc<Node>>>,
    pub(crate) backends: RefCell<BTreeMap<usize, Rc<BlockBackend>>>,
    pub(crate) guests: RefCell<BTreeMap<usize, Rc<Guest>>>,
    /// Whoever waits for news of jobs.
    news: Rc<CoQueue>,
}

impl Shard {
    /// A shard in the context that is current; main's if there is no way to it.
    pub(crate) fn new(
        context: &AioContext,
        hub: &Arc<Hub>,
        directory: &Arc<Directory>,
        main: Option<AioHandle>,
    ) -> Rc<Shard> {
        let news = Rc::new(CoQueue::new());
        let (waiting, told) = (news.clone(), hub.clone());
        let sink = Rc::new(move |event: JobEvent| {
            told.see_here(&Seen::Told(&event));
            waiting.wake_all();
        });
        let jobs = match main {
            None => JobList::new(context, sink),
            Some(main) => {
                let main: Rc<dyn MainLoop> = Rc::new(main);
                JobList::with_main_loop(context, sink, main)
            }
        };
        Rc::new_cyclic(|myself| Shard {
            myself: myself.clone(),
            context: context.clone(),
            graph: Graph::with_directory(context, directory),
            jobs,
            pool: Rc::new(BufferPool::new(512, 1 << 16)),
            owned: RefCell::default(),
            backends: RefCell::default(),
            guests: RefCell::default(),
            news,
        })
    }

    /// A disk.
    pub(crate) fn add_disk(&self, name: &str, disk: DrillDisk) {
        let node = self.graph.add_node(Some(name), Box::new(disk), false, &[]);
        let node = node.expect("the drill's names are its own");
        self.owned.borrow_mut().push(node);
    }

    /// A guest with a backend on `node`.
    pub(crate) fn add_guest(&self, node: &str, soul: Soul) {
        let number = soul.pair.number;
        let used = Perm::CONSISTENT_READ | Perm::WRITE;
        let perms = PermPair::new(used, Perm::ALL);
        let backend = BlockBackend::new(&self.graph, &format!("disk{number}"), perms);
        let backend = backend.expect("the drill's names are its own");
        let inserted = backend.insert(&self.node(node).expect("the disk was made before"));
        inserted.expect("nobody else uses it");
        let guest = Guest::begin(soul, &self.context, &backend);
        self.backends.borrow_mut().insert(number, backend);
        self.guests.borrow_mut().insert(number, guest);
    }

    pub(crate) fn node(&self, name: &str) -> Option<Rc<Node>> {
        self.graph.find_node(name)
    }

    pub(crate) fn job(&self, name: &str) -> Option<Rc<Job>> {
        self.jobs.get(name)
    }

    /// Waits until `is_so`, which is asked whenever a job tells something.
    pub(crate) async fn until(&self, is_so: impl Fn(&Shard) -> bool) {
        while !is_so(self) {
            self.news.wait().await;
        }
    }

    /// Takes everything down that nobody uses. No job is left.
    pub(crate) fn close(&self) {
        for guest in self.guests.take().into_values() {
            guest.end();
        }
        for backend in self.backends.take().into_values() {
            backend.set_device_ops(None);
            backend.remove();
        }
        self.owned.take();
    }

    /// The context is about to wait. Says who waits in it for something that is already so.
    ///
    /// The same as the simulator's rule WAKE looks at before its clock goes on.
    pub(crate) fn forgotten(&self) -> Option<String> {
        if let Some(event) = self.context.forgotten_event() {
            return Some(format!(
                "'{event}' was announced, and nobody is going to serve it"
            ));
        }
        for backend in self.graph.backends() {
            let free = backend.node().is_some_and(|it| it.quiesce_counter() == 0);
            if free && backend.queued() > 0 {
                let name = backend.name();
                return Some(format!(
                    "'{name}' has requests queued, and nobody drains its node"
                ));
            }
        }
        for job in self.jobs.jobs() {
            let held = job.pause_count() > 0 && !job.is_cancelled();
            if job.is_started() && job.is_paused() && !job.is_completed() && !held {
                return Some(format!("{job:?} stands still, and nobody wants it to"));
            }
        }
        let mut open = self.graph.open_sections().into_iter();
        let forgotten = open.find(|it| !it.established() && !self.is_awaited(it));
        forgotten.map(|it| {
            let (owner, node) = (it.owner(), it.node());
            format!("'{owner}' waits for '{node}' to be drained, where nothing is in flight")
        })
    }

    /// Whether the section has to wait for something.
    fn is_awaited(&self, section: &Section) -> bool {
        // Whoever polls for a section looks again by himself, though not before whoever polls on top of him
        // has done. And a job leaves itself out of its own sections. Those of main's are awaited by
        // coroutines here, a family as a whole.
        let awaited = ["monitor", "set-aio-context"].contains(&section.owner());
        !awaited || self.graph.nodes().iter().any(is_busy)
    }
}

fn is_busy(node: &Rc<Node>) -> bool {
    node.in_flight() > 0
        || node.parents().iter().any(|edge| {
            let parent = edge.parent();
            parent.is_some_and(|it| it.as_node().is_none() && it.drained_poll(edge))
        })
}

impl Home for Shard {
    type Goods = Vec<String>;

    fn place(&self) -> Place {
        let myself = self.myself.upgrade().expect("it is asked");
        Place::new(&self.graph)
            .with(myself)
            .with(self.jobs.clone())
            .with(self.pool.clone())
    }

    fn holds(&self, node: &Node) -> usize {
        let owned = self.owned.borrow();
        let ours = owned
            .iter()
            .filter(|it| std::ptr::eq(&raw const ***it, node));
        ours.count()
    }

    fn pack(&self, family: &Family) -> Vec<String> {
        let mut owned = self.owned.borrow_mut();
        let (leave, stay) = owned
            .drain(..)
            .partition::<Vec<_>, _>(|it| family.contains(it));
        *owned = stay;
        let names: Vec<String> = leave.iter().map(|it| it.name().to_owned()).collect();
        // Those whose backend leaves with them.
        let pairs = names.iter().filter_map(|name| pair_of(name));
        for pair in pairs.collect::<Vec<_>>() {
            let mut backends = self.backends.borrow_mut();
            let moves = |it: &Rc<BlockBackend>| it.node().is_some_and(|it| family.contains(&it));
            if backends.get(&pair).is_some_and(moves) {
                let backend = backends.remove(&pair);
                drop(backends);
                drop(self.guests.borrow_mut().remove(&pair));
                drop(backend);
            }
        }
        names
    }

    fn arrived(&self, goods: Vec<String>, moved: &Moved) {
        let ours = moved.nodes.iter();
        let ours = ours.filter(|node| goods.iter().any(|name| name == node.name()));
        self.owned.borrow_mut().extend(ours.cloned());
        for backend in &moved.backends {
            let pair = pair_of(backend.name());
            if let Some(pair) = pair.filter(|_| backend.name().starts_with("disk")) {
                self.backends.borrow_mut().insert(pair, backend.clone());
            }
        }
        self.news.wake_all();
    }
}
