//! A block job: a job and the nodes that it uses.
//!
//! The job is a parent of its nodes, as a guest is. So it is told of drained sections, stands still
//! in them, and is asked whether it does; and others who would use a node in a way that the job does
//! not bear are refused.
//!
//! QEMU: blockjob.c.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use blockjob_block::child::{Child, ChildParent};
use blockjob_block::graph::{attach_root, detach_root};
use blockjob_block::moving::{Arrival, PackedNode, PackedUser, Packer, Tie};
use blockjob_block::op_blocker::{BlockOp, OpBlock};
use blockjob_block::{BlockError, BlockResult, Node, PermPair};
use blockjob_runtime::bug;

use crate::driver::JobDriver;
use crate::error::JobError;
use crate::job::{Job, JobOptions};
use crate::list::JobList;
use crate::moving::PackedJob;

/// A node that a job uses, with the operations that must not be begun on it meanwhile.
struct UsedNode {
    edge: Rc<Child>,
    _blocked: OpBlock,
}

/// What the main node is called among the edges.
const MAIN_NODE: &str = "main node";

/// The nodes of a job. The job owns it: [`Job::block_job`]. The counterpart of `BlockJob`
/// (`include/block/blockjob.h`).
pub struct BlockJob {
    job: Weak<Job>,
    myself: Weak<BlockJob>,
    /// The newest last.
    nodes: RefCell<Vec<UsedNode>>,
    /// So many of the job's pauses are those of drained sections of the nodes.
    drained: Cell<u32>,
    /// The job is being put together again, in a context that it has moved to.
    arriving: Cell<bool>,
}

impl BlockJob {
    /// Makes a job named `id`, or after the backend that uses `node`, which becomes its main node,
    /// used as `perms` says. It does not run yet: see [`Job::start`]. The counterpart of
    /// `block_job_create` (`blockjob.c`).
    ///
    /// # Errors
    ///
    /// Those of [`Job::create`], where a job without an `id` on a node without a named backend has the
    /// invalid name `''`; and, upon which watchers see the job come and go, a user of the node that
    /// does not get on with `perms`.
    pub fn create(
        list: &Rc<JobList>,
        id: Option<&str>,
        node: &Rc<Node>,
        perms: PermPair,
        driver: Rc<dyn JobDriver>,
        options: JobOptions,
    ) -> Result<Rc<BlockJob>, JobError> {
        let id = match id {
            None if !options.internal => Some(device_name(node)),
            id => id.map(str::to_owned),
        };
        let speed = options.speed_bytes_per_s;
        let options = JobOptions {
            speed_bytes_per_s: 0,
            ..options
        };
        let job = Job::create(list, id.as_deref(), driver, options)?;
        let block_job = Self::install(&job);
        let set_up = block_job
            .add_main_node(node, perms)
            .map_err(JobError::from)
            .and_then(|()| job.set_speed(speed));
        match set_up {
            Ok(()) => Ok(block_job),
            Err(error) => {
                job.early_fail();
                Err(error)
            }
        }
    }

    /// Makes `job` a block job, without nodes so far.
    pub(crate) fn install(job: &Rc<Job>) -> Rc<BlockJob> {
        let block_job = Rc::new_cyclic(|myself| BlockJob {
            job: Rc::downgrade(job),
            myself: myself.clone(),
            nodes: RefCell::default(),
            drained: Cell::new(0),
            arriving: Cell::new(false),
        });
        let kicked = Rc::downgrade(&block_job);
        job.on_idle(Rc::new(move || {
            if let Some(block_job) = kicked.upgrade() {
                block_job.drain_kick();
            }
        }));
        let before = job.block_job.set(block_job.clone());
        assert!(before.is_ok(), "{job:?} was made a block job before");
        block_job
    }

    /// The job.
    ///
    /// # Panics
    ///
    /// If it is gone: whoever keeps its nodes for longer must keep it, too.
    pub fn job(&self) -> Rc<Job> {
        self.job.upgrade().expect("the job owns its nodes")
    }

