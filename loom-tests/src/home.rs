//! What the models of families share: a home in each context, a disk, a guest on it, and a job.
//!
//! All of it is the shipped code of block and jobs but for what a program brings itself: a disk of no bytes, which only
//! knows what it is asked; a job whose work is one nap; and who owns the nodes of a context.
//! What they note down is behind locks that loom does not see, so that noting adds no turn that a thread
//! could take, and no ordering that the engine could lean on.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use blockjob_block::directory::Directory;
use blockjob_block::driver::{Driver, IoFuture, ReadResult};
use blockjob_block::moving::{Arrival, Family, Home, Moved, PackedDriver, Packer, Place};
use blockjob_block::{BlockBackend, BlockResult, Graph, Node, Perm, PermPair};
use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult, PackedJobDriver};
use blockjob_jobs::event::{JobEvent, JobType};
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::list::JobList;
use blockjob_jobs::main_loop::{MainLoop, Turn};
use blockjob_runtime::{AioContext, AioHandle, IoThread, Reply, Resident};
use bytes::{Bytes, BytesMut};

use crate::drill::facts::Unseen;
use crate::world::{context, iothread_with};

/// What the disk and the drive on it are called.
pub(crate) const DISK: &str = "disk";
/// What the job is called.
pub(crate) const JOB: &str = "job";
const LEN_BYTES: u64 = 512;

/// What was seen so far.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// Requests that are at a disk.
    pub(crate) in_flight: u32,
    /// Requests that a disk has answered.
    pub(crate) served: u32,
    /// Sections that main holds and that are established.
    pub(crate) held: u32,
    /// Times that main waits for the context of the jobs, in a turn or in a command that says so.
    pub(crate) main_waits: u32,
    /// Coroutines of the job that run or wait.
    pub(crate) running: u32,
    pub(crate) prepared: u32,
    pub(crate) committed: u32,
    pub(crate) aborted: u32,
    pub(crate) cleaned: u32,
    /// Last events of jobs.
    pub(crate) told: u32,
}

/// The one copy of that, which all threads have.
#[derive(Clone, Default)]
pub(crate) struct Facts(Arc<Unseen<Seen>>);

impl Facts {
    pub(crate) fn see<R>(&self, look: impl FnOnce(&mut Seen) -> R) -> R {
        look(&mut self.0.lock())
    }

    /// Main holds an established section from now on.
    pub(crate) fn hold(&self) {
        self.see(|seen| {
            assert_eq!(seen.in_flight, 0, "something is in flight in a section");
            seen.held += 1;
        });
    }

    /// Main is about to let go of it.
    pub(crate) fn let_go(&self) {
        self.see(|seen| {
            assert_eq!(seen.in_flight, 0, "something has begun in a section");
            seen.held -= 1;
        });
    }

    /// The job does something of its end.
    fn exit(&self, count: impl FnOnce(&mut Seen)) {
        let in_main = AioContext::current().handle().name() == "main";
        self.see(|seen| {
            assert!(in_main || seen.main_waits > 0, "a job ends without main");
            assert_eq!(seen.running, 0, "its coroutine has not ended");
            assert_eq!(seen.held, 0, "a job ends in a section of main's");
            count(seen);
        });
    }

    pub(crate) fn job_is_over(&self) -> bool {
        self.see(|seen| seen.told > 0)
    }

    /// The job has ended once, in one of two ways; returns whether well.
    pub(crate) fn ended_once(&self) -> bool {
        self.see(|seen| {
            assert_eq!((seen.cleaned, seen.told), (1, 1), "it ends once");
            assert_eq!(seen.committed + seen.aborted, 1, "it ends in one way");
            assert!(seen.prepared <= 1 && seen.prepared >= seen.committed);
            seen.committed == 1
        })
    }
}

/// The hop, with a note of when main takes its turn.
struct Turns {
    main: AioHandle,
    facts: Facts,
}

impl MainLoop for Turns {
    fn defer(&self, turn: Turn) {
        let facts = self.facts.clone();
        self.main.schedule_oneshot("job_deferred", move |main| {
            facts.see(|seen| seen.main_waits += 1);
            turn.run(main);
            facts.see(|seen| seen.main_waits -= 1);
        });
    }
}

/// What lives in one context.
pub(crate) struct Shard {
    pub(crate) graph: Rc<Graph>,
    pub(crate) jobs: Rc<JobList>,
    facts: Facts,
    owned: RefCell<Vec<Rc<Node>>>,
    backends: RefCell<Vec<Rc<BlockBackend>>>,
}

