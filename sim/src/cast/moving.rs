//! What of a run moves with nodes: the cast's names for what lives in a context.

use std::rc::{Rc, Weak};

use blockjob_block::Node;
use blockjob_block::moving::{Family, Home, Moved, Place};
use blockjob_jobs::mirror::MirrorJob;

use super::{Cast, Living, Pair, SimHome};

/// What of a pair is of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Source,
    Target,
    Device,
}

/// What the cast knows of a family, on its way: parts of pairs, by the numbers of these.
pub struct Goods(Vec<(usize, Part)>);

impl Pair {
    /// Gives up what is of `family`, and names the stand-in instead. True for each part that was.
    fn leave(&self, family: &Family) -> Vec<Part> {
        let Some(stand_in) = &self.stand_in else {
            return Vec::new();
        };
        let mut living = self.living.borrow_mut();
        let mut parts = Vec::new();
        if family.contains(&living.source_node) {
            living.source_node = stand_in.source_node.clone();
            parts.push(Part::Source);
        }
        if family.contains(&living.target_node) {
            living.target_node = stand_in.target_node.clone();
            parts.push(Part::Target);
        }
        let used = living.device.node();
        if used.is_some_and(|node| family.contains(&node)) {
            living.device = stand_in.device.clone();
            self.travels.set(true);
            parts.push(Part::Device);
        }
        parts
    }

    fn arrive(&self, part: Part, moved: &Moved) {
        let node = |name: &str| {
            let mut nodes = moved.nodes.iter();
            let found = nodes.find(|node| node.name() == name).cloned();
            found.expect("who has left arrives")
        };
        let mut living = self.living.borrow_mut();
        match part {
            Part::Source => living.source_node = node(self.source.name()),
            Part::Target => living.target_node = node(self.target.name()),
            Part::Device => {
                let mut backends = moved.backends.iter();
                let name = living.device.name();
                let found = backends.find(|backend| backend.name() == name).cloned();
                living.device = found.expect("who has left arrives");
            }
        }
    }
}

impl SimHome {
    fn cast(&self) -> Rc<Cast> {
        let cast = self.cast.get().and_then(Weak::upgrade);
        cast.expect("a run lasts as long as its homes")
    }
}

impl Home for SimHome {
    type Goods = Goods;

    fn place(&self) -> Place {
        let place = Place::new(&self.graph).with(self.jobs.clone());
        match self.pool.get() {
            Some(pool) => place.with(pool.clone()),
            None => place,
        }
    }

    fn holds(&self, node: &Node) -> usize {
        let is_it = |it: &Node| usize::from(std::ptr::eq(&raw const *it, node));
        let of_pair = |pair: &Pair| {
            let living = pair.living.borrow();
            let Living {
                source_node,
                target_node,
                ..
            } = &*living;
            is_it(source_node) + is_it(target_node)
        };
        self.cast().pairs.iter().map(of_pair).sum()
    }

    fn pack(&self, family: &Family) -> Goods {
        let cast = self.cast();
        let pairs = cast.pairs.iter().enumerate();
        let parts = pairs.flat_map(|(number, pair)| {
            let parts = pair.leave(family).into_iter();
            parts.map(move |part| (number, part))
        });
        Goods(parts.collect())
    }

    fn arrived(&self, goods: Goods, moved: &Moved) {
        let cast = self.cast();
        let here = cast.home_called(self.name);
        for (number, part) in goods.0 {
            let pair = &cast.pairs[number];
            pair.arrive(part, moved);
            if part != Part::Device {
                continue;
            }
            pair.home.set(here);
            pair.travels.set(false);
            // One that is over stays what it was.
            if let Some(job) = self.jobs.get(&pair.job_id) {
                let mut living = pair.living.borrow_mut();
                living.mirror = MirrorJob::of(&job);
                living.job = Some(job);
            }
        }
        for job in &mut *cast.extra.borrow_mut() {
            if let Some(moved) = self.jobs.get(job.label()) {
                *job = moved;
            }
        }
    }
}
