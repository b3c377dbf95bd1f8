//! Contexts with a graph each, among which families move: on threads of their own, or all on this one in
//! virtual time.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use blockjob_block::child::ChildRole;
use blockjob_block::directory::Directory;
use blockjob_block::driver::Driver;
use blockjob_block::moving::{self, Family, Home, Moved, Place};
use blockjob_block::{BlockBackend, BlockResult, Graph, Node, Perm, PermPair};
use blockjob_runtime::clock::VirtualClock;
use blockjob_runtime::reactor::VirtualReactor;
use blockjob_runtime::{AioContext, IoThread, Resident};
use bytes::{Bytes, BytesMut};

/// A user who does everything and minds nothing.
pub(crate) const LAX: PermPair = PermPair::new(Perm::ALL, Perm::ALL);
/// A user who writes and lets nobody else.
pub(crate) const EXCLUSIVE: PermPair = PermPair::new(
    Perm::CONSISTENT_READ.or(Perm::WRITE),
    Perm::ALL.without(Perm::WRITE),
);

/// What lives in one context.
pub(crate) struct Shard {
    pub graph: Rc<Graph>,
    pub nodes: RefCell<Vec<Rc<Node>>>,
    pub backends: RefCell<Vec<Rc<BlockBackend>>>,
}

impl Shard {
    fn new(context: &AioContext, directory: &Arc<Directory>) -> Rc<Shard> {
        Rc::new(Shard {
            graph: Graph::with_directory(context, directory),
            nodes: RefCell::default(),
            backends: RefCell::default(),
        })
    }

    /// A node that the shard owns.
    pub(crate) fn add(
        &self,
        name: &str,
        driver: impl Driver,
        children: &[(&'static str, ChildRole, &Rc<Node>)],
    ) -> Rc<Node> {
        let children: Vec<_> = children
            .iter()
            .map(|(name, role, node)| (*name, *role, Rc::clone(node)))
            .collect();
        let node = self
            .graph
            .add_node(Some(name), Box::new(driver), false, &children);
        let node = node.expect("nobody objects");
        self.nodes.borrow_mut().push(node.clone());
        node
    }

    pub(crate) fn node(&self, name: &str) -> Rc<Node> {
        let found = self.graph.find_node(name);
        found.unwrap_or_else(|| panic!("no node '{name}' here"))
    }

    /// A backend that the shard owns, and that may move.
    pub(crate) fn backend(&self, name: &str, node: &str, perms: PermPair) -> Rc<BlockBackend> {
        let backend = BlockBackend::new(&self.graph, name, perms).expect("the name is free");
        backend.insert(&self.node(node)).expect("nobody objects");
        backend.set_allow_move(true);
        self.backends.borrow_mut().push(backend.clone());
        backend
    }

    pub(crate) fn find_backend(&self, name: &str) -> Rc<BlockBackend> {
        let found = self.graph.find_backend(name);
        found.unwrap_or_else(|| panic!("no backend '{name}' here"))
    }

    /// The names of its nodes.
    pub(crate) fn names(&self) -> Vec<String> {
        let nodes = self.graph.nodes();
        nodes.iter().map(|node| node.name().to_owned()).collect()
    }
}

impl Home for Shard {
    type Goods = ();

    fn place(&self) -> Place {
        Place::new(&self.graph)
    }

    fn holds(&self, node: &Node) -> usize {
        let nodes = self.nodes.borrow();
        nodes
            .iter()
            .filter(|it| std::ptr::eq(&raw const ***it, node))
            .count()
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
        self.nodes.borrow_mut().extend(moved.nodes.iter().cloned());
        self.backends
            .borrow_mut()
            .extend(moved.backends.iter().cloned());
    }
}

/// A main context and two others.
pub(crate) struct World {
    pub main: AioContext,
    /// Of the main context first.
    pub shards: Vec<Resident<Shard>>,
    pub directory: Arc<Directory>,
    /// In virtual time: all of them, with the clock that they share.
    stepped: Option<(Vec<AioContext>, VirtualClock)>,
    pub threads: Vec<IoThread>,
}

impl World {
    /// On threads of this machine.
    pub(crate) fn real() -> World {
        let (main, directory) = (AioContext::new(), Directory::new());
        let mut shards = vec![main.settle(Shard::new(&main, &directory))];
        let threads: Vec<_> = ["io0", "io1"].map(IoThread::new).into();
        for thread in &threads {
            let directory = directory.clone();
            let settle = move |ctx: &AioContext| ctx.settle(Shard::new(ctx, &directory));
            let shard = main.call(thread.handle(), "settle", settle);
            shards.push(shard.expect("the thread runs"));
        }
        World {
            main,
            shards,
            directory,
            stepped: None,
            threads,
        }
    }

    /// All on this thread: whoever waits for ever is found out.
    pub(crate) fn new() -> World {
        let (clock, directory) = (VirtualClock::new(), Directory::new());
        let contexts: Vec<_> = ["main", "io0", "io1"]
            .map(|name| {
                let reactor = VirtualReactor::new(clock.clone());
                let builder = AioContext::builder().name(name);
                builder
                    .life(Rc::new(clock.clone()), Rc::new(reactor))
                    .build()
            })
            .into();
        let shards = contexts
            .iter()
            .map(|ctx| ctx.settle(Shard::new(ctx, &directory)));
        World {
            shards: shards.collect(),
            main: contexts[0].clone(),
            directory,
            stepped: Some((contexts, clock)),
            threads: Vec::new(),
        }
    }

    /// Runs a coroutine of the main context to its end, while the others run as well.
    pub(crate) fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        let Some((contexts, clock)) = &self.stepped else {
            return self.main.run("test", future);
        };
        let result = Rc::new(RefCell::new(None));
        let put = result.clone();
        let run = async move {
            let value = future.await;
            *put.borrow_mut() = Some(value);
        };
        self.main.coroutine("test", run).wake();
        while result.borrow().is_none() {
            if contexts
                .iter()
                .map(|ctx| ctx.poll(false))
                .filter(|it| *it)
                .count()
                > 0
            {
                continue;
            }
            let next = contexts
                .iter()
                .filter_map(AioContext::next_deadline_ns)
                .min();
            clock.advance_to(next.expect("everybody waits for ever"));
        }
        let value = result.borrow_mut().take();
        value.expect("it has just been looked at")
    }

    /// Has `work` run in a context, by its number, outside of coroutines.
    pub(crate) fn on<R: Send + 'static>(
        &self,
        place: usize,
        work: impl FnOnce(&Rc<Shard>) -> R + Send + 'static,
    ) -> R {
        let shard = self.shards[place].clone();
        let done = self.run(async move { shard.request("test", work).await });
        done.expect("the context is there")
    }