    fn add_main_node(&self, node: &Rc<Node>, perms: PermPair) -> BlockResult<()> {
        let blocked = node
            .op_block(None, self.block_reason())
            .except(BlockOp::Dataplane);
        self.attach(MAIN_NODE, node, perms, blocked)
    }

    /// The nodes as they are packed, in the order in which the job came to use them.
    pub(crate) fn pack_nodes(&self, packer: &Packer<'_>) -> Vec<PackedUse> {
        let nodes = self.nodes.borrow();
        let uses = nodes.iter().map(|used| PackedUse {
            name: used.edge.name(),
            node: packer.node(&used.edge.node()),
            perms: used.edge.perms(),
            frozen: used.edge.is_frozen(),
        });
        uses.collect()
    }

    /// Uses the nodes again that were packed. They are drained, and the job stands still because of it as
    /// it did before, which is no news to anybody.
    pub(crate) fn unpack_nodes(&self, uses: Vec<PackedUse>, arrival: &Arrival<'_>) {
        self.arriving.set(true);
        for used in uses {
            let node = arrival.node(used.node);
            let attached = match used.name {
                MAIN_NODE => self.add_main_node(&node, used.perms),
                name => self.add_bdrv(name, &node, used.perms),
            };
            attached.expect("permissions are not looked at before all have arrived");
            if let Some(used_node) = self.nodes.borrow().last() {
                used_node.edge.set_frozen(used.frozen);
            }
        }
        self.arriving.set(false);
    }

    /// How many of the job's pauses are those of drained sections of the nodes.
    pub(crate) fn drained_pauses(&self) -> u32 {
        self.drained.get()
    }

    /// As an edge or a backend knows it.
    pub(crate) fn as_parent(&self) -> Weak<dyn ChildParent> {
        self.myself.clone()
    }

    /// Adds `node` to those that the job uses, as `perms` says; drained sections of it pause the job
    /// from now on, and operations on it are refused. `name` is what messages call the edge. Called in
    /// the context of the list, outside of coroutines. The counterpart of `block_job_add_bdrv` (`blockjob.c`).
    ///
    /// # Errors
    ///
    /// Another user of the node does not get on with `perms`.
    pub fn add_bdrv(
        &self,
        name: &'static str,
        node: &Rc<Node>,
        perms: PermPair,
    ) -> BlockResult<()> {
        let blocked = node.op_block(None, self.block_reason());
        self.attach(name, node, perms, blocked)
    }

    fn attach(
        &self,
        name: &'static str,
        node: &Rc<Node>,
        perms: PermPair,
        blocked: OpBlock,
    ) -> BlockResult<()> {
        let parent: Weak<dyn ChildParent> = self.myself.clone();
        let edge = attach_root(name, parent, node, perms)?;
        self.nodes.borrow_mut().push(UsedNode {
            edge,
            _blocked: blocked,
        });
        Ok(())
    }

    /// Gives up all nodes, and unblocks them. Called in the context of the list, outside of coroutines; a
    /// concluded job does it at the latest when it is dismissed. The counterpart of
    /// `block_job_remove_all_bdrv` (`blockjob.c`).
    pub fn remove_all_bdrv(&self) {
        // One by one: to let a node go calls back into the job.
        while let Some(used) = {
            let mut nodes = self.nodes.borrow_mut();
            nodes.pop()
        } {
            detach_root(used.edge);
        }
    }

    /// Whether the job uses `node`. The counterpart of `block_job_has_bdrv` (`blockjob.c`).
    pub fn has_bdrv(&self, node: &Rc<Node>) -> bool {
        self.nodes().iter().any(|used| Rc::ptr_eq(used, node))
    }

    /// The nodes that the job uses, the newest first.
    pub fn nodes(&self) -> Vec<Rc<Node>> {
        let nodes = self.nodes.borrow();
        nodes.iter().rev().map(|used| used.edge.node()).collect()
    }

