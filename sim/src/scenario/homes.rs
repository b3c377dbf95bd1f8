//! The contexts in which families may live.

use std::rc::Rc;

use blockjob_block::Graph;
use blockjob_block::directory::Directory;
use blockjob_jobs::list::JobList;
use blockjob_runtime::sync::Arc;

use crate::cast::SimHome;
use crate::config::{Config, Field};
use crate::hub::Hub;
use crate::world::World;

/// The homes of families: main, and with `iothread` two more.
const HOMES: [&str; 3] = ["main", "io0", "io1"];

/// The homes of a world, of which the main one is the first.
pub(super) fn make(config: &Config, world: &Rc<World>, hub: &Rc<Hub>) -> Vec<Rc<SimHome>> {
    let main = world.context(HOMES[0], Some(hub.clone()));
    let sink = || {
        let events = hub.clone();
        Rc::new(move |event| events.job_event(&event))
    };
    let jobs = JobList::new(&main, sink());
    if !config.is(Field::IoThread) {
        let graph = Graph::new(&main);
        return vec![Rc::new(SimHome::new(HOMES[0], &main, graph, jobs))];
    }
    world.serve_waiting();
    let (directory, handle) = (Directory::new(), Rc::new(main.handle()));
    let graph = Graph::with_directory(&main, &directory);
    let ages = Arc::default();
    jobs.share_ages(&ages);
    let mut homes = vec![SimHome::new(HOMES[0], &main, graph, jobs).settle()];
    homes.extend(HOMES[1..].iter().map(|name| {
        let context = world.context(name, Some(hub.clone()));
        let graph = Graph::with_directory(&context, &directory);
        let jobs = JobList::with_main_loop(&context, sink(), handle.clone());
        jobs.share_ages(&ages);
        SimHome::new(name, &context, graph, jobs).settle()
    }));
    homes
}