impl Shard {
    fn new(
        context: &AioContext,
        directory: &Arc<Directory>,
        facts: &Facts,
        main: Option<AioHandle>,
    ) -> Rc<Shard> {
        let told = facts.clone();
        let sink = Rc::new(move |event: JobEvent| {
            if matches!(event, JobEvent::Completed { .. } | JobEvent::Cancelled(_)) {
                told.see(|seen| seen.told += 1);
            }
        });
        let jobs = match main {
            None => JobList::new(context, sink),
            Some(main) => {
                let facts = facts.clone();
                JobList::with_main_loop(context, sink, Rc::new(Turns { main, facts }))
            }
        };
        Rc::new(Shard {
            graph: Graph::with_directory(context, directory),
            jobs,
            facts: facts.clone(),
            owned: RefCell::default(),
            backends: RefCell::default(),
        })
    }

    /// A disk whose requests ask `over` before they are answered, or take a turn of the loop.
    pub(crate) fn add_disk(&self, name: &str, over: Option<AioHandle>) -> Rc<Node> {
        let facts = self.facts.clone();
        let disk = Box::new(Disk { facts, over });
        let node = self.graph.add_node(Some(name), disk, false, &[]);
        let node = node.expect("the name is free");
        self.owned.borrow_mut().push(node.clone());
        node
    }

    /// A guest's drive on a disk.
    pub(crate) fn add_drive(&self, name: &str, node: &Rc<Node>) {
        let perms = PermPair::new(Perm::ALL, Perm::ALL);
        let drive = BlockBackend::new(&self.graph, name, perms).expect("the name is free");
        drive.insert(node).expect("nobody objects");
        drive.set_allow_move(true);
        self.backends.borrow_mut().push(drive);
    }

    /// A job on the disk, which has begun.
    pub(crate) fn start_job(&self, node: &Rc<Node>) {
        let driver = Rc::new(Worker(self.facts.clone()));
        let options = JobOptions::default();
        let perms = PermPair::HARMLESS;
        let job = BlockJob::create(&self.jobs, Some(JOB), node, perms, driver, options);
        job.expect("nobody objects").job().start();
    }

    /// How many open sections there are of the node, if it is here.
    pub(crate) fn sections_of(&self, name: &str) -> Option<u32> {
        let node = self.graph.find_node(name)?;
        Some(node.quiesce_counter())
    }
}

impl Home for Shard {
    type Goods = ();

    fn place(&self) -> Place {
        Place::new(&self.graph).with(self.jobs.clone())
    }

    fn holds(&self, node: &Node) -> usize {
        let owned = self.owned.borrow();
        let ours = owned
            .iter()
            .filter(|it| std::ptr::eq(&raw const ***it, node));
        ours.count()
    }

    fn pack(&self, family: &Family) {
        self.owned
            .borrow_mut()
            .retain(|node| !family.contains(node));
        let stays = |it: &Rc<BlockBackend>| it.node().is_none_or(|node| !family.contains(&node));
        self.backends.borrow_mut().retain(stays);
    }

    fn arrived(&self, (): (), moved: &Moved) {
        self.owned.borrow_mut().extend(moved.nodes.iter().cloned());
        let backends = moved.backends.iter().cloned();
        self.backends.borrow_mut().extend(backends);
    }
}

/// Main and its home, a thread and its home, and what was seen of both.
pub(crate) struct Scene {
    pub(crate) main: AioContext,
    pub(crate) own: Resident<Shard>,
    pub(crate) there: Resident<Shard>,
    pub(crate) facts: Facts,
    directory: Arc<Directory>,
    threads: Vec<IoThread>,
}

impl Scene {
    /// `furnish` runs in the thread before main hears that it is there: what it does there is not about
    /// two threads.
    pub(crate) fn new(furnish: impl FnOnce(&Shard, AioHandle) + Send + 'static) -> Scene {
        let (main, directory, facts) = (context("main"), Directory::new(), Facts::default());
        let shard = Shard::new(&main, &directory, &facts, None);
        let own = main.settle(shard);
        let (thread, there) = thread_with("io0", &directory, &facts, main.handle(), furnish);
        Scene {
            own,
            there,
            main,
            facts,
            directory,
            threads: vec![thread],
        }
    }

    /// One more thread with a home.
    pub(crate) fn add_thread(
        &mut self,
        furnish: impl FnOnce(&Shard, AioHandle) + Send + 'static,
    ) -> Resident<Shard> {
        let main = self.main.handle();
        let (thread, there) = thread_with("io1", &self.directory, &self.facts, main, furnish);
        self.threads.push(thread);
        there
    }

    /// Does something with main's own home.
    pub(crate) fn here<R>(&self, work: impl FnOnce(&Rc<Shard>) -> R) -> R {
        let _current = self.main.make_current();
        work(&self.own.get().expect("it is main's"))
    }

