//! Coverage: the rare places of the engine, and the steps of mirrors by the state of their jobs.
//!
//! A sweep that finds nothing says little unless it says where it has been. The engine marks about
//! fifty places that a good search comes past now and then ([`all_marks`]): a run counts them, a sweep
//! adds them up, and a mark that was never hit is a hole in the scenario, or a place that cannot be
//! reached.

mod steps;

use std::cell::{Cell, RefCell};
use std::sync::OnceLock;

use blockjob_runtime::trace::Mark;

pub use steps::{StepTable, StepWatch};

/// All marks of the engine, those of the runtime first, then the block layer's and the jobs'.
pub fn all_marks() -> impl Iterator<Item = &'static Mark> {
    let crates = [
        blockjob_runtime::marks::MARKS,
        blockjob_block::marks::MARKS,
        blockjob_jobs::marks::MARKS,
    ];
    crates.into_iter().flatten().copied()
}

/// For the address of each mark its place in [`all_marks`], by address. Addresses differ from process to
/// process; they only say where to look.
fn places() -> &'static [(usize, usize)] {
    static PLACES: OnceLock<Vec<(usize, usize)>> = OnceLock::new();
    PLACES.get_or_init(|| {
        let all = all_marks().enumerate();
        let mut places: Vec<_> = all.map(|(place, mark)| (address(mark), place)).collect();
        places.sort_unstable();
        places
    })
}

fn address(mark: &'static Mark) -> usize {
    std::ptr::from_ref(mark).addr()
}

/// The place of `mark` in [`all_marks`], if it is one of the engine's.
pub fn mark_place(mark: &'static Mark) -> Option<usize> {
    let places = places();
    let found = places.binary_search_by_key(&address(mark), |(address, _)| *address);
    found.ok().map(|index| places[index].1)
}

/// How often each mark was hit in a run.
pub struct Marks {
    hits: Vec<Cell<u64>>,
    /// Marks that are in no list of the engine's, as tests have them.
    others: RefCell<Vec<(&'static Mark, u64)>>,
}

impl Default for Marks {
    fn default() -> Self {
        Marks {
            hits: vec![Cell::new(0); places().len()],
            others: RefCell::default(),
        }
    }
}

impl Marks {
    /// Counts a hit.
    pub fn hit(&self, mark: &'static Mark) {
        if let Some(place) = mark_place(mark) {
            let hits = &self.hits[place];
            hits.set(hits.get() + 1);
            return;
        }
        let mut others = self.others.borrow_mut();
        let known = others.iter_mut().find(|(known, _)| *known == mark);
        match known {
            Some((_, count)) => *count += 1,
            None => others.push((mark, 1)),
        }
    }

    /// The marks that were hit, with how often, in the order of [`all_marks`]. Forgets them.
    pub fn take(&self) -> Vec<(&'static Mark, u64)> {
        let listed = all_marks().zip(self.hits.iter().map(Cell::take));
        let hit = listed.filter(|(_, hits)| *hits > 0);
        hit.chain(self.others.take()).collect()
    }
}