    /// Has a coroutine run in a context, by its number.
    pub(crate) fn co<R: Send + 'static, F: Future<Output = R> + 'static>(
        &self,
        place: usize,
        work: impl FnOnce(Rc<Shard>) -> F + Send + 'static,
    ) -> R {
        let shard = self.shards[place].clone();
        let done = self.run(async move {
            let handle = shard.handle().clone();
            let there = handle.request_co("test", move |_| {
                work(shard.get().expect("it is its own context"))
            });
            there.await
        });
        done.expect("the context is there")
    }

    /// Writes through a backend, in its context.
    pub(crate) fn write(
        &self,
        place: usize,
        drive: &'static str,
        at: u64,
        data: &[u8],
    ) -> BlockResult<()> {
        let data = Bytes::copy_from_slice(data);
        self.co(place, move |here| async move {
            here.find_backend(drive).write(at, data).await
        })
    }

    /// Reads through a backend, in its context.
    pub(crate) fn read(&self, place: usize, drive: &'static str, at: u64, len: usize) -> Vec<u8> {
        let read = self.co(place, move |here| async move {
            let drive = here.find_backend(drive);
            let (buf, result) = drive.read(at, BytesMut::zeroed(len)).await;
            result.map(|()| buf.to_vec())
        });
        read.expect("it can be read")
    }

    /// The refusal of a move.
    pub(crate) fn refusal(&self, node: &str, from: usize, to: usize) -> String {
        let refused = self.send(node, from, to);
        refused.expect_err("somebody cannot move").to_string()
    }

    /// Moves the family of a node.
    pub(crate) fn send(&self, node: &str, from: usize, to: usize) -> BlockResult<()> {
        let (from, to) = (self.shards[from].clone(), self.shards[to].clone());
        let node = node.to_owned();
        self.run(async move { moving::co_set_aio_context(&node, &from, &to).await })
    }
}

impl Drop for World {
    /// What lives in contexts of this thread is dropped as in a program that ends.
    fn drop(&mut self) {
        self.main.close();
        for context in self.stepped.iter().flat_map(|(contexts, _)| contexts) {
            context.close();
        }
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
                body($crate::world::World::new());
            }
        }
    )* };
}
