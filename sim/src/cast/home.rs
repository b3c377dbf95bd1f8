//! Where families live: the main context, or another one.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Deref;
use std::rc::{Rc, Weak};

use blockjob_block::buf::BufferPool;
use blockjob_block::section::Section;
use blockjob_block::{Graph, Node};
use blockjob_jobs::job::Job;
use blockjob_jobs::list::JobList;
use blockjob_runtime::{AioContext, Resident};
use fragile::Fragile;

use super::{Cast, Pair};

/// A context with what lives in it.
pub struct SimHome {
    /// The name of the context.
    pub name: &'static str,
    /// The context.
    pub context: AioContext,
    /// Its nodes.
    pub graph: Rc<Graph>,
    /// Its jobs.
    pub jobs: Rc<JobList>,
    /// How other contexts name it, if there are others.
    resident: OnceCell<Resident<SimHome>>,
    /// Memory for the jobs here, if any of them may have come from elsewhere.
    pub(crate) pool: OnceCell<Rc<BufferPool>>,
    pub(super) cast: OnceCell<Weak<Cast>>,
}

impl SimHome {
    /// A home that nobody else knows.
    pub(crate) fn new(
        name: &'static str,
        context: &AioContext,
        graph: Rc<Graph>,
        jobs: Rc<JobList>,
    ) -> SimHome {
        SimHome {
            name,
            context: context.clone(),
            graph,
            jobs,
            resident: OnceCell::new(),
            pool: OnceCell::new(),
            cast: OnceCell::new(),
        }
    }

    /// Names it for other contexts.
    pub(crate) fn settle(self) -> Rc<SimHome> {
        let home = Rc::new(self);
        let named = home.resident.set(home.context.settle(home.clone()));
        assert!(named.is_ok(), "a home is named once");
        home
    }

    /// How other contexts name it; none if it is the only one.
    pub(crate) fn resident(&self) -> Option<&Resident<SimHome>> {
        self.resident.get()
    }
}

/// So far is the number of a home to the left in the number of a section.
const HOME_SHIFT: u32 = 48;

/// A drained section that is open.
#[derive(Clone)]
pub struct OpenSection {
    /// The number of the home in which it is.
    pub home: usize,
    section: Rc<Section>,
}

impl OpenSection {
    /// Tells it apart from all others of a run, also from those of other homes.
    pub fn id(&self) -> u64 {
        section_id(self.home, self.section.id())
    }
}

impl Deref for OpenSection {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.section
    }
}

impl fmt::Debug for OpenSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in home {}", self.section, self.home)
    }
}

/// The number of a section among those of all homes: in the first one it is the one that it has there.
pub(crate) fn section_id(home: usize, id: u64) -> u64 {
    (home as u64) << HOME_SHIFT | id
}

impl Cast {
    /// The nodes of all homes.
    pub fn nodes(&self) -> Vec<Rc<Node>> {
        let mut homes = self.homes.iter();
        let mut nodes = homes
            .next()
            .map_or_else(Vec::new, |main| main.graph.nodes());
        nodes.extend(homes.flat_map(|home| home.graph.nodes()));
        nodes
    }

    /// The node of that name, wherever it lives.
    pub fn find_node(&self, name: &str) -> Option<Rc<Node>> {
        let mut homes = self.homes.iter();
        homes.find_map(|home| home.graph.find_node(name))
    }

    /// The drained sections that are open, in all homes.
    pub fn open_sections(&self) -> Vec<OpenSection> {
        let homes = self.homes.iter().enumerate();
        let open = homes.flat_map(|(home, it)| {
            let sections = it.graph.open_sections().into_iter();
            sections.map(move |section| OpenSection { home, section })
        });
        open.collect()
    }

    /// Whether `section` keeps the users of `node` from it.
    pub fn covers(&self, section: &OpenSection, node: &Node) -> bool {
        self.lives_in(section.home, node) && section.covers(&self.homes[section.home].graph, node)
    }

    /// Whether `node` is one of that home.
    pub fn lives_in(&self, home: usize, node: &Node) -> bool {
        self.homes.len() == 1 || *node.context() == self.homes[home].context
    }

    /// The number of the home whose context is called `context`; that of the main one if there is none.
    pub fn home_called(&self, context: &str) -> usize {
        let mut homes = self.homes.iter();
        let found = homes.position(|home| home.name == context);
        found.unwrap_or(0)
    }

    /// The number of the home in which `node` is; that of the main one if it is in none.
    pub fn home_of_node(&self, node: &Node) -> usize {
        self.home_with(node.context())
    }

    /// The number of the home whose context is `context`; that of the main one if there is none.
    pub(crate) fn home_with(&self, context: &AioContext) -> usize {
        let mut homes = self.homes.iter();
        let found = homes.position(|home| home.context == *context);
        found.unwrap_or(0)
    }

    /// The home in which `pair` lives.
    pub fn home_of(&self, pair: &Pair) -> &Rc<SimHome> {
        &self.homes[pair.home.get()]
    }

    /// The job named `id`, wherever it lives.
    pub fn job(&self, id: &str) -> Option<Rc<Job>> {
        self.homes.iter().find_map(|home| home.jobs.get(id))
    }

    /// The jobs that are not over, home by home, in each the newest first.
    pub fn all_jobs(&self) -> Vec<Rc<Job>> {
        let mut homes = self.homes.iter();
        let mut jobs = homes.next().map_or_else(Vec::new, |main| main.jobs.jobs());
        jobs.extend(homes.flat_map(|home| home.jobs.jobs()));
        jobs
    }

    /// Whether no job is left.
    pub fn has_no_jobs(&self) -> bool {
        self.homes.iter().all(|home| home.jobs.is_empty())
    }

    /// Has `work` run in `home` as a command of main's: at once, if that is main's own, else main polls
    /// until it has run there. From outside of coroutines.
    pub fn command<R: 'static>(
        &self,
        home: &Rc<SimHome>,
        name: &'static str,
        work: impl FnOnce() -> R + 'static,
    ) -> R {
        if home.context == self.main {
            return work();
        }
        // A world is one thread: nothing crosses to another one but by type.
        let (there, work) = (
            home.context.handle(),
            Fragile::new((home.jobs.clone(), work)),
        );
        let _main = self.main.make_current();
        self.commands.set(self.commands.get() + 1);
        let done = self.main.call(&there, name, move |_| {
            let (jobs, work) = work.into_inner();
            let waits = jobs.main_waits();
            let result = work();
            drop(waits);
            Fragile::new(result)
        });
        self.commands.set(self.commands.get() - 1);
        let done = done.expect("no context of a world ends before the world does");
        done.into_inner()
    }
}