    /// Has something done in the thread, and waits for it.
    pub(crate) fn ask<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Rc<Shard>) -> R + Send + 'static,
    ) -> R {
        let answer = self.main.call_resident(&self.there, "ask", work);
        answer.expect("the thread runs")
    }

    /// Does something with the job as a command of main's, if it is still there.
    pub(crate) fn command<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Rc<Job>) -> R + Send + 'static,
    ) -> Option<R> {
        self.ask(move |shard| {
            let job = shard.jobs.get(JOB)?;
            let waits = shard.jobs.main_waits();
            shard.facts.see(|seen| seen.main_waits += 1);
            let done = work(&job);
            shard.facts.see(|seen| seen.main_waits -= 1);
            drop(waits);
            Some(done)
        })
    }

    /// Stops the threads, and takes main down.
    pub(crate) fn end(self) {
        self.threads.into_iter().for_each(IoThread::stop);
        self.main.close();
    }
}

fn thread_with(
    name: &'static str,
    directory: &Arc<Directory>,
    facts: &Facts,
    main: AioHandle,
    furnish: impl FnOnce(&Shard, AioHandle) + Send + 'static,
) -> (IoThread, Resident<Shard>) {
    let settled = Arc::new(Unseen::new(None));
    let (told, directory, facts) = (settled.clone(), directory.clone(), facts.clone());
    let thread = iothread_with(name, move |context| {
        let shard = Shard::new(context, &directory, &facts, Some(main.clone()));
        let _current = context.make_current();
        furnish(&shard, main);
        *told.lock() = Some(context.settle(shard));
    });
    let there: Option<Resident<Shard>> = settled.lock().take();
    let there = there.expect("a thread is furnished before it is there");
    (thread, there)
}

/// A guest writes to a drive in the home.
pub(crate) fn write(home: &Resident<Shard>, drive: &'static str) -> Reply<()> {
    let whom = home.clone();
    home.handle().request_co("guest", move |_| async move {
        let home = whom.get().expect("it is here");
        let drive = home.graph.find_backend(drive).expect("it is here");
        let written = drive.write(0, Bytes::from_static(&[1])).await;
        written.expect("this disk never fails");
    })
}

/// See the module.
#[derive(Clone)]
struct Disk {
    facts: Facts,
    over: Option<AioHandle>,
}

impl Disk {
    async fn serve(&self, node: &Node) {
        self.facts.see(|seen| {
            assert_eq!(seen.held, 0, "a request begins in a section");
            seen.in_flight += 1;
        });
        match &self.over {
            Some(over) => drop(over.request("disk", |_| ()).await),
            None => node.context().sleep(0).await,
        }
        self.facts.see(|seen| {
            assert_eq!(seen.held, 0, "a request ends in a section");
            seen.in_flight -= 1;
            seen.served += 1;
        });
    }
}

impl Driver for Disk {
    fn format_name(&self) -> &'static str {
        "disk"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(LEN_BYTES)
    }

    fn read<'a>(&'a self, node: &'a Node, _: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            self.serve(node).await;
            (buf, Ok(()))
        })
    }

    fn write<'a>(&'a self, node: &'a Node, _: u64, _: Bytes) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.serve(node).await;
            Ok(())
        })
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        Box::new(self.clone())
    }
}

impl PackedDriver for Disk {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        self
    }
}

/// A job whose work is one nap, in which it can be paused and moved.
struct Worker(Facts);

/// A coroutine of the job, until it ends or is dropped.
struct Running<'a>(&'a Facts);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.see(|seen| seen.running -= 1);
    }
}

impl JobDriver for Worker {
    fn job_type(&self) -> JobType {
        JobType::Backup
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            self.0.see(|seen| seen.running += 1);
            let _running = Running(&self.0);
            job.sleep_ns(0).await;
            Ok(())
        })
    }

    fn prepare(&self, _job: &Rc<Job>) -> JobResult {
        self.0.exit(|seen| seen.prepared += 1);
        Ok(())
    }

    fn commit(&self, _job: &Rc<Job>) {
        self.0.exit(|seen| seen.committed += 1);
    }

    fn abort(&self, _job: &Rc<Job>) {
        self.0.exit(|seen| seen.aborted += 1);
    }

    fn clean(&self, _job: &Rc<Job>) {
        self.0.exit(|seen| seen.cleaned += 1);
    }

    fn can_move(&self, _job: &Rc<Job>) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _job: &Rc<Job>, _packer: &Packer<'_>) -> Box<dyn PackedJobDriver> {
        Box::new(PackedWorker(self.0.clone()))
    }
}

struct PackedWorker(Facts);

impl PackedJobDriver for PackedWorker {
    fn unpack(self: Box<Self>, _arrival: &Arrival<'_>) -> Rc<dyn JobDriver> {
        Rc::new(Worker(self.0))
    }
}