    /// The edges to those nodes, the newest first.
    pub fn edges(&self) -> Vec<Rc<Child>> {
        let nodes = self.nodes.borrow();
        nodes.iter().rev().map(|used| used.edge.clone()).collect()
    }

    /// Has those look again who wait for a drained section around the job.
    fn drain_kick(&self) {
        for node in self.nodes() {
            node.drain_kick();
        }
    }

    fn block_reason(&self) -> String {
        format!(
            "block device is in use by block job: {}",
            self.job().job_type()
        )
    }
}

/// The name of the backend that uses `node`; empty if there is none with a name. The counterpart of
/// `bdrv_get_device_name` (`block.c`).
fn device_name(node: &Node) -> String {
    let parents = node.parents();
    let mut names = parents.iter().filter_map(|edge| {
        let name = edge.parent()?.backend_name();
        (!name.is_empty()).then_some(name)
    });
    names.next().unwrap_or_default()
}

/// The job as a user of its nodes. The counterpart of `child_job` (`blockjob.c`).
impl ChildParent for BlockJob {
    fn describe(&self) -> String {
        let job = self.job();
        format!("{} job '{}'", job.job_type(), job.label())
    }

    fn stay_at_node(&self) -> bool {
        true
    }

    fn drained_begin(&self, _child: &Child) {
        self.drained.set(self.drained.get() + 1);
        match self.job.upgrade() {
            Some(job) if self.arriving.get() => job.count_pause(),
            Some(job) => job.pause(),
            None => {}
        }
    }

    fn drained_poll(&self, _child: &Child) -> bool {
        let job = self.job.upgrade();
        job.is_some_and(|job| job.drained_poll() && !bug!(DRN_09))
    }

    fn drained_end(&self, _child: &Child) {
        self.drained.set(self.drained.get() - 1);
        if let Some(job) = self.job.upgrade() {
            job.resume();
        }
    }

    fn ties(&self) -> Vec<Tie> {
        let Some(job) = self.job.upgrade() else {
            return Vec::new();
        };
        let nodes = self.nodes().into_iter().chain(job.driver.ties());
        let mut ties: Vec<Tie> = nodes.map(Tie::Node).collect();
        // They succeed or fail together, and decide that in one place.
        let others = job.txn().map(|txn| txn.jobs()).unwrap_or_default();
        let others = others.iter().filter_map(|other| other.block_job());
        let others = others.filter(|other| !std::ptr::eq(&***other, self));
        ties.extend(others.map(|other| Tie::User(other.clone())));
        ties
    }

    fn can_move(&self) -> BlockResult<()> {
        self.job().check_move()
    }

    fn holds_nodes(&self) -> bool {
        self.job().driver.holds_nodes()
    }

    fn sections(&self) -> usize {
        self.job().driver.sections()
    }

    fn pack(&self, packer: &Packer<'_>) -> Box<dyn PackedUser> {
        Box::new(PackedJob::of(&self.job(), packer))
    }
}

/// A node that a job uses, on its way.
pub(crate) struct PackedUse {
    name: &'static str,
    node: PackedNode,
    perms: PermPair,
    frozen: bool,
}

impl Drop for BlockJob {
    fn drop(&mut self) {
        self.remove_all_bdrv();
    }
}

impl fmt::Debug for BlockJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes();
        let names: Vec<&str> = nodes.iter().map(|node| node.name()).collect();
        f.debug_struct("BlockJob")
            .field("job", &self.job.upgrade())
            .field("nodes", &names)
            .finish()
    }
}

impl Job {
    /// The nodes that the job uses; `None` if it is no block job.
    pub fn block_job(&self) -> Option<&Rc<BlockJob>> {
        self.block_job.get()
    }
}

/// An error of the block layer as the result of a job, or as the reason why there is none.
impl From<BlockError> for JobError {
    fn from(error: BlockError) -> Self {
        JobError::Failed {
            errno: error.errno(),
            text: error.to_string(),
        }
    }
}
