//! A daemon with disks in memory, and a clock that only the test moves.

use std::rc::Rc;

use blockjob::block::driver::blkdebug::{Blkdebug, BlkdebugDriver};
use blockjob::block::driver::mem::{Fill, MemOptions};
use blockjob::block::{BlockBackend, Node, Perm, PermPair};
use blockjob::daemon::{Daemon, commands, explain, open};
use blockjob::jobs::job::Job;
use blockjob::qapi::Value;
use blockjob::qapi::json::from_json;
use blockjob::qapi::types::explain::XJobExplanation;
use blockjob::runtime::clock::VirtualClock;
use blockjob::runtime::reactor::VirtualReactor;
use blockjob::runtime::{AioContext, CurrentGuard};
use bytes::Bytes;

pub(crate) const MIB: u64 = 1 << 20;
const NS_PER_MS: u64 = 1_000_000;

/// A daemon, and the disks that were made for it.
pub(crate) struct World {
    pub(crate) daemon: Rc<Daemon>,
    ctx: AioContext,
    clock: VirtualClock,
    disks: Vec<Rc<Node>>,
    _current: CurrentGuard,
}

impl World {
    /// A world with the disks `a0` and `b0`, which differ everywhere.
    pub(crate) fn new(len: u64) -> World {
        let clock = VirtualClock::new();
        let reactor = Rc::new(VirtualReactor::new(clock.clone()));
        let ctx = AioContext::builder().life(Rc::new(clock.clone()), reactor);
        let ctx = ctx.build();
        let current = ctx.make_current();
        let daemon = Daemon::new(&ctx);
        let mut world = World {
            daemon,
            ctx,
            clock,
            disks: Vec::new(),
            _current: current,
        };
        world.disk("a0", len, 1);
        world.disk("b0", len, 2);
        world
    }

    /// A disk with noise on it.
    pub(crate) fn disk(&mut self, name: &str, len: u64, seed: u64) {
        let disk = MemOptions::new(len).fill(Fill::Noise(seed)).build();
        let graph = self.daemon.graph();
        let node = graph.add_node(Some(name), Box::new(disk), false, &[]);
        self.disks.push(node.expect("the name is free"));
    }

    /// Makes a node as `--blockdev` does.
    pub(crate) fn blockdev(&self, text: &str) {
        let options = open::parse_blockdev(text).expect("the test writes options");
        open::blockdev_add(&self.daemon, &options).expect("the node can be made");
    }

    pub(crate) fn node(&self, name: &str) -> Rc<Node> {
        let node = self.daemon.graph().find_node(name);
        node.unwrap_or_else(|| panic!("there is no '{name}'"))
    }

    /// What holds the requests of a `blkdebug` node.
    pub(crate) fn blkdebug(&self, name: &str) -> Blkdebug {
        let node = self.node(name);
        let driver = node.driver().as_any().downcast_ref::<BlkdebugDriver>();
        driver.expect("it is a blkdebug node").control()
    }

    /// Runs a command; what it is refused with is the test's.
    pub(crate) fn run(&self, name: &str, args: &str) -> Result<Value, String> {
        let Ok(Value::Dict(args)) = from_json(args) else {
            panic!("arguments are an object");
        };
        let command = commands::find(name).unwrap_or_else(|| panic!("there is no {name}"));
        (command.marshal)(&self.daemon, args).map_err(|error| error.desc)
    }

    /// Runs a command that succeeds, and all that follows from it at this moment.
    pub(crate) fn ok(&self, name: &str, args: &str) -> Value {
        let value = self.run(name, args);
        self.settle();
        value.unwrap_or_else(|error| panic!("{name} {args}: {error}"))
    }

    /// Starts the mirror `job0` with `more` arguments.
    pub(crate) fn mirror(&self, source: &str, target: &str, more: &str) {
        self.mirror_as("job0", source, target, more);
    }

    pub(crate) fn mirror_as(&self, id: &str, source: &str, target: &str, more: &str) {
        self.ok(
            "blockdev-mirror",
            &format!(
                "{{'job-id': '{id}', 'device': '{source}', 'target': '{target}', \
                 'sync': 'full', 'auto-dismiss': false{more}}}"
            ),
        );
    }

    /// Polls until nothing happens any more without time passing.
    pub(crate) fn settle(&self) {
        while self.ctx.poll(false) {}
    }

    /// Lets time pass, and all happen that it brings.
    pub(crate) fn pass_ms(&self, ms: u64) {
        self.settle();
        let until_ns = self.ctx.now_ns() + ms * NS_PER_MS;
        while let Some(next_ns) = self.ctx.next_deadline_ns().filter(|next| *next <= until_ns) {
            self.clock.advance_to(next_ns);
            self.settle();
        }
        self.clock.advance_to(until_ns);
        self.settle();
    }

    /// A guest's door to a node.
    pub(crate) fn guest(&self, name: &str, node: &str) -> Rc<BlockBackend> {
        let used = Perm::CONSISTENT_READ.or(Perm::WRITE);
        let perms = PermPair::new(used, Perm::ALL);
        let guest = BlockBackend::new(self.daemon.graph(), name, perms);
        let guest = guest.expect("the name is free");
        guest.insert(&self.node(node)).expect("a guest may write");
        guest
    }

    /// A guest writes `bytes` at `offset`, whenever that ends.
    pub(crate) fn write(&self, guest: &Rc<BlockBackend>, offset: u64, bytes: u64) {
        let guest = guest.clone();
        let data = Bytes::from(vec![0x77; usize::try_from(bytes).expect("it fits")]);
        let write = self.ctx.coroutine("guest", async move {
            // Some guests are gone before their writes end.
            let _ended = guest.write(offset, data).await;
        });
        write.enter();
        self.settle();
    }

    pub(crate) fn job(&self, id: &str) -> Rc<Job> {
        let job = self.daemon.jobs().get(id);
        job.unwrap_or_else(|| panic!("there is no job '{id}'"))
    }

    pub(crate) fn explanation(&self, id: &str) -> XJobExplanation {
        explain::explain(&self.daemon, &self.job(id))
    }

    /// What a user reads of a job, as lines.
    pub(crate) fn explain(&self, id: &str) -> String {
        self.explanation(id).sentences.join("\n")
    }
}

/// Lines, as they are asked for.
pub(crate) fn lines(lines: &[&str]) -> String {
    lines.join("\n")
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.daemon.jobs().cancel_sync_all();
        self.daemon.owned.clear();
    }
}
