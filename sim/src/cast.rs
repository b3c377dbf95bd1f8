//! Who is there in a run, for checkers, monitors and explanations.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use blockjob_block::{BlockBackend, Graph, Node};
use blockjob_jobs::job::Job;
use blockjob_jobs::list::JobList;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_runtime::AioContext;

use crate::config::Config;
use crate::disk::SimDisk;
use crate::guest::{Guest, Tally};
use crate::model::Model;
use crate::world::World;

/// One disk that is in use and is to be copied, with all that belongs to it.
pub struct Pair {
    /// The name of the job that copies it.
    pub job_id: String,
    /// The disk in use.
    pub source: Rc<SimDisk>,
    /// Its node.
    pub source_node: Rc<Node>,
    /// What it is copied to.
    pub target: Rc<SimDisk>,
    /// Its node.
    pub target_node: Rc<Node>,
    /// What is below the source, if anything is.
    pub base: Option<Rc<SimDisk>>,
    /// The guests' device.
    pub device: Rc<BlockBackend>,
    /// What guests were told of the disk.
    pub model: Rc<RefCell<Model>>,
    /// The guests that use it.
    pub guests: Vec<Rc<Guest>>,
    /// The job, once it has been started.
    pub job: OnceCell<Rc<Job>>,
    /// What the job does.
    pub mirror: OnceCell<Rc<MirrorJob>>,
    /// Why it could not be started.
    pub refused: RefCell<Option<String>>,
}

impl Pair {
    /// What the device uses, past a filter that a job has put on top of it.
    pub fn used_node(&self) -> Option<Rc<Node>> {
        Some(self.device.node()?.skip_implicit_filters())
    }

    /// Whether the job has been started and has ended.
    pub fn is_over(&self) -> bool {
        match self.mirror.get() {
            Some(mirror) => mirror.outcome().is_some(),
            None => self.refused.borrow().is_some(),
        }
    }
}

/// See the module.
pub struct Cast {
    /// What the run was told.
    pub config: Config,
    /// The world.
    pub world: Rc<World>,
    /// The main context.
    pub main: AioContext,
    /// The nodes.
    pub graph: Rc<Graph>,
    /// The jobs.
    pub jobs: Rc<JobList>,
    /// What is copied.
    pub pairs: Vec<Pair>,
    pub(crate) tally: Rc<Tally>,
    /// What a program has added to the run and has not ended; see [`Cast::keep_open`].
    open: Cell<usize>,
    /// Further jobs, which the monitor has started.
    pub extra: RefCell<Vec<Rc<Job>>>,
}

/// What keeps a run from ending; see [`Cast::keep_open`].
pub struct KeepOpen(Rc<Cast>);

impl Drop for KeepOpen {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

impl Cast {
    /// The cast of a run in which nobody has begun anything.
    pub(crate) fn new(
        config: &Config,
        world: &Rc<World>,
        main: AioContext,
        graph: Rc<Graph>,
        jobs: Rc<JobList>,
        pairs: Vec<Pair>,
        tally: Rc<Tally>,
    ) -> Rc<Cast> {
        Rc::new(Cast {
            config: config.clone(),
            world: world.clone(),
            main,
            graph,
            jobs,
            pairs,
            tally,
            open: Cell::new(0),
            extra: RefCell::default(),
        })
    }

    /// For whoever adds something to a run: the run does not end before this is dropped.
    pub fn keep_open(self: &Rc<Self>) -> KeepOpen {
        self.open.set(self.open.get() + 1);
        KeepOpen(self.clone())
    }

    /// Whether all guests have ended, with all their requests.
    pub fn guests_rest(&self) -> bool {
        self.tally.running.get() == 0
    }

    /// How many requests of guests have ended.
    pub fn requests_done(&self) -> u64 {
        self.tally.done.get()
    }

    /// Whether something that was added is still going on.
    pub fn is_kept_open(&self) -> bool {
        self.open.get() > 0
    }

    /// The pair that the job named `id` copies.
    pub fn pair_of_job(&self, id: &str) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.job_id == id)
    }

    /// The pair whose source or target is called `disk`, and whether it is the source.
    pub fn pair_of_disk(&self, disk: &str) -> Option<(&Pair, bool)> {
        self.pairs.iter().find_map(|pair| {
            if pair.source.name() == disk {
                Some((pair, true))
            } else if pair.target.name() == disk {
                Some((pair, false))
            } else {
                None
            }
        })
    }
}
