//! What of a run travels with nodes, and who holds them.

use blockjob_block::Node;
use blockjob_block::moving::{Family, Home, Moved, Place};

use super::{Pair, SimHome};

/// The pairs that move with a family, by their numbers.
pub struct Goods {
    pairs: Vec<usize>,
}

/// A family is drained, and nobody else knows of it.
impl Home for SimHome {
    type Goods = Goods;

    fn place(&self) -> Place {
        Place::new(&self.graph).with(self.jobs.clone())
    }

    fn holds(&self, node: &Node) -> usize {
        let is_it = |it: &Node| std::ptr::eq(&raw const *it, node);
        let of_pair = |pair: &Pair| {
            let living = pair.living.borrow();
            usize::from(is_it(&living.source_node)) + usize::from(is_it(&living.target_node))
        };
        let cast = self.cast.get().and_then(std::rc::Weak::upgrade);
        cast.map_or(0, |cast| cast.pairs.iter().map(of_pair).sum())
    }

    fn pack(&self, _family: &Family) -> Goods {
        Goods { pairs: Vec::new() }
    }

    fn arrived(&self, goods: Goods, _moved: &Moved) {
        debug_assert!(goods.pairs.is_empty(), "pairs stay where they are");
    }
}
