//! Who is there in a run, for checkers, monitors and explanations.

mod home;
mod moving;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::{BlockBackend, Graph, Node};
use blockjob_jobs::job::Job;
use blockjob_jobs::list::JobList;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_runtime::AioContext;

use crate::config::Config;
use crate::disk::SimDisk;
use crate::event::Note;
use crate::guest::{Guest, Tally};
use crate::model::Model;
use crate::world::World;

pub(crate) use home::section_id;
pub use home::{OpenSection, SimHome};

/// One disk that is in use and is to be copied, with all that belongs to it. What lives in a context is
/// another object when it has moved to another one, so it is asked for each time.
pub struct Pair {
    /// The name of the job that copies it.
    pub job_id: String,
    /// The disk in use.
    pub source: Rc<SimDisk>,
    /// What it is copied to.
    pub target: Rc<SimDisk>,
    /// What is below the source, if anything is.
    pub base: Option<Rc<SimDisk>>,
    /// What guests were told of the disk.
    pub model: Rc<RefCell<Model>>,
    /// The guests that use it.
    pub guests: Vec<Rc<Guest>>,
    /// Why the job could not be started.
    pub refused: RefCell<Option<String>>,
    /// Which of the homes they live in.
    pub(crate) home: Cell<usize>,
    pub(crate) living: RefCell<Living>,
    /// They are on their way to another home.
    pub(crate) travels: Cell<bool>,
    /// What they are said to be meanwhile: nobody uses it. None if they never move.
    pub(crate) stand_in: Option<Living>,
}

/// What of a pair lives in a context.
pub(crate) struct Living {
    pub(crate) source_node: Rc<Node>,
    pub(crate) target_node: Rc<Node>,
    pub(crate) device: Rc<BlockBackend>,
    pub(crate) job: Option<Rc<Job>>,
    pub(crate) mirror: Option<Rc<MirrorJob>>,
}

impl Pair {
    /// The node of the disk in use.
    pub fn source_node(&self) -> Rc<Node> {
        self.living.borrow().source_node.clone()
    }

    /// The node of what it is copied to.
    pub fn target_node(&self) -> Rc<Node> {
        self.living.borrow().target_node.clone()
    }

    /// The guests' device.
    pub fn device(&self) -> Rc<BlockBackend> {
        self.living.borrow().device.clone()
    }

    /// The job, once it has been started.
    pub fn job(&self) -> Option<Rc<Job>> {
        self.living.borrow().job.clone()
    }

    /// What the job does.
    pub fn mirror(&self) -> Option<Rc<MirrorJob>> {
        self.living.borrow().mirror.clone()
    }

    /// What the device uses, past a filter that a job has put on top of it.
    pub fn used_node(&self) -> Option<Rc<Node>> {
        Some(self.device().node()?.skip_implicit_filters())
    }

    /// Whether the job has been started and has ended.
    pub fn is_over(&self) -> bool {
        match self.mirror() {
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
    /// The nodes, where families live to begin with.
    pub graph: Rc<Graph>,
    /// The jobs, where families live to begin with.
    pub jobs: Rc<JobList>,
    /// The contexts in which families may live; the main one is the first.
    pub homes: Vec<Rc<SimHome>>,
    /// What is copied.
    pub pairs: Vec<Pair>,
    pub(crate) tally: Rc<Tally>,
    /// What a program has added to the run and has not ended; see [`Cast::keep_open`].
    open: Cell<usize>,
    /// Commands of main's that are under way elsewhere.
    pub(crate) commands: Cell<u32>,
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
    /// The cast of a run in which nobody has begun anything. Families live in the home of that number.
    pub(crate) fn new(
        config: &Config,
        world: &Rc<World>,
        (homes, home): (Vec<Rc<SimHome>>, usize),
        pairs: Vec<Pair>,
        tally: Rc<Tally>,
    ) -> Rc<Cast> {
        let cast = Rc::new(Cast {
            config: config.clone(),
            world: world.clone(),
            main: homes[0].context.clone(),
            graph: homes[home].graph.clone(),
            jobs: homes[home].jobs.clone(),
            homes,
            pairs,
            tally,
            open: Cell::new(0),
            commands: Cell::new(0),
            extra: RefCell::default(),
        });
        for home in &cast.homes {
            let known = home.cast.set(Rc::downgrade(&cast));
            assert!(known.is_ok(), "a home is of one run");
        }
        cast
    }

    /// For whoever adds something to a run: the run does not end before this is dropped.
    pub fn keep_open(self: &Rc<Self>) -> KeepOpen {
        self.open.set(self.open.get() + 1);
        KeepOpen(self.clone())
    }

    /// For whoever adds somebody to a run: says what he does, for the story of the run and its picture.
    /// `make` is only called if the run is recorded, and nothing else depends on it.
    ///
    /// # Panics
    ///
    /// When a checker calls it while it is told of something.
    pub fn note(&self, make: impl FnOnce() -> Note) {
        self.main.trace_detail(make);
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
